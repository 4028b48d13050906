// lanes.cuh: the vocabulary of warp.cuh on a CPU. A lane value is a struct of native vectors and a warp is one thread.
// g++ 12 makes very poor code for vector_size(128) itself, hence the array of vectors of the machine's own width.
#pragma once
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define GQ static inline __attribute__((always_inline))
#define GQ_MEMBER inline __attribute__((always_inline))
#define GQ_RARE static __attribute__((noinline, cold))
#define GQ_UNROLL _Pragma("GCC unroll 8")
#define GQ_ROLLED
#define GQ_NARROW_WEIGHTS 0
#define GQ_BLOCKS 1

namespace gq {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

constexpr int vectors = 128 / vector_bytes;

// 32 lanes, or N native vectors of them.
template <class T, int N = vectors>
struct lanes {
    typedef T native __attribute__((vector_size(vector_bytes)));
    typedef native unaligned __attribute__((aligned(4), may_alias));
    static constexpr int count = N, width = vector_bytes / 4;
    native q[N];
};
typedef lanes<float> vf;
typedef lanes<int> vi;
typedef lanes<unsigned> vu;

#define GQ_EACH for (int i = 0; i < vectors; ++i)
#define GQ_EACH_OF_N for (int i = 0; i < N; ++i)
#define GQ_BINARY(OP)                                                        \
    template <class T, int N>                                                \
    GQ lanes<T, N> operator OP(const lanes<T, N>& a, const lanes<T, N>& b) { \
        lanes<T, N> r;                                                       \
        GQ_EACH_OF_N r.q[i] = a.q[i] OP b.q[i];                              \
        return r;                                                            \
    }                                                                        \
    template <class T, int N>                                                \
    GQ lanes<T, N> operator OP(const lanes<T, N>& a, T b) {                  \
        lanes<T, N> r;                                                       \
        GQ_EACH_OF_N r.q[i] = a.q[i] OP b;                                   \
        return r;                                                            \
    }
GQ_BINARY(+)
GQ_BINARY(-)
GQ_BINARY(*)
GQ_BINARY(^)
GQ_BINARY(&)
GQ_BINARY(|)
#undef GQ_BINARY

}  // namespace gq
#include "masks.cuh"
namespace gq {

GQ unsigned held(unsigned x) { return x; }
template <int N, class T>
GQ void load_few(const T* p, T* x) {
    for (int i = 0; i < N; ++i) x[i] = p[i];
}
template <int N, class T>
GQ void put_few(T* p, const T* x) {
    for (int i = 0; i < N; ++i) p[i] = x[i];
}

template <class T>
GQ lanes<T> operator<<(const lanes<T>& a, int k) {
    lanes<T> r;
    GQ_EACH r.q[i] = a.q[i] << k;
    return r;
}
template <class T>
GQ lanes<T> operator>>(const lanes<T>& a, int k) {
    lanes<T> r;
    GQ_EACH r.q[i] = a.q[i] >> k;
    return r;
}

template <class T>
GQ lanes<T> splat(T x) {
    lanes<T> r;
    GQ_EACH r.q[i] = x - typename lanes<T>::native{};
    return r;
}
GQ vu lane() {
    vu r;
    GQ_EACH for (int j = 0; j < vu::width; ++j) r.q[i][j] = unsigned(i * vu::width + j);
    return r;
}
template <class T>
GQ T bcast(const lanes<T>& x, int source) {
    return reinterpret_cast<const T*>(&x)[source];
}
template <class T>
GQ lanes<T> load(const T* p) {
    lanes<T> r;
    GQ_EACH r.q[i] = reinterpret_cast<const typename lanes<T>::unaligned*>(p)[i];
    return r;
}
template <class T>
GQ void store(T* p, const lanes<T>& x) {
    GQ_EACH reinterpret_cast<typename lanes<T>::unaligned*>(p)[i] = x.q[i];
}
GQ vi load_int(const int32_t* p) { return load(p); }
// f of all lanes, two at a time.
template <class F>
GQ int folded(const vi& x, F f) {
    vi::native all = x.q[0];
    for (int i = 1; i < vi::count; ++i) all = f(all, x.q[i]);
#if defined(__SSE2__)
    typedef int four __attribute__((vector_size(16), may_alias));
    const four* const parts = reinterpret_cast<const four*>(&all);
    four r = parts[0];
    for (int i = 1; i < vi::width / 4; ++i) r = f(r, parts[i]);
    r = f(r, (four)_mm_shuffle_epi32((__m128i)r, 0x4e));
    r = f(r, (four)_mm_shuffle_epi32((__m128i)r, 0xb1));
    return r[0];
#else
    int r = all[0];
    for (int j = 1; j < vi::width; ++j) r = f(r, all[j]);
    return r;
#endif
}
GQ int minimum(const vi& x) {
    return folded(x, [](const auto& a, const auto& b) { return a < b ? a : b; });
}
GQ int sum(const vi& x) {
    return folded(x, [](const auto& a, const auto& b) { return a + b; });
}
GQ void add_each(int64_t* p, const vi& x) {
    for (int l = 0; l < 32; ++l) p[l] += reinterpret_cast<const int*>(&x)[l];
}

GQ vf as_float(const vi& x) {
    vf r;
    GQ_EACH r.q[i] = (vf::native)x.q[i];
    return r;
}
GQ vi as_int(const vf& x) {
    vi r;
    GQ_EACH r.q[i] = (vi::native)x.q[i];
    return r;
}
template <int N>
GQ lanes<int, N> as_int(const lanes<unsigned, N>& x) {
    lanes<int, N> r;
    GQ_EACH_OF_N r.q[i] = (vi::native)x.q[i];
    return r;
}
GQ vu as_unsigned(const vi& x) {
    vu r;
    GQ_EACH r.q[i] = (vu::native)x.q[i];
    return r;
}
GQ vf to_float(const vi& x) {
    vf r;
    GQ_EACH r.q[i] = __builtin_convertvector(x.q[i], vf::native);
    return r;
}
GQ vi truncate(const vf& x) {
    vi r;
    GQ_EACH r.q[i] = __builtin_convertvector(x.q[i], vi::native);
    return r;
}
GQ vf smaller(const vf& a, float b) {
    vf r;
    GQ_EACH r.q[i] = a.q[i] < b ? a.q[i] : b - vf::native{};
    return r;
}
// Two native vectors: as many as a long computation on four values can keep in 16 registers.
typedef lanes<unsigned, 2> piece;
GQ void mul_wide(unsigned m, const piece& a, piece& high, piece& low) {
#if defined(__AVX512F__)
    const __m512i k = _mm512_set1_epi32(int(m));
    for (int i = 0; i < 2; ++i) {
        const __m512i even = _mm512_mul_epu32((__m512i)a.q[i], k);
        const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a.q[i], 32), k);
        low.q[i] = (vu::native)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
        high.q[i] = (vu::native)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
    }
