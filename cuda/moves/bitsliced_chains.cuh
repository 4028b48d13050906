// bitsliced_chains.cuh: an ensemble of bit-sliced chains: first states, sweeps, and the best states they visit.
#pragma once
#include "../ensemble.cuh"
#include "bitsliced.cuh"
namespace gq {

// Where word `first` of these words, counted from the ensemble's first chain, and those after it are.
GQ uint32_t* bitsliced_words(const Ensemble& e, uint32_t* words, int first) {
    return own_words(words, int64_t(8) * e.problem.n, (e.first_chain >> 5) + first);
}

// A sweep of this warp's share of the chains, vw_words words at a time.
template <int DIGITS>
GQ void sweep_bitsliced(Ensemble& e, int sweep) {
    const Problem problem = e.problem;
    const int n = problem.n, unit = problem.unit;
    int64_t flips = 0;
    for (int w = vw_words * team_rank(); w < warps(e); w += vw_words * team_size()) {
        uint32_t *const spins = bitsliced_words(e, e.spins, w), *const best = bitsliced_words(e, e.best_spins, w);
        const WordDraws draws(seed_of(e), unsigned(sweep), word_numbers() + unsigned(first_of(e, w) >> 5));
        const int words = warps(e) - w < vw_words ? warps(e) - w : vw_words;
        vw valid = splat_word(0), better = splat_word(0);
        for (int l = 0; l < words; ++l) set_word(valid, l, lower_bits(chains_of(e, w + l)));
        bitsliced_sweep<DIGITS>(
            problem, spins, valid, e.levels + int64_t(sweep) * 4 * (DIGITS + 1), draws, [&](const auto& tally) {
                for (int l = 0; l < words; ++l) {
                    const vi sum = tally.rise_of(l);
                    add_each(e.energy + first_of(e, w + l), unit & 1 ? times(sum >> 1, unit) : times(sum, unit >> 1));
                    flips += tally.flips_of(l);
                }
            });
        for (int l = 0; l < words; ++l) {
            const int c = first_of(e, w + l);
            set_word(better, l, vote(chains_of(e, w + l), [&](int i) {
                         const int64_t energy = e.energy[c + i];
                         if (energy >= e.best_energy[c + i]) return false;
                         lower(&e.lowest, e.best_energy[c + i] = energy);
                         return true;
                     }));
        }
        if (!any(better)) continue;
        for (int v = 0; v < n; ++v) {
            const vw kept = load_words(best + 8 * v);
            store_words(best + 8 * v, kept ^ ((kept ^ load_words(spins + 8 * v)) & better));
        }
    }
    each(1, [&](int) { add(&e.flips, flips); });
}

template <int DIGITS>
GQ void advance_bitsliced(Ensemble& e, int sweeps) {
    advance_by(e, sweeps, [&](int sweep) { sweep_bitsliced<DIGITS>(e, sweep); }, [](int) {});
}

// First states as those of the other strategies: each set bit is flipped in, from the state of all bits 0.
GQ void start_bitsliced_word(Ensemble& e, int warp, const uint32_t* initial) {
    const Problem p = e.problem;
    const int c = first_of(e, warp), planes = 2 * p.digits + 1;
    const unsigned valid = lower_bits(chains_of(e, warp));
    const int64_t begin = int64_t(c >> 8) * 8 * p.n + ((c >> 5) & 7);
    const int32_t *start = p.base, *entry = static_cast<const int32_t*>(p.weights);
    each(p.n, [&](int v) { e.spins[begin + 8 * v] = 0; });
    vu random[4];
    for (int v = 0, done = 0; v < p.n; ++v, start += 2 * planes + 2) {
        if ((v & 127) == 0)
            philox(splat(unsigned(v >> 7)), splat(0u), lane() + unsigned(c), splat(unsigned(INIT)), seed_of(e), random);
        const unsigned drawn = ballot(((pick(random, (v >> 5) & 3) >> (v & 31)) & 1u) == 1u);
        const unsigned set = (initial ? initial[begin + 8 * v] : drawn) & valid;
        int first = 0;
        for (int j = 0; j < planes; ++j) first |= (start[j] & 1) << j;
        vi falls = splat(first);
        for (int digit = 0; digit < 3; ++digit)
            for (; done < p.ends[3 * v + digit]; ++done, entry += 2)
                falls = add_if(falls, spread(unsigned(entry[0]) ^ e.spins[begin + entry[1]]), splat(1 << digit));
        const int spare = 31 - planes;  // X, doubled
        const vi rise = (as_int(as_unsigned(falls * -1 - 1) << (spare + 1)) >> spare) + (start[2 * planes] & 1);
        add_each(e.energy + c, keep(spread(set), (rise * p.unit) >> 1));
        put(&e.spins[begin + 8 * v], set);
        put(&e.best_spins[begin + 8 * v], set);
    }
}

GQ void start_bitsliced(Ensemble& e, const uint32_t* initial) {
    for (int w = team_rank(); w < warps(e); w += team_size()) {
        const int c = first_of(e, w);
        each(chains_of(e, w), [&](int l) { e.energy[c + l] = e.problem.zero_energy; });
        start_bitsliced_word(e, w, initial);
        each(chains_of(e, w), [&](int l) { lower(&e.lowest, e.best_energy[c + l] = e.energy[c + l]); });
    }
    team_sync();
}

}  // namespace gq
