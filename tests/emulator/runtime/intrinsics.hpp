// intrinsics.hpp: CUDA's arithmetic functions and vector types. The fast approximations (__expf and its kind) are left
// out on purpose: their bits are a GPU's own, so a kernel that uses them can't be compared with anything.
#pragma once
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>

namespace emulator {
template <class T>
inline uint64_t bits(T value) {
    static_assert(sizeof(T) <= 8, "at most 64 bits a lane");
    uint64_t word = 0;
    memcpy(&word, &value, sizeof value);
    return word;
}
template <class T>
inline T from_bits(uint64_t word) {
    T value;
    memcpy(&value, &word, sizeof value);
    return value;
}
// A GPU's conversion: out of range gives the nearest value, NaN gives 0. T's limits as floats are powers of 2.
template <class T, class F>
inline T saturate(F x) {
    constexpr bool is_signed = T(-1) < T(0);
    const F top = F(ldexp(1.0, int(sizeof(T) * 8 - is_signed))), bottom = is_signed ? -top : F(0);
    if (x != x) return 0;
    return x >= top      ? T(~T(0)) ^ (is_signed ? T(uint64_t(1) << (sizeof(T) * 8 - 1)) : T(0))
           : x <= bottom ? T(bottom)
                         : T(x);
}
}  // namespace emulator

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline unsigned __brev(unsigned x) {
    unsigned r = 0;
    for (int i = 0; i < 32; ++i) r |= ((x >> i) & 1u) << (31 - i);
    return r;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return unsigned((((uint64_t(high) << 32) | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return unsigned(((uint64_t(high) << 32) | low) >> (shift & 31));
}

inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
inline int __mulhi(int a, int b) { return int((int64_t(a) * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
// Four products of bytes, and their sum on top of c.
template <class Byte, class Word>
inline Word emulator_dp4a(Word a, Word b, Word c) {
    uint32_t sum = uint32_t(c);
    for (int i = 0; i < 32; i += 8) sum += uint32_t(Byte(a >> i) * Byte(b >> i));
    return Word(sum);
}
inline int __dp4a(int a, int b, int c) { return emulator_dp4a<signed char>(a, b, c); }
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) { return emulator_dp4a<unsigned char>(a, b, c); }

inline unsigned __float_as_uint(float x) { return emulator::from_bits<unsigned>(emulator::bits(x)); }
inline int __float_as_int(float x) { return emulator::from_bits<int>(emulator::bits(x)); }
inline float __uint_as_float(unsigned x) { return emulator::from_bits<float>(x); }
inline float __int_as_float(int x) { return emulator::from_bits<float>(emulator::bits(x)); }
inline long long __double_as_longlong(double x) { return emulator::from_bits<long long>(emulator::bits(x)); }
inline double __longlong_as_double(long long x) { return emulator::from_bits<double>(emulator::bits(x)); }

inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned x) { return float(x); }
inline float __ll2float_rn(long long x) { return float(x); }
inline float __ull2float_rn(unsigned long long x) { return float(x); }
inline double __int2double_rn(int x) { return double(x); }
inline double __ll2double_rn(long long x) { return double(x); }
inline float __double2float_rn(double x) { return float(x); }
#define EMULATOR_ROUNDINGS(NAME, T, F)                                            \
    inline T NAME##_rz(F x) { return emulator::saturate<T>(__builtin_trunc(x)); } \
    inline T NAME##_rn(F x) { return emulator::saturate<T>(__builtin_rint(x)); }  \
    inline T NAME##_rd(F x) { return emulator::saturate<T>(__builtin_floor(x)); } \
    inline T NAME##_ru(F x) { return emulator::saturate<T>(__builtin_ceil(x)); }
EMULATOR_ROUNDINGS(__float2int, int, float)
EMULATOR_ROUNDINGS(__float2uint, unsigned, float)
EMULATOR_ROUNDINGS(__float2ll, long long, float)
EMULATOR_ROUNDINGS(__float2ull, unsigned long long, float)
EMULATOR_ROUNDINGS(__double2int, int, double)
EMULATOR_ROUNDINGS(__double2ll, long long, double)
#undef EMULATOR_ROUNDINGS

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float __fsqrt_rn(float x) { return __builtin_sqrtf(x); }

template <class A, class B>
inline std::common_type_t<A, B> min(A a, B b) {
    using T = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point_v<T>) return T(b) < T(a) || T(a) != T(a) ? T(b) : T(a);
    return T(b) < T(a) ? T(b) : T(a);
}
template <class A, class B>
inline std::common_type_t<A, B> max(A a, B b) {
    using T = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point_v<T>) return T(a) < T(b) || T(a) != T(a) ? T(b) : T(a);
    return T(a) < T(b) ? T(b) : T(a);
}

// The cache hints are plain accesses here.
#define EMULATOR_LOAD(NAME)     \
    template <class T>          \
    inline T NAME(const T* p) { \
        return *p;              \
    }
EMULATOR_LOAD(__ldg)
EMULATOR_LOAD(__ldca)
EMULATOR_LOAD(__ldcg)
EMULATOR_LOAD(__ldcs)
#undef EMULATOR_LOAD
#define EMULATOR_STORE(NAME)          \
    template <class T>                \
    inline void NAME(T* p, T value) { \
        *p = value;                   \
    }
EMULATOR_STORE(__stcg)
EMULATOR_STORE(__stcs)
EMULATOR_STORE(__stwb)
#undef EMULATOR_STORE

#define EMULATOR_VECTORS(NAME, T)                                                      \
    struct alignas(2 * sizeof(T)) NAME##2 { T x, y; };                                 \
    struct NAME##3 { T x, y, z; };                                                     \
    struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) NAME##4 { T x, y, z, w; }; \
    inline NAME##2 make_##NAME##2(T x, T y) { return {x, y}; }                         \
    inline NAME##3 make_##NAME##3(T x, T y, T z) { return {x, y, z}; }                 \
    inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return {x, y, z, w}; }
EMULATOR_VECTORS(char, signed char)
EMULATOR_VECTORS(uchar, unsigned char)
EMULATOR_VECTORS(short, short)
EMULATOR_VECTORS(ushort, unsigned short)
EMULATOR_VECTORS(int, int)
EMULATOR_VECTORS(longlong, long long)
EMULATOR_VECTORS(ulonglong, unsigned long long)
EMULATOR_VECTORS(float, float)
EMULATOR_VECTORS(double, double)
#undef EMULATOR_VECTORS
struct alignas(8) uint2 {  // uint3 stands in state.hpp: it is threadIdx's type
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
