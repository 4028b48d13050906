// engine.cpp: the CPU entries, C ABI, no standard library. Compiled once per instruction set; Python loads the best one.
#include "../ensemble.cuh"
#include "../moves/cluster.cuh"

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
void (*const starts[])(gq::Ensemble&, const uint32_t*) = {gq::start<gq::WINDOW>, gq::start<gq::LANE_NEIGHBOUR>,
                                                          gq::start<gq::LANE_PARITY>, gq::start<gq::LANE_PRODUCT>};
// Small problems have their gains in registers.
void advance_window(gq::Ensemble& e, int sweeps, const void* weights) {
    switch (gq::window_words(e.problem)) {
        case 1:
            return gq::advance<gq::WINDOW, 1>(e, sweeps, weights);
        case 2:
            return gq::advance<gq::WINDOW, 2>(e, sweeps, weights);
        default:
            return gq::advance<gq::WINDOW>(e, sweeps, weights);
    }
}
// In the order of gq::move and gq::strategy.
void (*const advances[][4])(gq::Ensemble&, int, const void*) = {
    {advance_window, gq::advance<gq::LANE_NEIGHBOUR>, gq::advance<gq::LANE_PARITY>, gq::advance<gq::LANE_PRODUCT>},
    {},  // POPULATION
    {},  // WALK
    {},  // PATH
    {},  // TABU
    {},  // BIFURCATION
    {nullptr, gq::advance_cluster<gq::LANE_NEIGHBOUR>, gq::advance_cluster<gq::LANE_PARITY>,
     gq::advance_cluster<gq::LANE_PRODUCT>},
};

}  // namespace

GQ_ENTRY int32_t gq_ensemble_bytes() { return int32_t(sizeof(gq::Ensemble)); }

GQ_ENTRY void gq_start(gq::Ensemble* e, const uint32_t* initial) {
    FlushSubnormals mode;
    starts[e->problem.strategy](*e, initial);
}

// One crossing for a whole batch: ensemble i makes up to sweeps[i] sweeps.
GQ_ENTRY void gq_advance(gq::Ensemble* const* ensembles, const int32_t* sweeps, int32_t count) {
    FlushSubnormals mode;
    for (int i = 0; i < count; ++i) {
        gq::Ensemble& e = *ensembles[i];
        advances[e.move][e.problem.strategy](e, sweeps[i], e.problem.weights);
    }
}

// For the tests: the generator and the logarithm as the kernels have them. `count` is a multiple of 32.
GQ_ENTRY void gq_philox(const uint32_t* counter, const uint32_t* seed, uint32_t* words, int32_t count) {
    for (int i = 0; i < count; i += 32) {
        gq::vu word[4];
        gq::philox(gq::load(counter + i), gq::load(counter + count + i), gq::load(counter + 2 * count + i),
                   gq::load(counter + 3 * count + i), {seed[0], seed[1]}, word);
        for (int k = 0; k < 4; ++k) gq::store(words + k * count + i, word[k]);
    }
}
GQ_ENTRY void gq_neg_log_uniform(const uint32_t* words, float* out, int32_t count) {
    FlushSubnormals mode;
    for (int i = 0; i < count; i += 32) gq::store(out + i, gq::neg_log_uniform(gq::load(words + i)));
}
