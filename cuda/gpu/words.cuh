// words.cuh: the words of warp.cuh on a GPU: one in each lane.
#pragma once
#include "lanes.cuh"
namespace gq {

typedef unsigned vw;
constexpr int vw_words = 32;

GQ vw splat_word(unsigned x) { return x; }
GQ vw load_words(const uint32_t* p) { return *p; }
GQ void store_words(uint32_t* p, vw x) { *p = x; }
GQ vw word_numbers() { return lane(); }
GQ unsigned word_of(vw x, int l) { return bcast(x, l); }
GQ void set_word(vw& x, int l, unsigned word) { x = int(lane()) == l ? word : x; }
template <class T>
GQ T* own_words(T* words, int64_t row, int first) {
    const int own = first + int(lane());
    return words + (own >> 3) * row + (own & 7);
}
GQ vw half_turn(vw x) { return (x << 16) | (x >> 16); }
GQ bool any(vw x) { return ballot(x != 0); }

struct FourNumbers {
    unsigned number[4];
    GQ_MEMBER bool zero(int four) const {
        return !(((number[0] | number[1] | number[2] | number[3]) << (4 * four)) >> 28);
    }
};
// Read where they are needed: an array of them, indexed at run time, would lie in local memory.
template <int N>
struct NumberTable {
    const uint32_t* numbers;
    GQ_MEMBER explicit NumberTable(const uint32_t* p) : numbers(p) {}
    GQ_MEMBER FourNumbers operator[](int i) const {
        FourNumbers four;
        load_few<4>(numbers + 4 * i, four.number);
        return four;
    }
};
struct Choice {
    const FourNumbers& numbers;
    vw y0, y1;
    GQ_MEMBER Choice(const FourNumbers& four, vw low, vw high) : numbers(four), y0(low), y1(high) {}
    GQ_MEMBER vw digit(int i, int k) const { return 0u - ((numbers.number[i] >> (31 - k)) & 1u); }
    GQ_MEMBER vw operator[](int k) const {
        const vw low = (digit(0, k) & ~y0) | (digit(1, k) & y0), high = (digit(2, k) & ~y0) | (digit(3, k) & y0);
        return (low & ~y1) | (high & y1);
    }
};

typedef unsigned factor;
GQ factor factors(vw x) { return x; }
GQ factor uniform_factor(unsigned x) { return x; }
GQ vw words(factor x) { return x; }

}  // namespace gq
