// ensemble.cuh: all chains of one problem: their first states, their sweeps, and the best states they visit.
//
// "Best" is asked at the end of each sweep, for every strategy alike.
//
// Ladders and restarts know nothing of each other, so an ensemble without a goal may be cut into parts for several
// blocks. A part begins with a whole ladder, and with a multiple of 32 where a lane is a chain. Parts share all arrays.
#pragma once
#include "moves/exchange.cuh"
#include "moves/grouped.cuh"
#include "moves/lane.cuh"
#include "moves/window.cuh"
#if GQ_BLOCKS
#include "cpu/blocks.cuh"
#endif
namespace gq {

GQ key seed_of(const Ensemble& e) { return {e.seed_low, e.seed_high}; }
GQ int warps(const Ensemble& e) { return (e.chains + 31) >> 5; }
GQ int first_of(const Ensemble& e, int warp) { return e.first_chain + 32 * warp; }
GQ int chains_of(const Ensemble& e, int warp) { return 32 * warp + 32 <= e.chains ? 32 : e.chains & 31; }
GQ unsigned lower_bits(int count) { return count == 32 ? ~0u : (1u << count) - 1u; }

GQ Matrix matrix_of(const Ensemble& e, const void* weights, int words) { return {weights, 32 * words, e.weight_bytes}; }

// WINDOW: chain `c` is better than its best so far.
GQ void keep_best(Ensemble& e, int c, int words, const uint32_t* spins, int64_t energy) {
    each(words, [&](int k) { e.best_spins[int64_t(c) * words + k] = spins[k]; });
    each(1, [&](int) { lower(&e.lowest, e.best_energy[c] = energy); });
}

// Sweep `sweep` of every chain that is this warp's, and the best of each kept. Warps take groups of chains in turn.
template <int WORDS>
GQ void sweep_windows(Ensemble& e, int sweep, const void* weights) {
    const int words = WORDS ? WORDS : window_words(e.problem);
    const int end = e.first_chain + e.chains, group = window_group(words);
#if GQ_BLOCKS
    if (e.chains >= fewest_chains) {
        e.flips += sweep_blocks(e, sweep, static_cast<const int32_t*>(weights), seed_of(e));
        for (int c = e.first_chain; c < end; ++c)
            if (e.energy[c] < e.best_energy[c]) keep_best(e, c, words, e.spins + int64_t(c) * words, e.energy[c]);
        return;
    }
#endif
    const Matrix matrix = matrix_of(e, weights, words);
    int64_t flips = 0;
    vu draws[4];
    for (int c = e.first_chain + group * team_rank(), i = 0; c < end; ++c) {
        uint32_t* const spins = e.spins + int64_t(c) * words;
        const float temperature = e.rungs ? e.chain_temperature[c] : e.temperature[sweep];
        int64_t energy = e.energy[c];
        flips += window_sweep<WORDS>(e.problem.n, matrix, e.gains + int64_t(c) * words * 32, spins, temperature,
                                     unsigned(c), unsigned(sweep), seed_of(e), words * i, draws, energy);
        put(&e.energy[c], energy);
        if (energy < e.best_energy[c]) keep_best(e, c, words, spins, energy);
        if (++i == group) {
            i = 0;
            c += group * (team_size() - 1);
        }
    }
    each(1, [&](int) { add(&e.flips, flips); });
}

// The same for a move that draws for 32 chains side by side and then walks them one by one: move(words, first, count)
// makes it for chains first, first + team_size(), ... and returns the number of flips.
template <class F>
GQ void each_warp_of_windows(Ensemble& e, F move) {
    const int words = window_words(e.problem), end = e.first_chain + e.chains, step = team_size();
    int64_t flips = 0;
    for (int first = e.first_chain + team_rank(); first < end; first += 32 * step) {
        const int count = population(ballot(splat(end) > as_int(lane()) * step + first));
        flips += move(words, first, count);
        for (int l = 0; l < count; ++l) {
            const int c = first + l * step;
            const int64_t energy = e.energy[c];
            if (energy < e.best_energy[c]) keep_best(e, c, words, e.spins + int64_t(c) * words, energy);
        }
    }
    each(1, [&](int) { add(&e.flips, flips); });
}

// The bits of an ensemble's first chains on, where a lane is a chain.
GQ uint32_t* own_spins(const Ensemble& e) { return e.spins + int64_t(e.first_chain >> 5) * e.problem.n; }

// A copy, because what the loops write could change the original, for all they know. Its sums are those of warp `w`.
GQ Problem of_warp(const Ensemble& e, int w) {
    Problem problem = e.problem;
    problem.sums += int64_t(first_of(e, w) >> 5) * problem.groups * 32;
    return problem;
}

// A sweep of this warp's share of the chains, 32 at a time: move(problem, spins, w) makes it for the chains from
// first_of(e, w) on, keeps their energies, and returns the number of flips. The best of each is kept.
template <class F>
GQ void each_warp_of_lanes(Ensemble& e, F move) {
    const int n = e.problem.n;
    int64_t flips = 0;
    for (int w = team_rank(); w < warps(e); w += team_size()) {
        const int c = first_of(e, w);
        uint32_t *const spins = e.spins + int64_t(c >> 5) * n, *const best = e.best_spins + int64_t(c >> 5) * n;
        flips += move(of_warp(e, w), spins, w);
        const unsigned better = vote(chains_of(e, w), [&](int l) {
            const int64_t energy = e.energy[c + l];
            if (energy >= e.best_energy[c + l]) return false;
            lower(&e.lowest, e.best_energy[c + l] = energy);
            return true;
        });
        if (better) each(n, [&](int v) { best[v] = (best[v] & ~better) | (spins[v] & better); });
    }
    each(1, [&](int) { add(&e.flips, flips); });
}

GQ void sweep_grouped(Ensemble& e, int sweep) {
    each_warp_of_lanes(e, [&](const Problem& problem, uint32_t* spins, int w) {
        const int c = first_of(e, w);
        const vf temperature = e.rungs ? load(e.chain_temperature + c) : splat(float(e.temperature[sweep]));
        return grouped_sweep(problem, spins, temperature, unsigned(c), lower_bits(chains_of(e, w)), unsigned(sweep),
                             seed_of(e), e.energy + c);
    });
}

// METROPOLIS. `spins`: those of `e` from its first chain on, or for WORDS > 1 a copy, words of WORDS groups of 32 chains
// side by side.
template <int STRATEGY, int WORDS>
GQ void sweep_lanes(Ensemble& e, int sweep, const Problem& problem, uint32_t* spins) {
    if constexpr (STRATEGY == LANE_GROUPED) return sweep_grouped(e, sweep);
    const int n = problem.n;
    for (int w = WORDS * team_rank(); w < warps(e); w += WORDS * team_size()) {
        uint32_t* const own = spins + int64_t(w) * n;
        LaneChains chains[WORDS];
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) {
            const bool any = w + k < warps(e);
            const int c = first_of(e, w + k);
            chains[k] = {splat(0.0f), lane() + unsigned(c), any ? e.energy + c : nullptr, splat(0)};
            if (e.rungs == 0) {
                chains[k].temperature = splat(float(e.temperature[sweep]));
            } else if (any) {
                chains[k].temperature = load(e.chain_temperature + c);
            }
        }
        lane_sweep<STRATEGY, WORDS>(problem, own, chains, unsigned(sweep), seed_of(e));
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) {
            if (w + k >= warps(e)) break;
            const int c = first_of(e, w + k);
            uint32_t* const best = e.best_spins + int64_t(c >> 5) * n;
            const unsigned better = vote(chains_of(e, w + k), [&](int l) {
                add(&e.flips, mine(chains[k].flips, l));
                const int64_t energy = e.energy[c + l];
                if (energy >= e.best_energy[c + l]) return false;
                lower(&e.lowest, e.best_energy[c + l] = energy);
                return true;
            });
            if (better) each(n, [&](int v) { best[v] = (best[v] & ~better) | (own[WORDS * v + k] & better); });
        }
    }
}

