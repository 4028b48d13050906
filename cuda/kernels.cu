// kernels.cu: the GPU entries: thin loops over the shared source.
//
// A block of any number of warps is one team on one problem, or on a part of one, at a time. It takes the next of the
// launch from a counter, so that one launch serves hundreds of problems of different lengths. `table` holds descriptors;
// slots[i] says which one is the i-th of this launch. Descriptors and all they point to are in global memory, and hold
// the state between launches. `next` is 0 at the launch. window_1 to window_8 keep a chain's gains in registers; window
// takes any size. Launched with `shared_bytes` of dynamic shared memory, a problem copies its matrix there if it fits. near_*
// have all they read and write at every attempt there; lane_* take any size.
#include "ensemble.cuh"
#include "gpu/nearer.cuh"
#include "moves/adaptive.cuh"
#include "moves/bifurcation.cuh"
#include "moves/bitsliced_chains.cuh"
#include "moves/cluster.cuh"
#include "moves/exhaustive.cuh"
#include "moves/path.cuh"
#include "moves/population.cuh"
#include "moves/planes.cuh"
#include "moves/tabu.cuh"
#include "moves/walk.cuh"

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

GQ const void* nearer_weights(const Ensemble& e, uint4* nearer, int shared_bytes) {
    const int64_t bytes = int64_t(e.problem.n) * window_words(e.problem) * 32 * e.weight_bytes;
    if (e.problem.strategy != WINDOW || bytes > shared_bytes) return e.problem.weights;
    const auto* weights = static_cast<const uint32_t*>(e.problem.weights);
    auto* const shared = reinterpret_cast<uint32_t*>(nearer);
    for (int i = int(threadIdx.x); i < int(bytes >> 2); i += int(blockDim.x)) shared[i] = weights[i];
    __syncthreads();
    return shared;
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
        DYNAMIC_SHARED(uint4, shared);                                                                            \
        gq::serve(count, next, [&](int i) {                                                                       \
            gq::Ensemble& e = table[slots[i]];                                                                    \
            gq::Problem problem = e.problem;                                                                      \
            problem.weights = gq::nearer_weights(e, shared, shared_bytes);                                        \
            gq::advance<gq::STRATEGY, WORDS>(e, sweeps[i], problem, gq::own_spins(e));                            \
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
GQ_START(start_grouped, LANE_GROUPED)

GQ_KERNEL(128, 4)
start_bitsliced(gq::Ensemble* table, const int* slots, const unsigned* const* initial, int count, unsigned* next) {
    gq::serve(count, next, [&](int i) { gq::start_bitsliced(table[slots[i]], initial[i]); });
}

GQ_ADVANCE(window_1, WINDOW, 1)
GQ_ADVANCE(window_2, WINDOW, 2)
GQ_ADVANCE(window_3, WINDOW, 3)
GQ_ADVANCE(window_4, WINDOW, 4)
GQ_ADVANCE(window_5, WINDOW, 5)
GQ_ADVANCE(window_6, WINDOW, 6)
GQ_ADVANCE(window_7, WINDOW, 7)
GQ_ADVANCE(window_8, WINDOW, 8)
GQ_ADVANCE(window, WINDOW, 0)
GQ_ADVANCE(lane_neighbour, LANE_NEIGHBOUR, 1)
GQ_ADVANCE(lane_parity, LANE_PARITY, 1)
GQ_ADVANCE(lane_product, LANE_PRODUCT, 1)
GQ_ADVANCE(lane_grouped, LANE_GROUPED, 1)

// The problem and its chains' bits in shared memory, a warp for each 32 WORDS chains.
#define GQ_NEAR(NAME, STRATEGY, WORDS)                                                                                 \
    GQ_KERNEL(128, 4) NAME(gq::Ensemble* table, const int* slots, const int* sweeps, int count, unsigned* next, int) { \
        DYNAMIC_SHARED(uint4, nearer);                                                                                 \
        gq::serve(count, next, [&](int i) {                                                                            \
            gq::advance_near<gq::STRATEGY, WORDS>(table[slots[i]], sweeps[i], reinterpret_cast<unsigned*>(nearer));    \
        });                                                                                                            \
    }

GQ_NEAR(near_neighbour_1, LANE_NEIGHBOUR, 1)
GQ_NEAR(near_neighbour_2, LANE_NEIGHBOUR, 2)
GQ_NEAR(near_parity_1, LANE_PARITY, 1)
GQ_NEAR(near_parity_2, LANE_PARITY, 2)
GQ_NEAR(near_product_1, LANE_PRODUCT, 1)
GQ_NEAR(near_product_2, LANE_PRODUCT, 2)

// One thread a chain, up to 32 WORDS variables; shared memory for the base, and for the planes of n rows (planes.cuh).
#define GQ_PLANES(NAME, WORDS, THREADS)                                                              \
    GQ_KERNEL(THREADS, 1)                                                                            \
    NAME(gq::Ensemble* table, const int* slots, const int* sweeps, int count, unsigned* next, int) { \
        DYNAMIC_SHARED(uint4, shared);                                                               \
        gq::serve(count, next, [&](int i) {                                                          \
            gq::Ensemble& e = table[slots[i]];                                                       \
            gq::advance_planes<WORDS>(e, sweeps[i], gq::cut_planes<WORDS>(e, shared));               \
        });                                                                                          \
    }

GQ_PLANES(planes_1, 1, 512)
GQ_PLANES(planes_2, 2, 512)
GQ_PLANES(planes_4, 4, 512)
GQ_PLANES(planes_8, 8, 256)

GQ_MOVE(cluster_neighbour, advance_cluster<gq::LANE_NEIGHBOUR>)
GQ_MOVE(cluster_parity, advance_cluster<gq::LANE_PARITY>)
GQ_MOVE(cluster_product, advance_cluster<gq::LANE_PRODUCT>)

GQ_MOVE(exhaustive_neighbour, advance_exhaustive<gq::LANE_NEIGHBOUR>)
GQ_MOVE(exhaustive_parity, advance_exhaustive<gq::LANE_PARITY>)
GQ_MOVE(exhaustive_product, advance_exhaustive<gq::LANE_PRODUCT>)
GQ_MOVE(exhaustive_grouped, advance_exhaustive<gq::LANE_GROUPED>)
GQ_MOVE(population_window, advance_population<gq::WINDOW>)
GQ_MOVE(population_neighbour, advance_population<gq::LANE_NEIGHBOUR>)
GQ_MOVE(population_parity, advance_population<gq::LANE_PARITY>)
GQ_MOVE(population_product, advance_population<gq::LANE_PRODUCT>)
GQ_MOVE(population_grouped, advance_population<gq::LANE_GROUPED>)
GQ_MOVE(adaptive_window, advance_adaptive<gq::WINDOW>)
GQ_MOVE(adaptive_neighbour, advance_adaptive<gq::LANE_NEIGHBOUR>)
GQ_MOVE(adaptive_parity, advance_adaptive<gq::LANE_PARITY>)
GQ_MOVE(adaptive_product, advance_adaptive<gq::LANE_PRODUCT>)
GQ_MOVE(adaptive_grouped, advance_adaptive<gq::LANE_GROUPED>)
GQ_MOVE(walk_window, advance_walk<gq::WINDOW>)
GQ_MOVE(walk_neighbour, advance_walk<gq::LANE_NEIGHBOUR>)
GQ_MOVE(walk_parity, advance_walk<gq::LANE_PARITY>)
GQ_MOVE(walk_product, advance_walk<gq::LANE_PRODUCT>)
GQ_MOVE(walk_grouped, advance_walk<gq::LANE_GROUPED>)
GQ_MOVE(path_neighbour, advance_path<gq::LANE_NEIGHBOUR>)
GQ_MOVE(path_parity, advance_path<gq::LANE_PARITY>)
GQ_MOVE(path_product, advance_path<gq::LANE_PRODUCT>)
GQ_MOVE(path_grouped, advance_path<gq::LANE_GROUPED>)
GQ_MOVE(tabu_window, advance_tabu<gq::WINDOW>)
GQ_MOVE(tabu_neighbour, advance_tabu<gq::LANE_NEIGHBOUR>)
GQ_MOVE(tabu_parity, advance_tabu<gq::LANE_PARITY>)
GQ_MOVE(tabu_product, advance_tabu<gq::LANE_PRODUCT>)
GQ_MOVE(tabu_grouped, advance_tabu<gq::LANE_GROUPED>)

GQ_MOVE(bifurcation_neighbour, advance_bifurcation<gq::LANE_NEIGHBOUR>)
GQ_MOVE(bifurcation_parity, advance_bifurcation<gq::LANE_PARITY>)
GQ_MOVE(bifurcation_product, advance_bifurcation<gq::LANE_PRODUCT>)

// Counts in planes, one register each: blocks of four warps alone.
#define GQ_BITSLICED(WIDTH)                                                                                       \
    GQ_KERNEL(128, 2)                                                                                             \
    bitsliced_##WIDTH(gq::Ensemble* table, const int* slots, const int* sweeps, int count, unsigned* next, int) { \
        gq::serve(count, next, [&](int i) { gq::advance_bitsliced<WIDTH>(table[slots[i]], sweeps[i]); });         \
    }

GQ_BITSLICED(2)
GQ_BITSLICED(3)
GQ_BITSLICED(6)
GQ_BITSLICED(9)
