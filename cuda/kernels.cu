// kernels.cu: the GPU entries: thin loops over the shared source.
//
// A block of any number of warps is one team on one problem, or on a part of one, at a time. It takes the next of the
// launch from a counter, so that one launch serves hundreds of problems of different lengths. `table` holds descriptors;
// slots[i] says which one is the i-th of this launch. Descriptors and all they point to are in global memory, and hold
// the state between launches. `next` is 0 at the launch. window_1 to window_8 keep a chain's gains in registers; window
// takes any size. Launched with `shared_bytes` of dynamic shared memory, a problem copies its matrix there if it fits.
#include "ensemble.cuh"
#include "moves/cluster.cuh"
#include "moves/register.cuh"

#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(TYPE, NAME) extern __shared__ TYPE NAME[]
#endif

namespace gq {

template <class F>
GQ void serve(int count, unsigned* next, F f) {
    __shared__ int turn;
    for (;;) {
        if (threadIdx.x == 0) turn = int(atomicAdd(next, 1u));
        __syncthreads();
        const int mine = turn;
        __syncthreads();
        if (mine >= count) return;
        f(mine);
    }
}

GQ const void* nearer_weights(const Ensemble& e, uint32_t* shared, int shared_bytes) {
    const int64_t bytes = int64_t(e.problem.n) * window_words(e.problem) * 32 * e.weight_bytes;
    if (e.problem.strategy != WINDOW || bytes > shared_bytes) return e.problem.weights;
    const auto* weights = static_cast<const uint32_t*>(e.problem.weights);
    for (int i = int(threadIdx.x); i < int(bytes >> 2); i += int(blockDim.x)) shared[i] = weights[i];
    __syncthreads();
    return shared;
}

// A matrix of WORDS windows in shared memory, each row twice over, as register.cuh wants it.
template <int WORDS>
GQ const int32_t* doubled_rows(const Ensemble& e, uint32_t* shared) {
    auto* const rows = reinterpret_cast<int32_t*>(shared);
    const Matrix matrix = {e.problem.weights, 32 * WORDS, e.weight_bytes};
    for (int v = team_rank(); v < e.problem.n; v += team_size())
        matrix.row(v, [&](const auto* row) {
            each(64 * WORDS, [&](int j) { rows[v * 64 * WORDS + j] = row[j & (32 * WORDS - 1)]; });
        });
    __syncthreads();
    return rows;
}

}  // namespace gq

// Most threads of a block, and blocks a multiprocessor at least: what lets a kernel have the registers that it needs
// without spilling.
#define GQ_KERNEL(THREADS, BLOCKS) extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
#define GQ_START(NAME, STRATEGY)                                                                             \
    GQ_KERNEL(128, 4)                                                                                        \
    NAME(gq::Ensemble* table, const int* slots, const unsigned* const* initial, int count, unsigned* next) { \
        gq::serve(count, next, [&](int i) { gq::start<gq::STRATEGY>(table[slots[i]], initial[i]); });        \
    }
#define GQ_ADVANCE(NAME, STRATEGY, WORDS)                                                                         \
    GQ_KERNEL(512, 1)                                                                                             \
    NAME(gq::Ensemble* table, const int* slots, const int* sweeps, int count, unsigned* next, int shared_bytes) { \
        DYNAMIC_SHARED(unsigned, shared);                                                                         \
        gq::serve(count, next, [&](int i) {                                                                       \
            gq::Ensemble& e = table[slots[i]];                                                                    \
            gq::advance<gq::STRATEGY, WORDS>(e, sweeps[i], gq::nearer_weights(e, shared, shared_bytes));          \
        });                                                                                                       \
    }

// A move of its own (moves/*.cuh): MOVE(e, sweeps).
#define GQ_MOVE(NAME, MOVE)                                                                                            \
    GQ_KERNEL(512, 1) NAME(gq::Ensemble* table, const int* slots, const int* sweeps, int count, unsigned* next, int) { \
        gq::serve(count, next, [&](int i) { gq::MOVE(table[slots[i]], sweeps[i]); });                                  \
    }

GQ_START(start_window, WINDOW)
GQ_START(start_neighbour, LANE_NEIGHBOUR)
GQ_START(start_parity, LANE_PARITY)
GQ_START(start_product, LANE_PRODUCT)

GQ_ADVANCE(window_1, WINDOW, 1)
GQ_ADVANCE(window_2, WINDOW, 2)
GQ_ADVANCE(window_3, WINDOW, 3)
GQ_ADVANCE(window_4, WINDOW, 4)
GQ_ADVANCE(window_5, WINDOW, 5)
GQ_ADVANCE(window_6, WINDOW, 6)
GQ_ADVANCE(window_7, WINDOW, 7)
GQ_ADVANCE(window_8, WINDOW, 8)
GQ_ADVANCE(window, WINDOW, 0)
GQ_ADVANCE(lane_neighbour, LANE_NEIGHBOUR, 0)
GQ_ADVANCE(lane_parity, LANE_PARITY, 0)
GQ_ADVANCE(lane_product, LANE_PRODUCT, 0)
GQ_MOVE(cluster_neighbour, advance_cluster<gq::LANE_NEIGHBOUR>)
GQ_MOVE(cluster_parity, advance_cluster<gq::LANE_PARITY>)
GQ_MOVE(cluster_product, advance_cluster<gq::LANE_PRODUCT>)

// One thread a chain: block size 32 for each 32 chains, shared memory for n rows of 64 WORDS int32.
#define GQ_REGISTERS(NAME, WORDS)                                                                                      \
    GQ_KERNEL(128, 2) NAME(gq::Ensemble* table, const int* slots, const int* sweeps, int count, unsigned* next, int) { \
        DYNAMIC_SHARED(unsigned, shared);                                                                              \
        gq::serve(count, next, [&](int i) {                                                                            \
            gq::Ensemble& e = table[slots[i]];                                                                         \
            gq::advance_registers<WORDS>(e, sweeps[i], gq::doubled_rows<WORDS>(e, shared));                            \
        });                                                                                                            \
    }

GQ_REGISTERS(register_1, 1)
GQ_REGISTERS(register_2, 2)
