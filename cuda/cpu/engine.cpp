// engine.cpp: the CPU entries, C ABI, no standard library. Compiled once per instruction set; Python loads the best one.
#include "../ensemble.cuh"
#include "../moves/adaptive.cuh"
#include "../moves/bifurcation.cuh"
#include "../moves/bitsliced_chains.cuh"
#include "../moves/exhaustive.cuh"
#include "../moves/path.cuh"
#include "../moves/population.cuh"
#include "../moves/walk.cuh"
#include "../moves/tabu.cuh"
#include "../moves/cluster.cuh"
#include "dense.hpp"

namespace {

// Subnormals are flushed on both sides, because CuPy's compiler does so too; the caller's mode is put back.
struct FlushSubnormals {
#if defined(__x86_64__)
    unsigned saved = _mm_getcsr();
    FlushSubnormals() { _mm_setcsr(saved | 0x8040u); }
    ~FlushSubnormals() { _mm_setcsr(saved); }
#elif defined(__aarch64__)
    uint64_t saved;
    FlushSubnormals() {
        asm volatile("mrs %0, fpcr" : "=r"(saved));
        asm volatile("msr fpcr, %0" ::"r"(saved | (uint64_t(1) << 24)));
    }
    ~FlushSubnormals() { asm volatile("msr fpcr, %0" ::"r"(saved)); }
#endif
};

#define GQ_ENTRY extern "C" __attribute__((visibility("default")))

// In the order of gq::strategy.
void (*const starts[])(gq::Ensemble&, const uint32_t*) = {gq::start<gq::WINDOW>,       gq::start<gq::LANE_NEIGHBOUR>,
                                                          gq::start<gq::LANE_PARITY>,  gq::start<gq::LANE_PRODUCT>,
                                                          gq::start<gq::LANE_GROUPED>, gq::start_bitsliced};
// Small problems have their gains in registers.
void advance_window(gq::Ensemble& e, int sweeps, gq::Problem problem, uint32_t* spins) {
    switch (gq::window_words(e.problem)) {
        case 1:
            return gq::advance<gq::WINDOW, 1>(e, sweeps, problem, spins);
        case 2:
            return gq::advance<gq::WINDOW, 2>(e, sweeps, problem, spins);
        default:
            return gq::advance<gq::WINDOW, 0>(e, sweeps, problem, spins);
    }
}
template <void (*ONE)(gq::Ensemble&, int), void (*TWO)(gq::Ensemble&, int), void (*ANY)(gq::Ensemble&, int)>
void by_words(gq::Ensemble& e, int sweeps, gq::Problem, uint32_t*) {
    switch (gq::window_words(e.problem)) {
        case 1:
            return ONE(e, sweeps);
        case 2:
            return TWO(e, sweeps);
        default:
            return ANY(e, sweeps);
    }
}
void advance_bitsliced(gq::Ensemble& e, int sweeps, gq::Problem, uint32_t*) {
    switch (e.problem.bits) {
        case 2:
            return gq::advance_bitsliced<2>(e, sweeps);
        case 3:
            return gq::advance_bitsliced<3>(e, sweeps);
        case 6:
            return gq::advance_bitsliced<6>(e, sweeps);
        default:
            return gq::advance_bitsliced<9>(e, sweeps);
    }
}
template <void (*MOVE)(gq::Ensemble&, int)>
void alone(gq::Ensemble& e, int sweeps, gq::Problem, uint32_t*) {
    MOVE(e, sweeps);
}
// In the order of gq::move and gq::strategy.
void (*const advances[][6])(gq::Ensemble&, int, gq::Problem, uint32_t*) = {
    {advance_window, gq::advance<gq::LANE_NEIGHBOUR, 1>, gq::advance<gq::LANE_PARITY, 1>,
     gq::advance<gq::LANE_PRODUCT, 1>, gq::advance<gq::LANE_GROUPED, 1>, advance_bitsliced},
    {by_words<gq::advance_population<gq::WINDOW, 1>, gq::advance_population<gq::WINDOW, 2>,
              gq::advance_population<gq::WINDOW>>,
     alone<gq::advance_population<gq::LANE_NEIGHBOUR>>, alone<gq::advance_population<gq::LANE_PARITY>>,
     alone<gq::advance_population<gq::LANE_PRODUCT>>, alone<gq::advance_population<gq::LANE_GROUPED>>},
    {alone<gq::advance_walk<gq::WINDOW>>, alone<gq::advance_walk<gq::LANE_NEIGHBOUR>>,
     alone<gq::advance_walk<gq::LANE_PARITY>>, alone<gq::advance_walk<gq::LANE_PRODUCT>>,
     alone<gq::advance_walk<gq::LANE_GROUPED>>},
    {nullptr, alone<gq::advance_path<gq::LANE_NEIGHBOUR>>, alone<gq::advance_path<gq::LANE_PARITY>>,
     alone<gq::advance_path<gq::LANE_PRODUCT>>, alone<gq::advance_path<gq::LANE_GROUPED>>},
    {alone<gq::advance_tabu<gq::WINDOW>>, alone<gq::advance_tabu<gq::LANE_NEIGHBOUR>>,
     alone<gq::advance_tabu<gq::LANE_PARITY>>, alone<gq::advance_tabu<gq::LANE_PRODUCT>>,
     alone<gq::advance_tabu<gq::LANE_GROUPED>>},
    {nullptr, alone<gq::advance_bifurcation<gq::LANE_NEIGHBOUR>>, alone<gq::advance_bifurcation<gq::LANE_PARITY>>,
     alone<gq::advance_bifurcation<gq::LANE_PRODUCT>>},
    {nullptr, alone<gq::advance_cluster<gq::LANE_NEIGHBOUR>>, alone<gq::advance_cluster<gq::LANE_PARITY>>,
     alone<gq::advance_cluster<gq::LANE_PRODUCT>>},
    {nullptr, alone<gq::advance_exhaustive<gq::LANE_NEIGHBOUR>>, alone<gq::advance_exhaustive<gq::LANE_PARITY>>,
     alone<gq::advance_exhaustive<gq::LANE_PRODUCT>>, alone<gq::advance_exhaustive<gq::LANE_GROUPED>>},
    {by_words<gq::advance_adaptive<gq::WINDOW, 1>, gq::advance_adaptive<gq::WINDOW, 2>,
              gq::advance_adaptive<gq::WINDOW>>,
     alone<gq::advance_adaptive<gq::LANE_NEIGHBOUR>>, alone<gq::advance_adaptive<gq::LANE_PARITY>>,
     alone<gq::advance_adaptive<gq::LANE_PRODUCT>>, alone<gq::advance_adaptive<gq::LANE_GROUPED>>},
};

void advance(gq::Ensemble& e, int sweeps) {
    advances[e.move][e.problem.strategy](e, sweeps, e.problem, gq::own_spins(e));
}

}  // namespace

