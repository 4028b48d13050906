// floats.hpp: float64 without a standard library: sizes, powers of two, binary places, and sums without rounding error.
#pragma once
#include <stdint.h>
#include <string.h>

namespace gq {
namespace dense {

inline double size_of(double x) { return __builtin_fabs(x); }
inline double lesser(double x, double y) { return x < y ? x : y; }
inline double greater(double x, double y) { return x > y ? x : y; }
inline int64_t bits_of(double x) {
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
inline double power(int e) {  // 2^e
    const int64_t bits = int64_t(e + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
// e with x = m 2^e, 1/2 <= m < 1, for a normal x; 0 for 0.
inline int exponent_of(double x) { return x == 0 ? 0 : int(bits_of(x) >> 52 & 0x7ff) - 1022; }
// Binary places behind the point of a normal x.
inline int places_of(double x) {
    return 53 - exponent_of(x) - __builtin_ctzll(uint64_t((bits_of(x) & 0xfffffffffffff) | int64_t(1) << 52));
}

// A sum of floats as floats that share no binary place, least significant first: it is exact. Shewchuk, "Adaptive
// precision floating-point arithmetic and fast robust geometric predicates", Discrete Comput. Geom. 18, 305 (1997).
struct ExactSum {
    double part[48];  // 2100 binary places between the largest float and the smallest, 53 a part
    int count = 0;

    void add(double x) {
        int kept = 0;
        for (int i = 0; i < count; ++i) {
            const bool ordered = size_of(x) >= size_of(part[i]);
            const double large = ordered ? x : part[i], small = ordered ? part[i] : x;
            x = large + small;
            const double rest = small - (x - large);
            if (rest != 0) part[kept++] = rest;
        }
        part[kept++] = x;
        count = kept;
    }

    // Correctly rounded, as `math.fsum`.
    double rounded() const {
        if (!count) return 0.0;
        int i = count - 1;
        double sum = part[i], rest = 0;
        while (i > 0 && rest == 0) {
            const double before = sum;
            sum = before + part[--i];
            rest = part[i] - (sum - before);
        }
        // The rest is half a place: what is below it decides.
        if (i > 0 && ((rest < 0 && part[i - 1] < 0) || (rest > 0 && part[i - 1] > 0))) {
            const double twice = rest * 2, up = sum + twice;
            if (up - sum == twice) sum = up;
        }
        return sum;
    }
};

}  // namespace dense
}  // namespace gq
