// words.cuh: the words of warp.cuh on a GPU: one in each lane.
#pragma once
#include "lanes.cuh"
namespace gq {

typedef unsigned vw, wide_vw;
template <class W>
constexpr int words_of = 32;

template <class W>
GQ W splat_word(unsigned x) {
    return x;
}
template <class W>
GQ W word_numbers() {
    return lane();
}
GQ unsigned word_of(vw x, int l) { return bcast(x, l); }
GQ void set_word(vw& x, int l, unsigned word) { x = int(lane()) == l ? word : x; }
template <class W>
struct WordRows {
    uint32_t* own;
    GQ_MEMBER WordRows(uint32_t* words, int64_t row, int first) {
        first += int(lane());
        own = words + (first >> 3) * row + (first & 7);
    }
    GQ_MEMBER W operator[](int place) const { return own[place]; }
    GQ_MEMBER void set(int place, W x) const { own[place] = x; }
};
GQ vw parity(vw a, vw b, vw c) { return a ^ b ^ c; }
GQ vw majority(vw a, vw b, vw c) { return (a & b) | ((a ^ b) & c); }
GQ vw choose(vw a, vw b, vw c) { return (a & b) | (c & ~a); }
GQ vw or_differ(vw a, vw b, vw c) { return a | (b ^ c); }
GQ vw unless_differ(vw a, vw b, vw c) { return (a & ~(b ^ c)) | ((b ^ c) & c); }
GQ bool any(vw x) { return ballot(x != 0); }

template <int BITS>
struct LevelNumbers {
    unsigned number[1 << BITS];
    GQ_MEMBER bool zero(int call) const {
        unsigned any = 0;
        GQ_UNROLL for (int i = 0; i < 1 << BITS; ++i) any |= number[i];
        return !((any << (4 * call)) >> 28);
    }
};
// Read where they are needed: an array of them, indexed at run time, would lie in local memory.
template <class W, int BITS, int N>
struct NumberTable {
    const uint32_t* numbers;
    GQ_MEMBER explicit NumberTable(const uint32_t* p) : numbers(p) {}
    GQ_MEMBER LevelNumbers<BITS> operator[](int i) const {
        LevelNumbers<BITS> own;
        GQ_UNROLL for (int k = 0; k < 1 << BITS; k += 4) load_few<4>(numbers + (i << BITS) + k, own.number + k);
        return own;
    }
};
template <class W, int BITS>
struct Choice {
    const LevelNumbers<BITS>& numbers;
    vw y[BITS];
    GQ_MEMBER Choice(const LevelNumbers<BITS>& from, const vw (&level)[BITS]) : numbers(from) {
        GQ_UNROLL for (int i = 0; i < BITS; ++i) y[i] = level[i];
    }
    GQ_MEMBER vw operator[](int k) const {
        vw digit[1 << BITS];
        GQ_UNROLL for (int i = 0; i < 1 << BITS; ++i) digit[i] = 0u - ((numbers.number[i] >> (31 - k)) & 1u);
        GQ_UNROLL for (int i = 0; i < BITS; ++i) GQ_UNROLL for (int j = 0; j < 1 << (BITS - 1 - i); ++j) digit[j] =
            choose(y[i], digit[2 * j + 1], digit[2 * j]);
        return digit[0];
    }
};

template <class W>
using factor = W;
GQ vw factors(vw x) { return x; }
GQ vw words(vw x) { return x; }

}  // namespace gq
