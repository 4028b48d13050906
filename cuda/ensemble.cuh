// ensemble.cuh: all chains of one problem: their first states, their sweeps, and the best states they visit.
//
// "Best" is asked at the end of each sweep, for every strategy alike.
#pragma once
#include "moves/exchange.cuh"
#include "moves/lane.cuh"
#include "moves/window.cuh"
namespace gq {

GQ key seed_of(const Ensemble& e) { return {e.seed_low, e.seed_high}; }
GQ int warps(const Ensemble& e) { return (e.chains + 31) >> 5; }
GQ unsigned valid_chains(const Ensemble& e, int warp) {
    return 32 * warp + 32 <= e.chains ? ~0u : (1u << (e.chains & 31)) - 1u;
}
GQ bool finished(const Ensemble& e) { return e.sweep >= e.sweeps || e.lowest <= e.goal; }

GQ void note_lowest(Ensemble& e, int64_t energy) {
    if (energy < e.lowest) {
        e.lowest = energy;
        e.reached = e.sweep;
    }
}

GQ void keep_best_window(Ensemble& e, int chain) {
    const int words = window_words(e.problem);
    if (e.energy[chain] >= e.best_energy[chain]) return;
    e.best_energy[chain] = e.energy[chain];
    for (int k = 0; k < words; ++k) e.best_spins[chain * words + k] = e.spins[chain * words + k];
    note_lowest(e, e.energy[chain]);
}

GQ void keep_best_lane(Ensemble& e, int warp) {
    unsigned better = 0;
    for (int c = 32 * warp; c < 32 * warp + 32 && c < e.chains; ++c) {
        if (e.energy[c] >= e.best_energy[c]) continue;
        better |= 1u << (c & 31);
        e.best_energy[c] = e.energy[c];
        note_lowest(e, e.energy[c]);
    }
    if (!better) return;
    uint32_t* best = e.best_spins + int64_t(warp) * e.problem.n;
    const uint32_t* spins = e.spins + int64_t(warp) * e.problem.n;
    for (int v = 0; v < e.problem.n; ++v) best[v] = (best[v] & ~better) | (spins[v] & better);
}

template <int STRATEGY>
GQ void sweep_lanes(Ensemble& e) {
    for (int w = 0; w < warps(e); ++w) {
        const vf temperature = e.rungs ? load(e.chain_temperature + 32 * w) : splat(float(e.temperature[e.sweep]));
        lane_sweep<STRATEGY>(e.problem, e.spins + int64_t(w) * e.problem.n, temperature, 32u * w, valid_chains(e, w),
                             unsigned(e.sweep), seed_of(e), e.energy + 32 * w, e.flips);
    }
}

GQ void sweep_windows(Ensemble& e) {
    const int words = window_words(e.problem);
    WindowDraws draws;
    for (int c = 0; c < e.chains; ++c) {
        const float temperature = e.rungs ? e.chain_temperature[c] : e.temperature[e.sweep];
        window_sweep(e.problem, e.gains + int64_t(c) * words * 32, e.spins + int64_t(c) * words, temperature,
                     unsigned(c), unsigned(e.sweep), seed_of(e), draws, e.energy[c], e.flips);
    }
}

template <int STRATEGY>
GQ void advance(Ensemble& e, int sweeps) {
    for (; sweeps > 0 && !finished(e); --sweeps) {
        if constexpr (STRATEGY == WINDOW) {
            sweep_windows(e);
        } else {
            sweep_lanes<STRATEGY>(e);
        }
        const unsigned done = unsigned(e.sweep++);
        if constexpr (STRATEGY == WINDOW) {
            for (int c = 0; c < e.chains; ++c) keep_best_window(e, c);
        } else {
            for (int w = 0; w < warps(e); ++w) keep_best_lane(e, w);
        }
        if (e.rungs) exchange(e, done, seed_of(e));
    }
}

// First states: the bits of `initial` (words of 32) for every chain, or INIT words: block of 128 variables at position.
GQ unsigned first_bits(const Ensemble& e, const uint32_t* initial, int word, const vu (&random)[4], int chain) {
    const unsigned bits = initial ? initial[word] : bcast(random[word & 3], chain & 31);
    return word + 1 < window_words(e.problem) || (e.problem.n & 31) == 0 ? bits
                                                                         : bits & ((1u << (e.problem.n & 31)) - 1u);
}

GQ void start_window(Ensemble& e, int chain, int word, unsigned bits) {
    const int words = window_words(e.problem);
    int32_t* gains = e.gains + int64_t(chain) * words * 32;
    uint32_t* spins = e.spins + int64_t(chain) * words;
    if (word == 0) {
        for (int k = 0; k < words; ++k) store(gains + 32 * k, load(e.problem.base + 32 * k));
    }
    const unsigned set = bits;
    for (; bits; bits &= bits - 1) {
        const int v = 32 * word + first(bits);
        e.energy[chain] += gains[v];
        window_flip(e.problem.weights + int64_t(v) * (words * 32), uniform(false), gains, words);
    }
    spins[word] = set;
}

template <int STRATEGY>
GQ void start_lanes(Ensemble& e, int warp) {  // finds the bits in best_spins, sets them one variable after another
    uint32_t* spins = e.spins + int64_t(warp) * e.problem.n;
    const uint32_t* bits = e.best_spins + int64_t(warp) * e.problem.n;
    for (int v = 0; v < e.problem.n; ++v) spins[v] = 0;
    for (int v = 0; v < e.problem.n; ++v) {
        add_each(e.energy + 32 * warp, keep(spread(bits[v]), lane_gain<STRATEGY>(e.problem, v, spins)));
        spins[v] = bits[v];
    }
}

template <int STRATEGY>
GQ void start(Ensemble& e, const uint32_t* initial) {
    const int n = e.problem.n, words = window_words(e.problem);
    for (int c = 0; c < 32 * warps(e); ++c) e.energy[c] = e.problem.zero_energy;
    for (int w = 0; w < warps(e); ++w) {
        const int count = w + 1 < warps(e) || (e.chains & 31) == 0 ? 32 : e.chains & 31;
        vu random[4];
        for (int k = 0; k < words; ++k) {
            if ((k & 3) == 0)
                philox(splat(unsigned(k >> 2)), splat(0u), lane() + 32u * w, splat(unsigned(INIT)), seed_of(e), random);
            for (int l = 0; l < count; ++l) {
                const unsigned bits = first_bits(e, initial, k, random, l);
                if constexpr (STRATEGY == WINDOW) {
                    start_window(e, 32 * w + l, k, bits);
                } else {
                    for (int j = 0; j < 32 && 32 * k + j < n; ++j)
                        e.best_spins[int64_t(w) * n + 32 * k + j] |= ((bits >> j) & 1u) << l;
                }
            }
        }
        if constexpr (STRATEGY != WINDOW) start_lanes<STRATEGY>(e, w);
    }
    for (int c = 0; c < e.chains; ++c) {
        e.best_energy[c] = e.energy[c];
        note_lowest(e, e.energy[c]);
        if (e.rungs) {
            e.chain_at[c] = c;
            e.chain_temperature[c] = e.temperature[c % e.rungs];
        }
    }
    if constexpr (STRATEGY == WINDOW) {
        for (int64_t k = 0; k < int64_t(e.chains) * words; ++k) e.best_spins[k] = e.spins[k];
    }
}

}  // namespace gq
