// exhaustive.cuh: every configuration, each once, lane = chain.
//
// option: {fixed, block, listed}. There are 2^fixed chains: chain c holds the last `fixed` variables at the bits of c
// and has the other n - fixed count from 0 in Gray code (Knuth, TAOCP 4A, 7.2.1.1): step t flips variable ctz(t), the
// same in all lanes, and leaves the state t ^ (t >> 1). A sweep is 2^block of these states, block <= 5.
// Where opposite states cost the same, the first half of the chains is all there are: the last variable stays at 0.
// The best is asked at every step. With `listed` > 0 a chain also counts the states of its lowest energy, and lists the
// first `listed` of them: log[c] is the count, log[chains + c listed + i] the state of the free variables.
// memory: 32 words a warp, room to bring 64-bit energies to lanes as 32 bits; LANE_GROUPED, of 64 bits, needs none.
#pragma once
#include "../ensemble.cuh"
namespace gq {

constexpr int most_rise = 5 << 28;  // states of one sweep differ in 5 variables at most, and gains are below 2^28

// How far the best of a warp's chains is above the present state: exactly, or where the sweep can't come to.
template <int STRATEGY>
GQ auto lead(const Ensemble& e, int w) {
    const int64_t *const energy = e.energy + 32 * w, *const best = e.best_energy + 32 * w;
    if constexpr (STRATEGY == LANE_GROUPED) {
        return load(best) - load(energy);
    } else {
        int32_t* const room = e.memory + 32 * w;
        each(32, [&](int l) {
            const int64_t exact = best[l] - energy[l];
            room[l] = int32_t(exact > most_rise ? most_rise : exact < -most_rise ? -most_rise : exact);
        });
        return load(room);
    }
}

// The state all 0, but for the fixed variables.
template <int STRATEGY>
GQ void start_exhaustive(Ensemble& e, const Problem& p, uint32_t* spins, int w) {
    const int free = p.n - e.option[0];
    each(32, [&](int l) { e.energy[32 * w + l] = p.zero_energy; });
    each(p.n, [&](int v) { spins[v] = 0; });
    lane_recount<STRATEGY>(p, spins);
    for (int v = free; v < p.n; ++v) {
        const unsigned set = ballot((((lane() + 32u * w) >> (v - free)) & 1u) == 1u);
        add_each(e.energy + 32 * w, keep(spread(set), lane_gain<STRATEGY>(p, v, spins)));
        lane_flip<STRATEGY>(p, v, spins, set);
    }
}

// Flips a variable in all lanes; returns the rise.
template <int STRATEGY>
GQ auto flip_everywhere(const Problem& p, uint32_t* spins, int variable) {
    const auto rise = negate_if(spread(spins[variable]), lane_gain<STRATEGY>(p, variable, spins));
    lane_flip<STRATEGY>(p, variable, spins, ~0u);
    return rise;
}

// A state with an energy as low as any of its chain, `lower` where it is the first of that energy.
GQ void list_state(Ensemble& e, int w, unsigned as_low, unsigned lower, unsigned state) {
    const int listed = e.option[2];
    vote(32, [&](int l) {
        if (!((as_low >> l) & 1u)) return false;
        const int c = 32 * w + l;
        const int64_t before = (lower >> l) & 1u ? 0 : e.log[c];
        if (before < listed) e.log[e.chains + int64_t(c) * listed + before] = state;
        e.log[c] = before + 1;
        return true;
    });
}

template <int STRATEGY>
GQ void sweep_exhaustive(Ensemble& e, int sweep) {
    each_warp_of_lanes(e, [&](const Problem& p, uint32_t* spins, int w) {
        const int block = e.option[1];
        const bool lists = e.option[2] > 0;
        const unsigned valid = lower_bits(chains_of(e, w)), begin = unsigned(sweep) << block;
        int64_t *const energy = e.energy + 32 * w, *const best_energy = e.best_energy + 32 * w;
        uint32_t* const best = e.best_spins + int64_t(w) * p.n;
        if (sweep == 0) {
            start_exhaustive<STRATEGY>(e, p, spins, w);
        } else {
            add_each(energy, flip_everywhere<STRATEGY>(p, spins, block + first(unsigned(sweep))));
        }
        auto lowest = lead<STRATEGY>(e, w), rise = lowest - lowest;  // both from the sweep's first state
        unsigned improved = 0;
        for (unsigned step = 0;; ++step) {
            const unsigned lower = ballot(lowest > rise) & valid;
            const unsigned as_low = lists ? lower | (ballot(lowest == rise) & valid) : lower;
            if (lower) {
                improved |= lower;
                lowest = keep(spread(lower), rise) + keep(spread(~lower), lowest);
                each(p.n, [&](int v) { best[v] = (best[v] & ~lower) | (spins[v] & lower); });
            }
            if (lists && as_low) list_state(e, w, as_low, lower, (begin + step) ^ ((begin + step) >> 1));
            if (step + 1 == 1u << block) break;
            rise = rise + flip_everywhere<STRATEGY>(p, spins, first(step + 1));
        }
        vote(32, [&](int l) {
            if (!((improved >> l) & 1u)) return false;
            gq::lower(&e.lowest, best_energy[l] = energy[l] + mine(lowest, l));
            return true;
        });
        add_each(energy, rise);
        return int64_t(population(valid)) * ((1 << block) - (sweep == 0));
    });
}

// EXHAUSTIVE.
template <int STRATEGY>
GQ void advance_exhaustive(Ensemble& e, int sweeps) {
    advance_by(e, sweeps, [&](int sweep) { sweep_exhaustive<STRATEGY>(e, sweep); }, [](int) {});
}

}  // namespace gq
