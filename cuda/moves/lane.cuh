// lane.cuh: sparse and k-local Metropolis, lane = chain: 32 chains meet the same variable at the same time.
//
// A variable's bits in 32 chains are one word, so the parity or the product of an entry's members costs one scalar
// operation a member for all 32 chains. Gains are computed afresh: nothing but bits is stored, any degree works.
#pragma once
#include "../layouts.cuh"
#include "../numeric.cuh"
#include "../streams.cuh"
namespace gq {

template <int STRATEGY>
GQ auto lane_gain(const Problem& p, int variable, const uint32_t* spins) {
    const auto* weights = static_cast<const int32_t*>(p.weights);
    vi gain = splat(int(p.base[variable]));
    GQ_ROLLED for (int entry = p.offsets[variable]; entry < p.offsets[variable + 1]; ++entry) {
        unsigned word;
        if constexpr (STRATEGY == LANE_NEIGHBOUR) {
            word = spins[p.members[entry]];
        } else {
            word = STRATEGY == LANE_PRODUCT ? ~0u : 0u;
            for (int m = p.member_offsets[entry]; m < p.member_offsets[entry + 1]; ++m)
                word = STRATEGY == LANE_PRODUCT ? word & spins[p.members[m]] : word ^ spins[p.members[m]];
        }
        gain = gain + keep(spread(word), splat(int(weights[entry])));
    }
    return gain;
}

// Flips a variable in the chains of `hit`.
template <int STRATEGY>
GQ void lane_flip(const Problem&, int variable, uint32_t* spins, unsigned hit) {
    put(&spins[variable], spins[variable] ^ hit);
}

// To be called where bits were written otherwise.
template <int STRATEGY>
GQ void lane_recount(const Problem&, const uint32_t*) {}

// Variable v draws word v & 3 at position v >> 2. `energy`: 32 elements, one a chain. Returns the number of
// accepted flips.
template <int STRATEGY>
GQ int64_t lane_sweep(const Problem& p, uint32_t* spins, const vf& temperature, unsigned first_chain, unsigned valid,
                      unsigned sweep, key seed, int64_t* energy) {
    int64_t flips = 0;
    vu word[4];
    for (int v = 0; v < p.n; v += 8) {
        vi change = splat(0);  // of eight variables: 8 rises below 2^28 fit in 32 bits
        GQ_UNROLL for (int i = 0; i < 8; ++i) {
            const int j = v + i;
            if (j >= p.n) break;
            if ((i & 3) == 0)
                philox(splat(unsigned(j >> 2)), splat(sweep), lane() + first_chain, splat(unsigned(FLIP)), seed, word);
            const vu r = word[i & 3];
            const vi rise = negate_if(spread(spins[j]), lane_gain<STRATEGY>(p, j, spins));
            const unsigned hit = accepted(rise, threshold(r, temperature), tails(r)) & valid;
            put(&spins[j], spins[j] ^ hit);
            change = change + keep(spread(hit), rise);
            flips += population(hit);
        }
        add_each(energy, change);
    }
    return flips;
}

}  // namespace gq
