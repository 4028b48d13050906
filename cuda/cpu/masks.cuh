// masks.cuh: conditions of lanes on a CPU: native vectors of all ones or zeros, or with AVX-512 its mask registers.
#pragma once
#include "lanes.cuh"
namespace gq {

#if defined(__AVX512F__)
typedef __mmask16 native_mask;
GQ native_mask greater(const vi::native& a, const vi::native& b) {
    return _mm512_cmpgt_epi32_mask((__m512i)a, (__m512i)b);
}
GQ native_mask greater(const vu::native& a, const vu::native& b) {
    return _mm512_cmpgt_epu32_mask((__m512i)a, (__m512i)b);
}
GQ native_mask greater(const vf::native& a, const vf::native& b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
}
template <class V>
GQ native_mask equal(const V& a, const V& b) {
    return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}
#else
typedef vi::native native_mask;
template <class V>
GQ native_mask greater(const V& a, const V& b) {
    return (native_mask)(a > b);
}
template <class V>
GQ native_mask equal(const V& a, const V& b) {
    return (native_mask)(a == b);
}
#endif

template <int N = vectors>
struct mask {
    native_mask q[N];
};
typedef mask<> vb;

#define GQ_COMPARE(OP, NAME)                                             \
    template <class T, int N>                                            \
    GQ mask<N> operator OP(const lanes<T, N>& a, const lanes<T, N>& b) { \
        mask<N> r;                                                       \
        GQ_EACH_OF_N r.q[i] = NAME(a.q[i], b.q[i]);                      \
        return r;                                                        \
    }                                                                    \
    template <class T, int N>                                            \
    GQ mask<N> operator OP(const lanes<T, N>& a, T b) {                  \
        typedef typename lanes<T>::native native;                        \
        mask<N> r;                                                       \
        GQ_EACH_OF_N r.q[i] = NAME(a.q[i], b - native{});                \
        return r;                                                        \
    }
GQ_COMPARE(>, greater)
GQ_COMPARE(==, equal)
#undef GQ_COMPARE

template <int N>
GQ mask<N> operator&(const mask<N>& a, const mask<N>& b) {
    mask<N> r;
    GQ_EACH_OF_N r.q[i] = a.q[i] & b.q[i];
    return r;
}
GQ vb operator^(const vb& a, const vb& b) {
    vb r;
    GQ_EACH r.q[i] = a.q[i] ^ b.q[i];
    return r;
}
template <int N>
GQ mask<N> operator|(const mask<N>& a, const mask<N>& b) {
    mask<N> r;
    GQ_EACH_OF_N r.q[i] = a.q[i] | b.q[i];
    return r;
}

GQ vb operator!(const vb& a) {
    vb r;
    GQ_EACH r.q[i] = ~a.q[i];
    return r;
}
#if defined(__AVX512F__)
GQ vb spread(unsigned word) {
    vb r;
    GQ_EACH r.q[i] = native_mask(word >> (16 * i));
    return r;
}
GQ vb uniform(bool c) { return spread(-unsigned(c)); }
GQ unsigned ballot(const vb& c) { return c.q[0] | unsigned(c.q[1]) << 16; }
template <int N>
GQ lanes<int, N> either(const mask<N>& c, const lanes<int, N>& a, const lanes<int, N>& b) {
    lanes<int, N> r;
    GQ_EACH_OF_N r.q[i] = (vi::native)_mm512_mask_blend_epi32(c.q[i], (__m512i)b.q[i], (__m512i)a.q[i]);
    return r;
}
GQ vi keep(const vb& c, const vi& x) {
    vi r;
    GQ_EACH r.q[i] = (vi::native)_mm512_maskz_mov_epi32(c.q[i], (__m512i)x.q[i]);
    return r;
}
GQ vi add_if(const vi& x, const vb& c, const vi& y) {
    vi r;
    GQ_EACH r.q[i] = (vi::native)_mm512_mask_add_epi32((__m512i)x.q[i], c.q[i], (__m512i)x.q[i], (__m512i)y.q[i]);
    return r;
}
template <int N>
GQ lanes<int, N> negate_if(const mask<N>& c, const lanes<int, N>& x) {
    lanes<int, N> r;
    GQ_EACH_OF_N r.q[i] =
        (vi::native)_mm512_mask_sub_epi32((__m512i)x.q[i], c.q[i], _mm512_setzero_si512(), (__m512i)x.q[i]);
    return r;
}
#else
GQ vb spread(unsigned word) {
    vb r;
    GQ_EACH {
        vu::native bit;
        for (int j = 0; j < vu::width; ++j) bit[j] = 1u << (i * vu::width + j);
        r.q[i] = (vi::native)(((word - vu::native{}) & bit) == bit);
    }
    return r;
}
GQ vb uniform(bool c) {
    vb r;
    GQ_EACH r.q[i] = -int(c) - vi::native{};
    return r;
}
GQ unsigned ballot(const vb& c) {
    unsigned r = 0;
#if defined(__AVX2__)
    GQ_EACH r |= unsigned(_mm256_movemask_ps((__m256)c.q[i])) << (8 * i);
#elif defined(__SSE2__)
    GQ_EACH r |= unsigned(_mm_movemask_ps((__m128)c.q[i])) << (4 * i);
#else
    GQ_EACH for (int j = 0; j < vu::width; ++j) r |= unsigned(c.q[i][j] & 1) << (i * vu::width + j);
#endif
    return r;
}
GQ vi keep(const vb& c, const vi& x) {
    vi r;
    GQ_EACH r.q[i] = c.q[i] & x.q[i];
    return r;
}
template <int N>
GQ lanes<int, N> either(const mask<N>& c, const lanes<int, N>& a, const lanes<int, N>& b) {
    lanes<int, N> r;
    GQ_EACH_OF_N r.q[i] = c.q[i] ? a.q[i] : b.q[i];
    return r;
}
GQ vi add_if(const vi& x, const vb& c, const vi& y) { return x + keep(c, y); }
template <int N>
GQ lanes<int, N> negate_if(const mask<N>& c, const lanes<int, N>& x) {
    lanes<int, N> r;
    GQ_EACH_OF_N r.q[i] = (x.q[i] ^ c.q[i]) - c.q[i];
    return r;
}
#endif
GQ vi plus_minus(const vi& x, const vb& minus, const vi& y) { return x + negate_if(minus, y); }

}  // namespace gq
