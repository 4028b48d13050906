// walk.cuh: WALK, substochastic Monte Carlo: a population is reweighted by its energies and then walks at random,
// without ever asking for them (Jarret, Jordan, Lackey, Phys. Rev. A 94, 042318, 2016).
//
// option: steps at a time. table: for each sweep the chance of a step times 2^24, then for each sweep beta, by which a
// population is reweighted: exp(-beta (E_i - lowest) / (highest - lowest)).
// log: resample.cuh, one record, of the last reweighting.
#pragma once
#include "../ensemble.cuh"
#include "resample.cuh"
namespace gq {

// Up to `steps` flips of each of 32 chains, each of a variable of its own. Step s takes the call at position s of its
// chain: word 0 says whether, word 1 which, floor(word x n / 2^32).
template <int STRATEGY>
GQ int64_t walk(const Problem& p, uint32_t* spins, int steps, float chance, unsigned first_chain, unsigned valid,
                unsigned sweep, key seed, int64_t* energy) {
    int64_t flips = 0;
    for (int s = 0; s < steps; ++s) {
        vu word[4];
        philox(splat(unsigned(s)), splat(sweep), lane() + first_chain, splat(unsigned(STEP)), seed, word);
        in_pieces(word, [&](auto& piece) {
            auto high = piece[1], low = piece[1];
            mul_wide(unsigned(p.n), piece[1], high, low);
            piece[1] = high;
        });
        unsigned going = ballot(splat(chance) > to_float(as_int(word[0] >> 8))) & valid;
        flips += population(going);
        for (; going; going &= going - 1) {
            const int v = int(bcast(word[1], first(going)));
            const unsigned chain = going & -going, set = spins[v];
            add_each(energy, keep(spread(chain), negate_if(spread(set), lane_gain<STRATEGY>(p, v, spins))));
            lane_flip<STRATEGY>(p, v, spins, chain);
        }
    }
    return flips;
}

template <int STRATEGY>
GQ void advance_walk(Ensemble& e, int sweeps) {
    if (e.sweep == 0) found(e);
    const auto all = [&](int sweep) {
        resample<STRATEGY>(e, record(e, 0), sweep, [&] {
            const float range = rounded(energy_range(e.energy, e.chains, record(e, 0)));
            return range > 0.0f ? e.table[e.sweeps + sweep] * bcast(reciprocal(splat(range)), 0) : 0.0f;
        });
        each_warp_of_lanes(e, [&](const Problem& problem, uint32_t* spins, int w) {
            return walk<STRATEGY>(problem, spins, e.option[0], e.table[sweep], 32u * w, lower_bits(chains_of(e, w)),
                                  unsigned(sweep), seed_of(e), e.energy + 32 * w);
        });
    };
    advance_by(e, sweeps, all, [](int) {});
}

}  // namespace gq