// Up to `sweeps` sweeps; all(t) makes sweep t of every chain, and then after(t) is called. All warps of a team call it
// together, and meet before and after each of the two.
template <class F, class G>
GQ void advance_by(Ensemble& e, int sweeps, F all, G after) {
    int sweep = e.sweep;
    const int end = sweeps < e.sweeps - sweep ? sweep + sweeps : e.sweeps;
    int64_t lowest = e.lowest;
    team_sync();
    while (sweep < end && lowest > e.goal) {
        all(sweep);
        ++sweep;
        team_sync();
        const int64_t found = e.lowest;
        if (team_rank() == 0 && found < lowest) put(&e.reached, sweep);
        after(sweep - 1);
        lowest = found;
        team_sync();
    }
    if (team_rank() == 0) put(&e.sweep, sweep);
    team_sync();
}

GQ void exchange_rungs(Ensemble& e, int sweep) {
    if (team_rank() != 0 || !e.rungs) return;
    exchange(e, unsigned(sweep), seed_of(e));
    if (e.option[3]) count_flow(e);
}

// METROPOLIS. option: three of 0, and whether the flow of the replicas is counted. `problem` and, for LANE, `spins`:
// those of `e`, or nearer copies of them. WORDS: see Gains, and LaneWalk.
template <int STRATEGY, int WORDS>
GQ void advance(Ensemble& e, int sweeps, const Problem problem, uint32_t* const spins) {
    const auto all = [&](int sweep) {
        if constexpr (STRATEGY == WINDOW) {
            sweep_windows<WORDS>(e, sweep, problem.weights);
        } else {
            sweep_lanes<STRATEGY, WORDS>(e, sweep, problem, spins);
        }
    };
    advance_by(e, sweeps, all, [&](int sweep) { exchange_rungs(e, sweep); });
}

