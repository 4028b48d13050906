// words.cu: each word of CUDA that the emulator knows, its result laid open. Row r of `out` is the r-th function asked.

#define ROWS(T, out) T* row = (out) + blockIdx.x * blockDim.x + threadIdx.x
#define PUT(value)                     \
    do {                               \
        *row = (value);                \
        row += gridDim.x * blockDim.x; \
    } while (0)

extern "C" __global__ void __launch_bounds__(256) arithmetic(const unsigned* a, const unsigned* b, unsigned* out) {
    const unsigned x = a[threadIdx.x], y = b[threadIdx.x];
    const unsigned long long wide = (unsigned long long)x << 32 | y;
    ROWS(unsigned, out);
    PUT(__popc(x));
    PUT(__ffs(int(x)));
    PUT(__clz(int(x)));
    PUT(__brev(x));
    PUT(__umulhi(x, y));
    PUT(unsigned(__mulhi(int(x), int(y))));
    PUT(__popcll(wide));
    PUT(__ffsll((long long)wide));
    PUT(__clzll((long long)wide));
    PUT(unsigned(__umul64hi(wide, wide) >> 32));
    PUT(__funnelshift_l(x, y, y & 31u));
    PUT(__funnelshift_r(x, y, y & 31u));
    PUT(min(x, y));
    PUT(unsigned(max(int(x), int(y))));
    PUT(unsigned(__dp4a(int(x), int(y), 7)));
    PUT(__dp4a(x, y, 7u));
}

extern "C" __global__ void conversions(const float* values, const long long* wides, int* out, float* floats) {
    const float x = values[threadIdx.x];
    {
        ROWS(int, out);
        PUT(__float2int_rz(x));
        PUT(__float2int_rn(x));
        PUT(__float2int_rd(x));
        PUT(__float2int_ru(x));
        PUT(int(__float2uint_rz(x)));
        PUT(__float_as_int(x));
        PUT(int(__float_as_uint(__uint_as_float(__float_as_uint(x)))));
    }
    {
        ROWS(float, floats);
        PUT(__ll2float_rn(wides[threadIdx.x]));
        PUT(__ull2float_rn((unsigned long long)wides[threadIdx.x]));
        PUT(__int2float_rn(int(wides[threadIdx.x])));
        PUT(fminf(x, 1.0f));
        PUT(fmaxf(x, 1.0f));
        PUT(__fmul_rn(x, 3.0f));
        PUT(__fmaf_rn(x, 3.0f, 1.0f));
        PUT(__fmul_rn(x, 0x1p-100f));  // subnormals become zero
    }
}

template <class T>
__global__ void shuffles(const T* values, T* out, int by, int width) {
    const T x = values[blockIdx.x * blockDim.x + threadIdx.x];
    ROWS(T, out);
    PUT(__shfl_sync(~0u, x, by, width));
    PUT(__shfl_xor_sync(~0u, x, by, width));
    PUT(__shfl_up_sync(~0u, x, unsigned(by), width));
    PUT(__shfl_down_sync(~0u, x, unsigned(by), width));
}

// The halves of a warp vote apart, each with its own mask, at the same place in the source.
extern "C" __global__ void votes(const int* values, unsigned* out) {
    const unsigned mask = (threadIdx.x & 16u) ? 0xffff0000u : 0x0000ffffu;
    const int x = values[threadIdx.x];
    ROWS(unsigned, out);
    PUT(__ballot_sync(mask, x & 1));
    PUT(__any_sync(mask, x > 250));
    PUT(__all_sync(mask, x < 250));
    PUT(__match_any_sync(mask, x & 3));
    PUT(__reduce_add_sync(mask, unsigned(x)));
    PUT(unsigned(__reduce_add_sync(mask, x - 128)));
    PUT(__reduce_min_sync(mask, unsigned(x - 128)));
    PUT(unsigned(__reduce_min_sync(mask, x - 128)));
    PUT(__reduce_max_sync(mask, unsigned(x - 128)));
    PUT(unsigned(__reduce_max_sync(mask, x - 128)));
    PUT(__reduce_and_sync(mask, unsigned(x)));
    PUT(__reduce_or_sync(mask, unsigned(x)));
    PUT(__reduce_xor_sync(mask, unsigned(x)));
    __syncwarp(mask);
}

