// wide_lanes.cuh: the 64-bit lane values of warp.cuh on a CPU: native vectors of half as many lanes.
#pragma once
#include "lanes.cuh"
namespace gq {

struct vl {
    typedef int64_t native __attribute__((vector_size(vector_bytes)));
    typedef int half __attribute__((vector_size(vector_bytes / 2), may_alias));  // as many lanes of 32 bits
    static constexpr int count = 256 / vector_bytes;
    native q[count];
};

#define GQ_EACH_WIDE for (int i = 0; i < vl::count; ++i)

GQ vl widen(const vi& x) {
    vl r;
    GQ_EACH_WIDE r.q[i] = __builtin_convertvector(reinterpret_cast<const vl::half*>(&x)[i], vl::native);
    return r;
}
#if defined(__AVX512F__)
GQ vl widen(const vb& c) {
    vl r;
    GQ_EACH_WIDE r.q[i] = (vl::native)_mm512_maskz_set1_epi64(__mmask8(c.q[i / 2] >> (8 * (i & 1))), -1);
    return r;
}
GQ vb narrow(const vl& c) {
    unsigned word = 0;
    GQ_EACH_WIDE word |= unsigned(_mm512_movepi64_mask((__m512i)c.q[i])) << (8 * i);
    return spread(word);
}
#else
GQ vl widen(const vb& c) {
    vl r;
    GQ_EACH_WIDE r.q[i] = __builtin_convertvector(reinterpret_cast<const vl::half*>(&c)[i], vl::native);
    return r;
}
GQ vb narrow(const vl& c) {
    vb r;
    GQ_EACH_WIDE reinterpret_cast<vl::half*>(&r)[i] = __builtin_convertvector(c.q[i], vl::half);
    return r;
}
#endif
GQ vl splat(int64_t x) {
    vl r;
    GQ_EACH_WIDE r.q[i] = x - vl::native{};
    return r;
}
GQ vl operator+(const vl& a, const vl& b) {
    vl r;
    GQ_EACH_WIDE r.q[i] = a.q[i] + b.q[i];
    return r;
}
GQ vl operator-(const vl& a, const vl& b) {
    vl r;
    GQ_EACH_WIDE r.q[i] = a.q[i] - b.q[i];
    return r;
}
GQ vl operator^(const vl& a, const vl& b) {
    vl r;
    GQ_EACH_WIDE r.q[i] = a.q[i] ^ b.q[i];
    return r;
}
GQ vb operator>(const vl& a, const vl& b) {
    vl r;
    GQ_EACH_WIDE r.q[i] = a.q[i] > b.q[i];
    return narrow(r);
}
GQ vb operator==(const vl& a, const vl& b) {
    vl r;
    GQ_EACH_WIDE r.q[i] = a.q[i] == b.q[i];
    return narrow(r);
}
GQ vb operator==(const vl& a, int64_t b) { return a == splat(b); }
GQ vl load(const int64_t* p) {
    typedef vl::native unaligned __attribute__((aligned(8), may_alias));
    vl r;
    GQ_EACH_WIDE r.q[i] = reinterpret_cast<const unaligned*>(p)[i];
    return r;
}
GQ vl keep(const vb& c, const vl& x) {
    vl r = widen(c);
    GQ_EACH_WIDE r.q[i] &= x.q[i];
    return r;
}
GQ vl either(const vb& c, const vl& a, const vl& b) {
    vl r = widen(c);
    GQ_EACH_WIDE r.q[i] = r.q[i] ? a.q[i] : b.q[i];
    return r;
}
GQ vl negate_if(const vb& c, const vl& x) {
    vl r = widen(c);
    GQ_EACH_WIDE r.q[i] = (x.q[i] ^ r.q[i]) - r.q[i];
    return r;
}
GQ vl times(const vi& x, int64_t factor) {
    vl r = widen(x);
    GQ_EACH_WIDE r.q[i] *= factor;
    return r;
}
GQ void add_each(int64_t* p, const vl& x) {
    for (int l = 0; l < 32; ++l) p[l] += reinterpret_cast<const int64_t*>(&x)[l];
}
GQ int64_t mine(const vl& x, int l) { return reinterpret_cast<const int64_t*>(&x)[l]; }
GQ vl truncate_wide(const vf& x) {
    vl r;
    typedef float half __attribute__((vector_size(vector_bytes / 2), may_alias));
    GQ_EACH_WIDE r.q[i] = __builtin_convertvector(reinterpret_cast<const half*>(&x)[i], vl::native);
    return r;
}
#undef GQ_EACH_WIDE

}  // namespace gq