// First states of a warp's chains: the bits of `initial`, laid out as the spins, or INIT words, block of 128 variables
// at position. Then each set bit is flipped in, from the state of all bits 0.
GQ unsigned last_bits(const Problem& p, int word) {
    return lower_bits(word + 1 < window_words(p) || !(p.n & 31) ? 32 : p.n & 31);
}

GQ void start_windows(Ensemble& e, int warp, const uint32_t* initial) {
    const int words = window_words(e.problem);
    const Matrix matrix = matrix_of(e, e.problem.weights, words);
    vu random[4];
    for (int k = 0; k < words; ++k) {
        if ((k & 3) == 0)
            philox(splat(unsigned(k >> 2)), splat(0u), lane() + unsigned(first_of(e, warp)), splat(unsigned(INIT)),
                   seed_of(e), random);
        for (int l = 0; l < chains_of(e, warp); ++l) {
            const int64_t chain = first_of(e, warp) + l;
            Gains<0> gains(e.gains + chain * words * 32, words);
            if (k == 0)
                for (int j = 0; j < words; ++j) store(gains.memory + 32 * j, load(e.problem.base + 32 * j));
            const unsigned set =
                (initial ? initial[chain * words + k] : bcast(pick(random, k & 3), l)) & last_bits(e.problem, k);
            int64_t energy = e.energy[chain];
            for (unsigned bits = set; bits; bits &= bits - 1) {
                energy += bcast(gains.get(k), first(bits));
                matrix.row(32 * k + first(bits), [&](const auto* row) { gains.flip(row, uniform(false), -1); });
            }
            put(&e.energy[chain], energy);
            put(&e.spins[chain * words + k], set);
            put(&e.best_spins[chain * words + k], set);
        }
    }
}

template <int STRATEGY>
GQ void start_lanes(Ensemble& e, int warp, const uint32_t* initial) {
    const Problem problem = of_warp(e, warp);
    const int n = problem.n, c = first_of(e, warp);
    const unsigned valid = lower_bits(chains_of(e, warp));
    uint32_t *const spins = e.spins + int64_t(c >> 5) * n, *const best = e.best_spins + int64_t(c >> 5) * n;
    each(n, [&](int v) { spins[v] = 0; });
    lane_recount<STRATEGY>(problem, spins);
    vu random[4];
    for (int v = 0; v < n; ++v) {
        if ((v & 127) == 0)
            philox(splat(unsigned(v >> 7)), splat(0u), lane() + unsigned(c), splat(unsigned(INIT)), seed_of(e), random);
        const unsigned drawn = ballot(((pick(random, (v >> 5) & 3) >> (v & 31)) & 1u) == 1u);
        const unsigned set = (initial ? initial[int64_t(c >> 5) * n + v] : drawn) & valid;
        add_each(e.energy + c, keep(spread(set), lane_gain<STRATEGY>(problem, v, spins)));
        lane_flip<STRATEGY>(problem, v, spins, set);
        put(&best[v], set);
    }
}

template <int STRATEGY>
GQ void start(Ensemble& e, const uint32_t* initial) {
    for (int w = team_rank(); w < warps(e); w += team_size()) {
        const int begin = first_of(e, w);
        each(chains_of(e, w), [&](int l) { e.energy[begin + l] = e.problem.zero_energy; });
        if constexpr (STRATEGY == WINDOW) {
            start_windows(e, w, initial);
        } else {
            start_lanes<STRATEGY>(e, w, initial);
        }
        each(chains_of(e, w), [&](int l) { lower(&e.lowest, e.best_energy[begin + l] = e.energy[begin + l]); });
    }
    const int end = e.first_chain + e.chains;
    for (int hottest = e.rungs ? e.first_chain + team_rank() * e.rungs : end; hottest < end;
         hottest += team_size() * e.rungs)
        each(e.rungs, [&](int r) {
            e.chain_at[hottest + r] = hottest + r;
            e.chain_temperature[hottest + r] = e.temperature[r];
        });
    team_sync();
}

}  // namespace gq