#elif defined(__AVX2__)
    const __m256i k = _mm256_set1_epi32(int(m));
    for (int i = 0; i < 2; ++i) {
        __m256i even = _mm256_mul_epu32((__m256i)a.q[i], k);
        __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a.q[i], 32), k);
        low.q[i] = (vu::native)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
        high.q[i] = (vu::native)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    }
#elif defined(__SSE2__)
    const __m128i k = _mm_set1_epi32(int(m));
    for (int i = 0; i < 2; ++i) {
        __m128i even = _mm_shuffle_epi32(_mm_mul_epu32((__m128i)a.q[i], k), 0xd8);
        __m128i odd = _mm_shuffle_epi32(_mm_mul_epu32(_mm_srli_epi64((__m128i)a.q[i], 32), k), 0xd8);
        low.q[i] = (vu::native)_mm_unpacklo_epi32(even, odd);
        high.q[i] = (vu::native)_mm_unpackhi_epi32(even, odd);
    }
#else
    for (int i = 0; i < 2; ++i) {
        vu::native upper{}, lower{};
        for (int j = 0; j < vu::width; ++j) {
            uint64_t product = uint64_t(m) * a.q[i][j];
            upper[j] = unsigned(product >> 32);
            lower[j] = unsigned(product);
        }
        high.q[i] = upper;
        low.q[i] = lower;
    }
#endif
}

