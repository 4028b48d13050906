// numeric.cuh: -log(u), 1 / x and 1 / sqrt(x) from integer and float +,-,* alone, and the Metropolis threshold.
#pragma once
#include "philox.cuh"
namespace gq {

// -log(u) for u = (2k+1) / 2^24, k the top 23 bits of r: never 0, never 1, exact in a float.
// u = m 2^e with m in [sqrt(1/2), sqrt(2)); log(1+t) = t P(t) with P the degree-6 minimax polynomial in relative error.
// Largest error over all 2^23 values: 1.4e-6 absolute, 1.3e-6 relative (tests/test_numeric.py tries each of them).
GQ vf neg_log_uniform(const vu& r) {
    vi bits = as_int(as_float(as_int((r >> 9) + 0x3f800000u)) - 0x1.fffffep-1f);
    vi exponent = (bits - 0x3f3504f3) & int(0xff800000);  // e 2^23
    vf t = as_float(bits - exponent) - 1.0f;
    vf p = t * 0x1.e743bcp-4f + splat(-0x1.7e5152p-3f);
    p = p * t + splat(0x1.a3c3cap-3f);
    p = p * t + splat(-0x1.fe26ccp-3f);
    p = p * t + splat(0x1.5523fcp-2f);
    p = p * t + splat(-0x1.000176p-1f);
    p = p * t + splat(0x1.00001p+0f);
    return to_float(exponent) * -0x1.62e43p-24f - t * p;
}

// 1 / x for a normal x > 0: a first guess from its bits, and four rounds of Newton, each doubling the digits. Largest
// relative error of this and the next: 1.8e-7 (tests/test_numeric.py).
GQ vf reciprocal(const vf& x) {
    vf r = as_float(splat(0x7ef311c7) - as_int(x));
    for (int round = 0; round < 4; ++round) r = r * (splat(2.0f) - x * r);
    return r;
}

// 1 / sqrt(x), in the same way.
GQ vf inverse_root(const vf& x) {
    vf r = as_float(splat(0x5f3759df) - (as_int(x) >> 1));
    for (int round = 0; round < 4; ++round) r = r * (splat(1.5f) - x * 0.5f * r * r);
    return r;
}

// The largest energy rise that a move with this word accepts: floor(-T log u), in the problem's integer units.
// A rise d > 0 passes when d <= threshold, that is with probability exp(-d/T); cut at 2^30, above every rise.
GQ vi threshold(const vu& r, const vf& temperature) {
    return truncate(smaller(neg_log_uniform(r) * temperature, 0x1p30f));
}

// The same for rises of 64 bits: cut at 2^62.
GQ vl wide_threshold(const vu& r, const vf& temperature) {
    return truncate_wide(smaller(neg_log_uniform(r) * temperature, 0x1p62f));
}

// Metropolis that rejects one tie in sixteen, by four spare random bits. Accepting every zero-cost move in a sequential
// sweep is not ergodic (a ferromagnetic ring never equilibrates); any symmetric rule at d = 0 keeps detailed balance.
constexpr unsigned TIE_BITS = 15;
template <class V>
GQ unsigned accepted(const V& rise, const V& threshold, const vb& tails) {
    return ~ballot((rise > threshold) | ((rise == 0) & tails));
}
// The same where a word is used once.
GQ vb rejected(const vi& rise, const vi& threshold, const vu& r) {
    return (rise > threshold) | ((rise | as_int(r & TIE_BITS)) == 0);
}
GQ vb tails(const vu& r) { return (r & TIE_BITS) == 0u; }

}  // namespace gq
