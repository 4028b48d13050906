// philox.cuh: Philox4x32-10, a counter-based generator (Salmon, Moraes, Dror, Shaw, SC 2011, "Parallel random numbers:
// as easy as 1, 2, 3"). Four words a call; checked against the published known-answer vectors.
#pragma once
#include "warp.cuh"
namespace gq {

struct key {
    unsigned low, high;
};

template <class V>
GQ void philox_rounds(V (&c)[4], key k) {
    for (int round = 0; round < 10; ++round) {
        V high0, low0, high1, low1;
        mul_wide(0xD2511F53u, c[0], high0, low0);
        mul_wide(0xCD9E8D57u, c[2], high1, low1);
        c[0] = high1 ^ c[1] ^ k.low;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ k.high;
        c[3] = low0;
        k.low += 0x9E3779B9u;
        k.high += 0xBB67AE85u;
    }
}

GQ void philox(vu position, vu sweep, vu chain, vu purpose, key k, vu (&word)[4]) {
    word[0] = position;
    word[1] = sweep;
    word[2] = chain;
    word[3] = purpose;
    in_pieces(word, [&](auto& piece) { philox_rounds(piece, k); });
}

}  // namespace gq
