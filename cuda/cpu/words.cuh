// words.cuh: the words of warp.cuh on a CPU: a vector of them, an element a word; 256 bits with AVX-512 too.
#pragma once
#include "lanes.cuh"
namespace gq {

#if defined(__AVX2__)
constexpr int vw_words = 8;
#else
constexpr int vw_words = 4;
#endif
typedef unsigned vw __attribute__((vector_size(4 * vw_words)));
typedef vw unaligned_vw __attribute__((aligned(4), may_alias));

GQ vw splat_word(unsigned x) { return x - vw{}; }
GQ vw load_words(const uint32_t* p) { return *reinterpret_cast<const unaligned_vw*>(p); }
GQ void store_words(uint32_t* p, const vw& x) { *reinterpret_cast<unaligned_vw*>(p) = x; }
GQ vw word_numbers() {
    vw r;
    for (int l = 0; l < vw_words; ++l) r[l] = unsigned(l);
    return r;
}
GQ unsigned word_of(const vw& x, int l) { return x[l]; }
GQ void set_word(vw& x, int l, unsigned word) { x[l] = word; }
template <class T>
GQ T* own_words(T* words, int64_t row, int first) {
    return words + (first >> 3) * row + (first & 7);
}
GQ vw half_turn(const vw& x) {
#if defined(__AVX2__)
    const __m256i turn =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
    return (vw)_mm256_shuffle_epi8((__m256i)x, turn);
#else
    return (x << 16) | (x >> 16);
#endif
}
GQ bool any(const vw& x) {
#if defined(__AVX2__)
    return !_mm256_testz_si256((__m256i)x, (__m256i)x);
#elif defined(__SSE2__)
    return _mm_movemask_epi8(_mm_cmpeq_epi8((__m128i)x, _mm_setzero_si128())) != 0xffff;
#else
    return ((x[0] | x[1]) | (x[2] | x[3])) != 0;
#endif
}

// Four numbers' binary digits, the highest first, for chains that each go by one of the four: numbers[0] where neither bit
// of y is set, numbers[1] where y0 is, numbers[2] where y1 is, numbers[3] where both are.
// There are but 16 planes that a digit can ask for: made once, then looked up.
struct FourNumbers {
    int32_t place[32];  // in bytes
    unsigned first, any;
    GQ_MEMBER bool zero(int four) const { return !((any << (4 * four)) >> 28); }
};
template <int N>
struct NumberTable {
    FourNumbers four[N];
    GQ_MEMBER explicit NumberTable(const uint32_t* p) {
        for (int n = 0; n < N; ++n, p += 4) {
            four[n].first = p[0];
            four[n].any = p[0] | p[1] | p[2] | p[3];
            for (int k = 0; k < 32; ++k) {
                unsigned place = 0;
                for (int i = 0; i < 4; ++i) place |= ((p[i] >> (31 - k)) & 1u) << i;
                four[n].place[k] = int32_t(place * sizeof(vw));
            }
        }
    }
    GQ_MEMBER const FourNumbers& operator[](int i) const { return four[i]; }
};
struct Choice {
    const int32_t* place;
    vw plane[16];
    GQ_MEMBER Choice(const FourNumbers& numbers, const vw& y0, const vw& y1) : place(numbers.place) {
        plane[0] = vw{};
        plane[2] = y0 & ~y1;
        plane[4] = y1 & ~y0;
        plane[6] = y0 ^ y1;
        plane[8] = y0 & y1;
        plane[10] = y0;
        plane[12] = y1;
        plane[14] = y0 | y1;
        if (numbers.first)
            for (int i = 0; i < 16; i += 2) plane[i + 1] = plane[i] | ~plane[14];
    }
    GQ_MEMBER vw operator[](int k) const {
        return *reinterpret_cast<const vw*>(reinterpret_cast<const char*>(plane) + place[k]);
    }
};

// x86 multiplies the even words of a vector alone: factors are kept as two vectors, each with its words at the even
// places and anything at the odd ones.
#if defined(__SSE2__)
struct factor {
    vw even, odd;
};
GQ vw upper_half(const vw& x) {
#if defined(__AVX2__)
    return (vw)_mm256_srli_epi64((__m256i)x, 32);
#else
    return (vw)_mm_srli_epi64((__m128i)x, 32);
#endif
}
GQ vw even_product(unsigned m, const vw& x) {
#if defined(__AVX2__)
    return (vw)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi32(int(m)));
#else
    return (vw)_mm_mul_epu32((__m128i)x, _mm_set1_epi32(int(m)));
#endif
}
GQ factor operator^(const factor& a, const factor& b) { return {a.even ^ b.even, a.odd ^ b.odd}; }
GQ factor operator^(const factor& a, unsigned b) { return {a.even ^ b, a.odd ^ b}; }
GQ factor operator^(const factor& a, const vw& b) { return {a.even ^ b, a.odd ^ b}; }
GQ factor factors(const vw& x) { return {x, upper_half(x)}; }
GQ factor uniform_factor(unsigned x) { return {splat_word(x), splat_word(x)}; }
GQ vw words(const factor& x) {
#if defined(__AVX2__)
    return (vw)_mm256_blend_epi32((__m256i)x.even, _mm256_slli_epi64((__m256i)x.odd, 32), 0xaa);
#else
    const __m128i low = _mm_shuffle_epi32((__m128i)x.even, 0xd8), high = _mm_shuffle_epi32((__m128i)x.odd, 0xd8);
    return (vw)_mm_unpacklo_epi32(low, high);
#endif
}
GQ void mul_wide(unsigned m, const factor& a, factor& high, factor& low) {
    low = {even_product(m, a.even), even_product(m, a.odd)};
    high = {upper_half(low.even), upper_half(low.odd)};
}
#else
typedef vw factor;
GQ factor factors(const vw& x) { return x; }
GQ factor uniform_factor(unsigned x) { return splat_word(x); }
GQ vw words(const factor& x) { return x; }
GQ void mul_wide(unsigned m, const factor& a, factor& high, factor& low) {
    for (int l = 0; l < vw_words; ++l) {
        const uint64_t product = uint64_t(m) * a[l];
        high[l] = unsigned(product >> 32);
        low[l] = unsigned(product);
    }
}
#endif

}  // namespace gq