extern "C" __global__ void block_votes(const int* values, int* out) {
    const int x = values[blockIdx.x * blockDim.x + threadIdx.x];
    ROWS(int, out);
    PUT(__syncthreads_count(x & 1));
    PUT(__syncthreads_and(x < 250));
    PUT(__syncthreads_or(x > 250));
}

extern "C" __global__ void atomics(const int* values, int* i, unsigned* u, unsigned long long* w, float* f) {
    const int x = values[blockIdx.x * blockDim.x + threadIdx.x];
    atomicAdd(&i[0], x - 100);
    atomicSub(&i[1], x - 100);
    atomicMin(&i[2], x - 100);
    atomicMax(&i[3], x - 100);
    atomicAdd(&u[0], 1u);
    atomicMin(&u[1], unsigned(x - 100));
    atomicMax(&u[2], unsigned(x - 100));
    atomicOr(&u[3], unsigned(x));
    atomicAnd(&u[4], unsigned(x));
    atomicXor(&u[5], unsigned(x));
    atomicAdd(&w[0], (unsigned long long)x << 30);
    atomicMax(&w[1], (unsigned long long)x << 30);
    atomicMin((long long*)&w[2], (long long)(x - 100) * (1ll << 40));
    atomicAdd(&f[0], float(x));
    atomicAdd(&f[1], __int2float_rn(int(atomicExch(&u[6], unsigned(x)))));  // what was there, once each
}

// A lock that threads of one block take in turn.
extern "C" __global__ void locked(int* lock, int* out) {
    while (atomicCAS(lock, 0, 1) != 0) {
    }
    __threadfence();
    *out = *out * 3 + 1;
    __threadfence();
    atomicExch(lock, 0);
}

extern "C" __global__ void geometry(unsigned* out) {
    const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000u + thread;
}

template <int WIDTH>
__global__ void transposed(const float* in, float* out) {
    __shared__ float tile[32][WIDTH];
    for (int y = threadIdx.y; y < 32; y += blockDim.y) tile[y][threadIdx.x] = in[y * 32 + threadIdx.x];
    __syncthreads();
    for (int y = threadIdx.y; y < 32; y += blockDim.y) out[y * 32 + threadIdx.x] = tile[threadIdx.x][y];
}

extern "C" __global__ void total(const float* values, float* out, int n) {
    extern __shared__ __align__(16) float part[];
    const int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    part[t] = i < n ? values[i] : 0.0f;
    __syncthreads();
    for (int half = blockDim.x / 2; half; half /= 2) {
        if (t < half) part[t] += part[t + half];
        __syncthreads();
    }
    if (t == 0) out[blockIdx.x] = part[0];
}

// Work from a queue, described by structs with addresses inside.
struct Piece {
    const int* from;
    long long* to;
    int count, factor;
};
extern "C" __global__ void queue(const Piece* __restrict__ pieces, int count, int* next) {
    __shared__ int mine;
    for (;;) {
        if (threadIdx.x == 0) mine = atomicAdd(next, 1);
        __syncthreads();
        if (mine >= count) return;
        const Piece& piece = pieces[mine];
        for (int i = threadIdx.x; i < piece.count; i += blockDim.x)
            piece.to[i] = (long long)piece.from[i] * piece.factor;
        __syncthreads();  // all have read `mine`
    }
}

// The last block to arrive adds what the others left.
extern "C" __global__ void last_block(int* left, int* arrived, int* out, int fenced) {
    __shared__ int last;
    left[blockIdx.x * blockDim.x + threadIdx.x] = int(blockIdx.x * threadIdx.x);
    if (fenced) __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        if (fenced) __threadfence();
        last = atomicAdd(arrived, 1) == int(gridDim.x) - 1;
    }
    __syncthreads();
    if (!last) return;
    int sum = 0;
    for (int block = 0; block < int(gridDim.x); ++block) sum += left[block * blockDim.x + threadIdx.x];
    atomicAdd(out, sum);
}

struct Pair {
    int a;
    float b;
};
namespace inside {
__global__ void by_value(Pair pair, bool flag, signed char c, double d, unsigned short s, float4 v, float* out) {
    out[0] = float(pair.a) + pair.b + (flag ? 1.0f : 0.0f) + float(c) + float(d) + float(s) + v.w;
}
}  // namespace inside
