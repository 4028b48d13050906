// faults.cu: kernels that are right when `fault` is NONE, and wrong in one way each otherwise. The place that an error
// must name ends in the fault's name.

enum Fault {
    NONE,
    // meetings
    BARRIER_DIVERGENCE,
    EXITED_LANE,
    LATE_LANE,
    NOT_IN_MASK,
    DIFFERENT_WORDS,
    DIFFERENT_MASKS,
    DEADLOCK,
    LIVELOCK,
    ASSERTION,
    TRAP,
    // shared memory
    READ_AFTER_WRITE,
    WRITE_AFTER_READ,
    WRITE_AFTER_WRITE,
    SAME_VALUE,
    NEIGHBOUR_BYTES,
    SHUFFLE_IS_NO_FENCE,
    OTHER_WARP,
    UNINITIALISED_STATIC,
    UNINITIALISED_DYNAMIC,
    PAST_DYNAMIC,
    PAST_STATIC,
    // global memory
    PLAIN_COUNTER,
    PLAIN_BESIDE_ATOMIC,
    READ_PAST_END,
    WRITE_PAST_END,
    WRITE_BEFORE_START,
    WRITE_TO_CONST,
    // C++
    PAST_LOCAL,
    PAST_STRUCT,
    SHIFT,
    OVERFLOW,
    FLOAT_TO_INT,
    MISALIGNED,
    DIVISION,
};

// Two warps.
extern "C" __global__ void meetings(int* out, int fault) {
    const unsigned t = threadIdx.x, lane = t & 31u;
    if (fault == BARRIER_DIVERGENCE && t >= 32)
        __syncthreads();  // BARRIER_DIVERGENCE
    else
        __syncthreads();
    if (fault == EXITED_LANE && lane == 5) return;
    if (!(fault == LATE_LANE && lane == 5)) __syncwarp();  // EXITED_LANE LATE_LANE
    __syncthreads();
    unsigned mask = fault == NOT_IN_MASK && lane == 3 ? ~8u : ~0u;
    if (fault == DIFFERENT_MASKS && lane >= 16) mask = 0xffff0000u;
    unsigned sum = 0;
    if (fault == DIFFERENT_WORDS && lane == 7)
        sum = __shfl_sync(mask, t, 0);  // DIFFERENT_WORDS
    else
        sum = __ballot_sync(mask, t & 1);  // NOT_IN_MASK DIFFERENT_MASKS
    if (fault == DEADLOCK && t == 40) {
        __syncthreads();
    } else {
        __syncwarp();  // DEADLOCK
        __syncthreads();
    }
    while (fault == LIVELOCK && atomicCAS(&out[64], 0, 1) != 0) {
    }
    assert(fault != ASSERTION);   // ASSERTION
    if (fault == TRAP) __trap();  // TRAP
    out[t] = int(sum);
}

// Blocks of two warps, with 64 bytes of dynamic shared memory.
extern "C" __global__ void shared(const int* in, int* out, int fault) {
    extern __shared__ unsigned char bytes[];
    __shared__ int a[64];
    __shared__ int b[64];
    const int t = threadIdx.x, lane = t & 31;
    a[t] = in[t];
    if (fault != UNINITIALISED_STATIC) b[t] = 0;
    if (!(fault == UNINITIALISED_DYNAMIC && t == 9)) bytes[t] = (unsigned char)(t);
    if (fault != READ_AFTER_WRITE) __syncthreads();
    int x = a[t ^ 33];  // READ_AFTER_WRITE
    x += b[t];          // UNINITIALISED_STATIC
    x += bytes[t ^ 1];  // UNINITIALISED_DYNAMIC
    if (fault != WRITE_AFTER_READ) __syncthreads();
    a[t] = x;                                          // WRITE_AFTER_READ
    if (fault == WRITE_AFTER_WRITE) a[t & 62] = t;     // WRITE_AFTER_WRITE
    if (fault == SAME_VALUE) b[40] = 1;                // SAME_VALUE
    bytes[fault == NEIGHBOUR_BYTES ? t & 62 : t] = 0;  // NEIGHBOUR_BYTES
    if (fault == PAST_DYNAMIC) bytes[t + 1] = 0;       // PAST_DYNAMIC
    if (fault == PAST_STATIC) b[in[t] + 64] = 0;       // PAST_STATIC
    b[t] = x;
    if (fault == SHUFFLE_IS_NO_FENCE)
        x += __shfl_sync(~0u, x, 0);
    else if (fault != OTHER_WARP)
        __syncthreads();
    else
        __syncwarp();
    x += b[lane == 31 ? t : t + 1];                  // SHUFFLE_IS_NO_FENCE
    if (fault == OTHER_WARP) x += b[(t + 32) & 63];  // OTHER_WARP
    out[blockIdx.x * 64 + t] = x;
}

// Any number of blocks.
extern "C" __global__ void global(const int* in, int* out, int* counter, int n, int fault) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    int x = 0;
    if (fault == READ_PAST_END || i < n) x = in[i];  // READ_PAST_END
    if (fault == PLAIN_COUNTER)
        *counter += 1;  // PLAIN_COUNTER
    else
        atomicAdd(counter, 1 + (x == -1));
    if (fault == PLAIN_BESIDE_ATOMIC && i == n - 1) *counter = 0;       // PLAIN_BESIDE_ATOMIC
    if (i < n) out[fault == WRITE_PAST_END ? i + 1 : i] = x;            // WRITE_PAST_END
    if (fault == WRITE_BEFORE_START) out[i - 1] = 0;                    // WRITE_BEFORE_START
    if (fault == WRITE_TO_CONST && i < n) const_cast<int*>(in)[i] = 0;  // WRITE_TO_CONST
}

struct Table {
    int row[4];
    int after;
};

// `eight` is 8 and `most` the largest int: the compiler must not know.
extern "C" __global__ void language(float* out, int eight, int most, float large, int fault) {
    const int t = threadIdx.x;
    int local[8];
    for (int i = 0; i < eight; ++i) local[i] = i * t;
    Table table = {{1, 2, 3, 4}, 5};
    int x = local[fault == PAST_LOCAL ? eight : 7];        // PAST_LOCAL
    x += table.row[fault == PAST_STRUCT ? eight / 2 : 3];  // PAST_STRUCT
    x += 1u << (fault == SHIFT ? 4 * eight : 3);           // SHIFT
    x += fault == OVERFLOW ? most + t : 0;                 // OVERFLOW
    x += int(fault == FLOAT_TO_INT ? large : 1.0f);        // FLOAT_TO_INT
    x /= fault == DIVISION ? eight - 8 : 1;                // DIVISION
    const float* pair = out + 2 * t + (fault == MISALIGNED && t < 31);
    x += int(reinterpret_cast<const float2*>(pair)->x);  // MISALIGNED
    out[2 * t + 1] = float(x);
}