GQ_ENTRY int32_t gq_ensemble_bytes() { return int32_t(sizeof(gq::Ensemble)); }

GQ_ENTRY void gq_start(gq::Ensemble* e, const uint32_t* initial) {
    FlushSubnormals mode;
    starts[e->problem.strategy](*e, initial);
}

// One crossing for a whole batch: ensemble i makes up to sweeps[i] sweeps.
GQ_ENTRY void gq_advance(gq::Ensemble* const* ensembles, const int32_t* sweeps, int32_t count) {
    FlushSubnormals mode;
    for (int i = 0; i < count; ++i) advance(*ensembles[i], sweeps[i]);
}

GQ_ENTRY int32_t gq_dense_bytes() { return int32_t(sizeof(gq::DenseBatch)); }

GQ_ENTRY void gq_pack_dense(const gq::DenseBatch* batch) {
    gq::dense::Quadratic quadratic(*batch);
    for (int i = 0; i < batch->count; ++i) quadratic.pack(i);
}

// The chains of each problem. Ensemble i is as the first, with each pointer moved on by i times what stands in its place
// in `step`.
GQ_ENTRY void gq_start_dense(const gq::DenseBatch* batch, const gq::Ensemble* first, const gq::Ensemble* step,
                             const uint64_t* seeds, const int64_t* goals, gq::Ensemble* ensembles) {
    FlushSubnormals mode;
    constexpr int words = sizeof(gq::Ensemble) / 8;
    uint64_t begin[words], apart[words];
    memcpy(begin, first, sizeof begin);
    memcpy(apart, step, sizeof apart);
    for (int i = 0; i < batch->count; ++i) {
        gq::Ensemble& e = ensembles[i];
        memcpy(&e, begin, sizeof e);
        for (int k = 0; k < words; ++k) begin[k] += apart[k];
        e.problem.strategy = batch->strategy[i];
        e.problem.zero_energy = batch->zero_energy[i];
        e.seed_low = uint32_t(seeds[i]);
        e.seed_high = uint32_t(seeds[i] >> 32);
        e.goal = goals[i];
        starts[e.problem.strategy](e, nullptr);
    }
}

// Up to `sweeps` sweeps of each; how many they were in all.
GQ_ENTRY int64_t gq_advance_dense(gq::Ensemble* ensembles, int32_t count, int32_t sweeps) {
    FlushSubnormals mode;
    int64_t done = 0;
    for (int i = 0; i < count; ++i) {
        const int before = ensembles[i].sweep;
        advance(ensembles[i], sweeps);
        done += ensembles[i].sweep - before;
    }
    return done;
}

// The best state of each problem (count x n), its cost, and 1 in `others` where that is not found here.
GQ_ENTRY void gq_read_dense(const gq::DenseBatch* batch, const gq::Ensemble* ensembles, int8_t* states, double* costs) {
    gq::dense::Quadratic quadratic(*batch);
    for (int i = 0; i < batch->count; ++i) {
        int8_t* const state = states + int64_t(i) * batch->n;
        gq::dense::best_state(ensembles[i], batch->spins, state);
        quadratic.read<false>(i);
        batch->others[i] = !gq::dense::exact_cost(quadratic, state, batch->constant[i], costs + i);
    }
}

// For the tests: the generator, the exponential and the logarithm as the kernels have them. `count` is a multiple of 32.
GQ_ENTRY void gq_philox(const uint32_t* counter, const uint32_t* seed, uint32_t* words, int32_t count) {
    for (int i = 0; i < count; i += 32) {
        gq::vu word[4];
        gq::philox(gq::load(counter + i), gq::load(counter + count + i), gq::load(counter + 2 * count + i),
                   gq::load(counter + 3 * count + i), {seed[0], seed[1]}, word);
        for (int k = 0; k < 4; ++k) gq::store(words + k * count + i, word[k]);
    }
}
GQ_ENTRY void gq_boltzmann(const float* x, int64_t* out, int32_t count) {
    FlushSubnormals mode;
    for (int i = 0; i < count; ++i) out[i] = gq::boltzmann(x[i]);
}
GQ_ENTRY void gq_neg_log_uniform(const uint32_t* words, float* out, int32_t count) {
    FlushSubnormals mode;
    for (int i = 0; i < count; i += 32) gq::store(out + i, gq::neg_log_uniform(gq::load(words + i)));
}
