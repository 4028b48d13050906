// philox.cuh: Philox4x32-10, a counter-based generator (Salmon, Moraes, Dror, Shaw, SC 2011, "Parallel random numbers:
// as easy as 1, 2, 3"). Four words a call; checked against the published known-answer vectors.
#pragma once
#include "warp.cuh"
namespace gq {

struct key {
    unsigned low, high;
};

constexpr int philox_rounds = 10;
constexpr unsigned multiplier0 = 0xD2511F53u, multiplier1 = 0xCD9E8D57u;

GQ key of_round(const key& k, int i) { return {k.low + i * 0x9E3779B9u, k.high + i * 0xBB67AE85u}; }

// The keys of all rounds, in registers: for a loop that draws often.
struct RoundKeys {
    key round[philox_rounds];
    GQ_MEMBER explicit RoundKeys(key k) {
        GQ_UNROLL for (int i = 0; i < philox_rounds; ++i)
            round[i] = {held(of_round(k, i).low), held(of_round(k, i).high)};
    }
};
GQ key of_round(const RoundKeys& keys, int i) { return keys.round[i]; }

// Rounds FIRST to LAST - 1.
template <int FIRST, int LAST, class V, class K>
GQ void some_rounds(V (&c)[4], const K& k) {
    GQ_UNROLL for (int i = FIRST; i < LAST; ++i) {
        V high0, low0, high1, low1;
        mul_wide(multiplier0, c[0], high0, low0);
        mul_wide(multiplier1, c[2], high1, low1);
        c[0] = high1 ^ c[1] ^ of_round(k, i).low;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ of_round(k, i).high;
        c[3] = low0;
    }
}

template <class K = key>
GQ void philox(vu position, vu sweep, vu chain, vu purpose, const K& k, vu (&word)[4]) {
    word[0] = position;
    word[1] = sweep;
    word[2] = chain;
    word[3] = purpose;
    in_pieces(word, [&](auto& piece) { some_rounds<0, philox_rounds>(piece, k); });
}

}  // namespace gq