// Of a lane value two native vectors, from vector BEGIN on.
template <int BEGIN>
struct Part {
    template <class T>
    GQ_MEMBER lanes<T, 2> operator()(const lanes<T>& x) const {
        return {{x.q[BEGIN], x.q[BEGIN + 1]}};
    }
    GQ_MEMBER mask<2> operator()(const vb& x) const { return {{x.q[BEGIN], x.q[BEGIN + 1]}}; }
    template <class T>
    GQ_MEMBER void set(lanes<T>& x, const lanes<T, 2>& y) const {
        x.q[BEGIN] = y.q[0];
        x.q[BEGIN + 1] = y.q[1];
    }
};
template <int BEGIN = 0, class F>
GQ void in_parts(F f) {
    f(Part<BEGIN>());
    if constexpr (BEGIN + 2 < vectors) in_parts<BEGIN + 2>(f);
}
// f on four values, a piece of each at a time.
template <class F>
GQ void in_pieces(vu (&x)[4], F f) {
    in_parts([&](auto part) {
        piece c[4];
        for (int k = 0; k < 4; ++k) c[k] = part(x[k]);
        f(c);
        for (int k = 0; k < 4; ++k) part.set(x[k], c[k]);
    });
}

GQ int first(unsigned word) { return __builtin_ctz(word); }
GQ int population(unsigned word) {
#if defined(__POPCNT__) || defined(__aarch64__)
    return __builtin_popcount(word);
#else  // the builtin would call a library that a freestanding build lacks
    word -= (word >> 1) & 0x55555555u;
    word = (word & 0x33333333u) + ((word >> 2) & 0x33333333u);
    return int((((word + (word >> 4)) & 0x0f0f0f0fu) * 0x01010101u) >> 24);
#endif
}

GQ float rounded(int64_t x) { return float(x); }

template <class T>
GQ const lanes<T>& pick(const lanes<T> (&x)[4], int i) {
    return x[i];
}
#if defined(__AVX512F__)
#define GQ_UNPACK(HALF, BITS, A, B) (vu::native) _mm512_unpack##HALF##_epi##BITS((__m512i)(A), (__m512i)(B))
#elif defined(__AVX2__)
#define GQ_UNPACK(HALF, BITS, A, B) (vu::native) _mm256_unpack##HALF##_epi##BITS((__m256i)(A), (__m256i)(B))
#elif defined(__SSE2__)
#define GQ_UNPACK(HALF, BITS, A, B) (vu::native) _mm_unpack##HALF##_epi##BITS((__m128i)(A), (__m128i)(B))
#endif
GQ void transpose(vu (&x)[4]) {
    GQ_EACH {
        vu::native &a = x[0].q[i], &b = x[1].q[i], &c = x[2].q[i], &d = x[3].q[i];
#if defined(GQ_UNPACK)
        const vu::native ab = GQ_UNPACK(lo, 32, a, b), cd = GQ_UNPACK(lo, 32, c, d);
        const vu::native ab2 = GQ_UNPACK(hi, 32, a, b), cd2 = GQ_UNPACK(hi, 32, c, d);
        a = GQ_UNPACK(lo, 64, ab, cd);
        b = GQ_UNPACK(hi, 64, ab, cd);
        c = GQ_UNPACK(lo, 64, ab2, cd2);
        d = GQ_UNPACK(hi, 64, ab2, cd2);
#else
        const vu::native from[4] = {a, b, c, d};
        for (int j = 0; j < vu::width; ++j)
            for (int k = 0; k < 4; ++k) x[k].q[i][j] = from[j & 3][(j & ~3) + k];
#endif
    }
}
template <class T, class U>
GQ void put(T* p, U x) {
    *p = T(x);
}
template <class F>
GQ void each(int n, F f) {
    for (int i = 0; i < n; ++i) f(i);
}
template <class F>
GQ int sum(int n, F f) {
    int x = 0;
    for (int i = 0; i < n; ++i) x += f(i);
    return x;
}
template <class F>
GQ int64_t wide_sum(int n, F f) {
    int64_t sum = 0;
    for (int i = 0; i < n; ++i) sum += f(i);
    return sum;
}
template <class F>
GQ unsigned vote(int n, F f) {
    unsigned word = 0;
    for (int i = 0; i < n; ++i) word |= unsigned(f(i)) << i;
    return word;
}
template <class T>
GQ T mine(const lanes<T>& x, int l) {
    return bcast(x, l);
}
GQ void add(int64_t* p, int64_t x) { *p += x; }
GQ void lower(int64_t* p, int64_t x) { *p = x < *p ? x : *p; }

GQ int team_rank() { return 0; }
GQ int team_size() { return 1; }
GQ void team_sync() {}

}  // namespace gq
