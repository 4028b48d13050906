// words.cuh: the words of warp.cuh on a CPU: a vector of them, an element a word.
#pragma once
#include "lanes.cuh"
namespace gq {

template <int N>
struct vector_of_words {
    typedef unsigned type __attribute__((vector_size(4 * N)));
    typedef type unaligned __attribute__((aligned(4), may_alias));
};
#if defined(__AVX512F__)
typedef vector_of_words<8>::type vw;
typedef vector_of_words<16>::type wide_vw;
#elif defined(__AVX2__)
typedef vector_of_words<8>::type vw, wide_vw;
#else
typedef vector_of_words<4>::type vw, wide_vw;
#endif
template <class W>
constexpr int words_of = sizeof(W) / 4;

template <class W>
GQ W splat_word(unsigned x) {
    return x - W{};
}
template <class W>
GQ W word_numbers() {
    W r;
    for (int l = 0; l < words_of<W>; ++l) r[l] = unsigned(l);
    return r;
}
template <class W>
GQ unsigned word_of(const W& x, int l) {
    return x[l];
}
template <class W>
GQ void set_word(W& x, int l, unsigned word) {
    x[l] = word;
}

template <class W>
struct WordRows {
    typedef typename vector_of_words<words_of<W>>::unaligned unaligned;
    uint32_t *begin, *next;  // next: of the eight words after the first eight
    GQ_MEMBER WordRows(uint32_t* words, int64_t row, int first)
        : begin(words + (first >> 3) * row + (first & 7)), next(begin + row) {}
    GQ_MEMBER W operator[](int place) const {
#if defined(__AVX512F__)
        if constexpr (sizeof(W) == 64) {
            const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(begin + place));
            const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(next + place));
            return (W)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        } else
#endif
            return *reinterpret_cast<const unaligned*>(begin + place);
    }
    GQ_MEMBER void set(int place, const W& x) const {
#if defined(__AVX512F__)
        if constexpr (sizeof(W) == 64) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(begin + place), _mm512_castsi512_si256((__m512i)x));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(next + place), _mm512_extracti64x4_epi64((__m512i)x, 1));
        } else
#endif
            *reinterpret_cast<unaligned*>(begin + place) = x;
    }
};

// Functions of three bits: one instruction with AVX-512, whose table has f(1, 1, 1) highest, then f(1, 1, 0), ...
#if defined(__AVX512F__)
template <int TABLE, class W>
GQ W of_three(const W& a, const W& b, const W& c) {
    if constexpr (sizeof(W) == 64) {
        return (W)_mm512_ternarylogic_epi32((__m512i)a, (__m512i)b, (__m512i)c, TABLE);
    } else {
        return (W)_mm256_ternarylogic_epi32((__m256i)a, (__m256i)b, (__m256i)c, TABLE);
    }
}
#define GQ_OF_THREE(NAME, TABLE, FORMULA)           \
    template <class W>                              \
    GQ W NAME(const W& a, const W& b, const W& c) { \
        return of_three<TABLE>(a, b, c);            \
    }
#else
#define GQ_OF_THREE(NAME, TABLE, FORMULA)           \
    template <class W>                              \
    GQ W NAME(const W& a, const W& b, const W& c) { \
        return FORMULA;                             \
    }
#endif
GQ_OF_THREE(parity, 0x96, a ^ b ^ c)
GQ_OF_THREE(majority, 0xe8, (a & b) | ((a ^ b) & c))
GQ_OF_THREE(choose, 0xca, (a & b) | (c & ~a))
GQ_OF_THREE(or_differ, 0xf6, a | (b ^ c))
GQ_OF_THREE(unless_differ, 0xb2, (a & ~(b ^ c)) | ((b ^ c) & c))
#undef GQ_OF_THREE

template <class W>
GQ bool any(const W& x) {
#if defined(__AVX512F__)
    if constexpr (sizeof(W) == 64) {
        return _mm512_test_epi32_mask((__m512i)x, (__m512i)x) != 0;
    } else
#endif
#if defined(__AVX2__)
        return !_mm256_testz_si256((__m256i)x, (__m256i)x);
#elif defined(__SSE2__)
    return _mm_movemask_epi8(_mm_cmpeq_epi8((__m128i)x, _mm_setzero_si128())) != 0xffff;
#else
    return ((x[0] | x[1]) | (x[2] | x[3])) != 0;
#endif
}

