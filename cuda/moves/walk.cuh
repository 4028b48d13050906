// walk.cuh: WALK, substochastic Monte Carlo: a population is reweighted by its energies and then walks at random,
// without ever asking for them (Jarret, Jordan, Lackey, Phys. Rev. A 94, 042318, 2016).
//
// A gain is asked once a flip, so none are kept: it is summed up from a row of the matrix, or from a variable's entries.
//
// option: steps at a time. table: for each sweep the chance of a step times 2^24, then for each sweep beta, by which a
// population is reweighted: exp(-beta (E_i - lowest) / (highest - lowest)).
// log: resample.cuh, one record, of the last reweighting.
#pragma once
#include "../ensemble.cuh"
#include "resample.cuh"
namespace gq {

// Step s takes the call at position s of its chain: word 0 says whether, word 1 which, floor(word x n / 2^32). Returns
// which of 32 chains flip a variable, and leaves the variables in word[1].
GQ unsigned step_words(int n, int step, unsigned sweep, const vu& chain, float chance, key seed, vu (&word)[4]) {
    philox(splat(unsigned(step)), splat(sweep), chain, splat(unsigned(STEP)), seed, word);
    in_pieces(word, [&](auto& piece) {
        auto high = piece[1], low = piece[1];
        mul_wide(unsigned(n), piece[1], high, low);
        piece[1] = high;
    });
    return ballot(splat(chance) > to_float(as_int(word[0] >> 8)));
}

// The gain of a variable in chain `l` of 32: there the lanes share its entries.
template <int STRATEGY>
GQ int gain_in(const Problem& p, int variable, const uint32_t* spins, int l) {
    const auto* entries = static_cast<const int32_t*>(p.weights);
    const int begin = first_entry(p, variable);
    const auto share = [&](int i) {
        const int weight = entries[2 * (begin + i)], last = entries[2 * (begin + i) + 1];
        unsigned word = STRATEGY == LANE_PRODUCT ? ~0u : 0u;
        if constexpr (STRATEGY == LANE_NEIGHBOUR) {
            word = spins[last];
        } else {
            for (int m = first_member(p, begin + i); m < last; ++m)
                word = STRATEGY == LANE_PRODUCT ? word & spins[p.members[m]] : word ^ spins[p.members[m]];
        }
        return weight & -int((word >> l) & 1u);
    };
    return p.base[variable] + sum(p.ends[variable] - begin, share);
}

// Up to `steps` flips of each of 32 chains, each of a variable of its own.
template <int STRATEGY>
GQ int64_t walk(const Problem& p, uint32_t* spins, int steps, float chance, unsigned first_chain, unsigned valid,
                unsigned sweep, key seed, int64_t* energy) {
    int64_t flips = 0;
    for (int s = 0; s < steps; ++s) {
        vu word[4];
        unsigned going = step_words(p.n, s, sweep, lane() + first_chain, chance, seed, word) & valid;
        flips += population(going);
        for (; going; going &= going - 1) {
            const int l = first(going), v = int(bcast(word[1], l));
            const unsigned chain = going & -going, set = spins[v];
            if constexpr (STRATEGY == LANE_GROUPED) {
                add_each(energy, keep(spread(chain), negate_if(spread(set), lane_gain<STRATEGY>(p, v, spins))));
                lane_flip<STRATEGY>(p, v, spins, chain);
            } else {
                const int gain = gain_in<STRATEGY>(p, v, spins, l);
                put(&energy[l], energy[l] + (set & chain ? -gain : gain));
                put(&spins[v], set ^ chain);
            }
        }
    }
    return flips;
}

// WINDOW: the same for `count` chains of this warp.
GQ int64_t walk_windows(Ensemble& e, int words, int first, int count, int sweep) {
    const Matrix matrix = matrix_of(e, e.problem.weights, words);
    const vu chain = lane() * unsigned(team_size()) + unsigned(first);
    int64_t flips = 0;
    for (int s = 0; s < e.option[0]; ++s) {
        vu word[4];
        unsigned going = step_words(e.problem.n, s, unsigned(sweep), chain, e.table[sweep], seed_of(e), word);
        going &= lower_bits(count);
        flips += population(going);
        for (; going; going &= going - 1) {
            const int l = gq::first(going), c = first + l * team_size(), v = int(bcast(word[1], l));
            uint32_t* const spins = e.spins + int64_t(c) * words;
            vi gain = splat(0);
            matrix.row(v, [&](const auto* row) {
                for (int k = 0; k < words; ++k) gain = add_if(gain, spread(spins[k]), load_int(row + 32 * k));
            });
            const unsigned set = spins[v >> 5], bit = 1u << (v & 31);
            const int total = e.problem.base[v] + sum(gain);
            put(&e.energy[c], e.energy[c] + (set & bit ? -total : total));
            put(&spins[v >> 5], set ^ bit);
        }
    }
    return flips;
}

template <int STRATEGY>
GQ void advance_walk(Ensemble& e, int sweeps) {
    if (e.sweep == 0) found(e);
    const auto all = [&](int sweep) {
        resample<STRATEGY, false>(e, record(e, 0), sweep, [&] {
            const float range = rounded(energy_range(e.energy, e.chains, record(e, 0)));
            return range > 0.0f ? e.table[e.sweeps + sweep] * bcast(reciprocal(splat(range)), 0) : 0.0f;
        });
        if constexpr (STRATEGY == WINDOW) {
            each_warp_of_windows(
                e, [&](int words, int first, int count) { return walk_windows(e, words, first, count, sweep); });
        } else {
            each_warp_of_lanes(e, [&](const Problem& problem, uint32_t* spins, int w) {
                return walk<STRATEGY>(problem, spins, e.option[0], e.table[sweep], 32u * w, lower_bits(chains_of(e, w)),
                                      unsigned(sweep), seed_of(e), e.energy + 32 * w);
            });
        }
    };
    advance_by(e, sweeps, all, [](int) {});
}

}  // namespace gq
