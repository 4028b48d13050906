// lanes.cuh: the vocabulary of warp.cuh on a GPU. A lane value is a scalar and the 32 lanes are the threads of a warp.
// No headers: NVRTC has none. Lanes of a warp see each other's memory only past __syncwarp, so put, each and vote
// have one on both sides.
#pragma once

#define GQ __device__ __forceinline__
#define GQ_MEMBER __device__ __forceinline__
#define GQ_RARE GQ
#define GQ_UNROLL _Pragma("unroll")
#define GQ_ROLLED _Pragma("unroll 1")
#define GQ_NARROW_WEIGHTS 1
#define GQ_BLOCKS 0

namespace gq {

typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef unsigned uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;

typedef float vf;
typedef int vi;
typedef unsigned vu;
typedef int64_t vl;
typedef bool vb;

constexpr unsigned everyone = ~0u;

GQ vu lane() { return threadIdx.x & 31u; }
template <class T>
GQ T splat(T x) {
    return x;
}
GQ vb uniform(bool c) { return c; }
GQ vb spread(unsigned word) { return word & (1u << lane()); }
// A shuffle is not made again, as a sum would be at every use to save a register.
GQ unsigned held(unsigned x) { return __shfl_sync(everyone, x, 0); }
template <int N, class T>
struct alignas(N * sizeof(T)) few {
    T x[N];
};
template <int N, class T>
GQ void load_few(const T* p, T* x) {
    const few<N, T> values = *reinterpret_cast<const few<N, T>*>(p);
    GQ_UNROLL for (int i = 0; i < N; ++i) x[i] = values.x[i];
}
GQ unsigned ballot(vb c) { return __ballot_sync(everyone, c); }
template <class T>
GQ T bcast(T x, int source) {
    return __shfl_sync(everyone, x, source);
}
template <class T>
GQ T either(vb c, T a, T b) {
    return c ? a : b;
}
GQ int minimum(vi x) {
    GQ_UNROLL for (int distance = 16; distance; distance >>= 1) {
        const int other = __shfl_xor_sync(everyone, x, distance);
        x = other < x ? other : x;
    }
    return x;
}
GQ int sum(vi x) {
    GQ_UNROLL for (int distance = 16; distance; distance >>= 1) x += __shfl_xor_sync(everyone, x, distance);
    return x;
}
GQ vi keep(vb c, vi x) { return c ? x : 0; }
// An empty asm keeps the branch, which the assembler makes one predicated instruction; else both sides are computed.
GQ vi negate_if(vb c, vi x) {
    if (c) {
        asm volatile("");
        x = -x;
    }
    return x;
}
GQ vi add_if(vi x, vb c, vi y) {
    if (c) {
        asm volatile("");
        x += y;
    }
    return x;
}
GQ vl keep(vb c, vl x) { return c ? x : 0; }
GQ vl negate_if(vb c, vl x) { return c ? -x : x; }
GQ vl times(vi x, int64_t factor) { return x * factor; }
GQ vi plus_minus(vi x, vb minus, vi y) { return x + y * (minus ? -1 : 1); }  // one multiply-add
template <class T>
GQ T load(const T* p) {
    return p[lane()];
}
template <class T>
GQ void store(T* p, T x) {
    p[lane()] = x;
}
template <class T>
GQ vi load_int(const T* p) {
    return p[lane()];
}
GQ void add_each(int64_t* p, vl x) { p[lane()] += x; }

GQ vi dot_bytes(vu a, vu b, vi sum) { return __dp4a(int(a), int(b), sum); }

GQ vf as_float(vi x) { return __int_as_float(x); }
GQ vi as_int(vf x) { return __float_as_int(x); }
GQ vi as_int(vu x) { return int(x); }
GQ vu as_unsigned(vi x) { return unsigned(x); }
GQ vf to_float(vi x) { return __int2float_rn(x); }
GQ vi truncate(vf x) { return __float2int_rz(x); }
GQ vl truncate_wide(vf x) { return __float2ll_rz(x); }
GQ vf smaller(vf a, float b) { return a < b ? a : b; }
GQ void mul_wide(unsigned m, vu a, vu& high, vu& low) {
    const uint64_t product = uint64_t(m) * a;  // one instruction; high and low asked for apart would be two
    high = unsigned(product >> 32);
    low = unsigned(product);
}
struct Part {
    template <class T>
    GQ_MEMBER T operator()(T x) const {
        return x;
    }
    template <class T>
    GQ_MEMBER void set(T& x, T y) const {
        x = y;
    }
};
template <class F>
GQ void in_parts(F f) {
    f(Part());
}
template <class T, class F>
GQ void in_pieces(T (&x)[4], F f) {
    f(x);
}
GQ int first(unsigned word) { return __ffs(int(word)) - 1; }
GQ int population(unsigned word) { return __popc(word); }
GQ float rounded(int64_t x) { return __ll2float_rn(x); }

template <class T>
GQ T pick(const T (&x)[4], int i) {  // an array indexed at run time would lie in local memory
    return i & 2 ? (i & 1 ? x[3] : x[2]) : (i & 1 ? x[1] : x[0]);
}
GQ void exchange_with(int distance, bool upper, vu& a, vu& b) {  // the lower lane's b, the upper lane's a
    const vu given = __shfl_xor_sync(everyone, upper ? a : b, distance);
    a = upper ? given : a;
    b = upper ? b : given;
}
GQ void transpose(vu (&x)[4]) {
    const bool odd = lane() & 1u, upper = lane() & 2u;
    exchange_with(1, odd, x[0], x[1]);
    exchange_with(1, odd, x[2], x[3]);
    exchange_with(2, upper, x[0], x[2]);
    exchange_with(2, upper, x[1], x[3]);
}
template <class T, class U>
GQ void put(T* p, U x) {
    __syncwarp();
    if (lane() == 0) *p = T(x);
    __syncwarp();
}
template <int N, class T>
GQ void put_few(T* p, const T* x) {
    few<N, T> values;
    GQ_UNROLL for (int i = 0; i < N; ++i) values.x[i] = x[i];
    put(reinterpret_cast<few<N, T>*>(p), values);
}
template <class F>
GQ void each(int n, F f) {
    __syncwarp();
    for (int i = int(lane()); i < n; i += 32) f(i);
    __syncwarp();
}
template <class F>
GQ int sum(int n, F f) {
    int x = 0;
    for (int i = int(lane()); i < n; i += 32) x += f(i);
    return sum(x);
}
template <class F>
GQ int64_t wide_sum(int n, F f) {
    __syncwarp();
    int64_t sum = 0;
    GQ_ROLLED for (int i = int(lane()); i < n; i += 32) sum += f(i);
    GQ_ROLLED for (int distance = 16; distance; distance >>= 1) sum += __shfl_xor_sync(everyone, sum, distance);
    return sum;
}
template <class F>
GQ unsigned vote(int n, F f) {
    __syncwarp();
    const bool yes = int(lane()) < n && f(int(lane()));
    __syncwarp();
    return ballot(yes);
}
template <class T>
GQ T mine(T x, int) {
    return x;
}
GQ void add(int64_t* p, int64_t x) { atomicAdd((unsigned long long*)p, (unsigned long long)x); }
GQ void lower(int64_t* p, int64_t x) { atomicMin(p, x); }

GQ int team_rank() { return int(threadIdx.x >> 5); }
GQ int team_size() { return int(blockDim.x >> 5); }
GQ void team_sync() { __syncthreads(); }

}  // namespace gq