// Numbers' binary digits are looked up four at a time: there are but 16 planes that they can ask for, made once.
template <class W, int BITS>
struct LevelNumbers {
    static constexpr int fours = 1 << (BITS - 2);
    int32_t place[fours][32];  // in bytes
    unsigned first, any;
    GQ_MEMBER bool zero(int call) const { return !((any << (4 * call)) >> 28); }
};
template <class W, int BITS, int N>
struct NumberTable {
    static constexpr int fours = 1 << (BITS - 2);
    LevelNumbers<W, BITS> numbers[N];
    GQ_MEMBER explicit NumberTable(const uint32_t* p) {
        for (LevelNumbers<W, BITS>& own : numbers) {
            own.first = p[0];
            own.any = 0;
            for (int f = 0; f < fours; ++f, p += 4) {
                own.any |= p[0] | p[1] | p[2] | p[3];
                for (int k = 0; k < 32; ++k) {
                    unsigned place = 0;
                    for (int i = 0; i < 4; ++i) place |= ((p[i] >> (31 - k)) & 1u) << i;
                    own.place[f][k] = int32_t(place * sizeof(W));
                }
            }
        }
    }
    GQ_MEMBER const LevelNumbers<W, BITS>& operator[](int i) const { return numbers[i]; }
};
template <class W, int BITS>
struct Choice {
    const LevelNumbers<W, BITS>& numbers;
    W plane[16], last;
    GQ_MEMBER Choice(const LevelNumbers<W, BITS>& from, const W (&y)[BITS]) : numbers(from), last(y[BITS - 1]) {
        plane[0] = W{};
        plane[2] = y[0] & ~y[1];
        plane[4] = y[1] & ~y[0];
        plane[6] = y[0] ^ y[1];
        plane[8] = y[0] & y[1];
        plane[10] = y[0];
        plane[12] = y[1];
        plane[14] = y[0] | y[1];
        if (BITS > 2 || numbers.first)
            for (int i = 0; i < 16; i += 2) plane[i + 1] = plane[i] | ~plane[14];
    }
    GQ_MEMBER W operator[](int k) const {
        const W low = of_four(0, k);
        if constexpr (BITS == 2) return low;
        return choose(last, of_four(1, k), low);
    }
    GQ_MEMBER const W& of_four(int f, int k) const {
        return *reinterpret_cast<const W*>(reinterpret_cast<const char*>(plane) + numbers.place[f][k]);
    }
};

// x86 multiplies the even words of a vector alone: factors are kept as two vectors, each with its words at the even
// places and anything at the odd ones.
#if defined(__SSE2__)
template <class W>
struct factor {
    W even, odd;
};
template <class W>
GQ W upper_half(const W& x) {
    typedef uint64_t halves __attribute__((vector_size(sizeof(W))));
    return (W)((halves)x >> 32);
}
template <class W>
GQ W even_product(unsigned m, const W& x) {
#if defined(__AVX512F__)
    if constexpr (sizeof(W) == 64) {
        return (W)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi32(int(m)));
    } else
#endif
#if defined(__AVX2__)
        return (W)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi32(int(m)));
#else
    return (W)_mm_mul_epu32((__m128i)x, _mm_set1_epi32(int(m)));
#endif
}
template <class W>
GQ factor<W> operator^(const factor<W>& a, const factor<W>& b) {
    return {a.even ^ b.even, a.odd ^ b.odd};
}
template <class W>
GQ factor<W> operator^(const factor<W>& a, unsigned b) {
    return {a.even ^ b, a.odd ^ b};
}
template <class W>
GQ factor<W> factors(const W& x) {
    return {x, upper_half(x)};
}
template <class W>
GQ W words(const factor<W>& x) {
#if defined(__AVX512F__)
    if constexpr (sizeof(W) == 64) {
        return (W)_mm512_mask_shuffle_epi32((__m512i)x.even, 0xaaaa, (__m512i)x.odd, _MM_PERM_CCAA);
    } else {
        return (W)_mm256_mask_shuffle_epi32((__m256i)x.even, 0xaa, (__m256i)x.odd, _MM_PERM_CCAA);
    }
#elif defined(__AVX2__)
    return (W)_mm256_blend_epi32((__m256i)x.even, _mm256_slli_epi64((__m256i)x.odd, 32), 0xaa);
#else
    const __m128i low = _mm_shuffle_epi32((__m128i)x.even, 0xd8), high = _mm_shuffle_epi32((__m128i)x.odd, 0xd8);
    return (W)_mm_unpacklo_epi32(low, high);
#endif
}
template <class W>
GQ void mul_wide(unsigned m, const factor<W>& a, factor<W>& high, factor<W>& low) {
    low = {even_product(m, a.even), even_product(m, a.odd)};
    high = {upper_half(low.even), upper_half(low.odd)};
}
#else
template <class W>
using factor = W;
template <class W>
GQ W factors(const W& x) {
    return x;
}
template <class W>
GQ W words(const W& x) {
    return x;
}
GQ void mul_wide(unsigned m, const vw& a, vw& high, vw& low) {
    for (int l = 0; l < words_of<vw>; ++l) {
        const uint64_t product = uint64_t(m) * a[l];
        high[l] = unsigned(product >> 32);
        low[l] = unsigned(product);
    }
}
#endif

}  // namespace gq
