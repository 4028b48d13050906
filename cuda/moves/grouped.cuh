// grouped.cuh: LANE_GROUPED: squared sums of any length beside terms of any degree, lane = chain, energies of 64 bits.
//
// A group is C L^2 with L = L_0 + sum of a_k b_k. Each chain keeps the L of each group, so that an attempt costs the
// entries and the groups of its variable, and no square is ever written out: where bit i flips, with s = 1 - 2 b_i,
// L becomes L + s a, and the energy changes by s C a (2 L + s a).
#pragma once
#include "lane.cuh"
namespace gq {

template <>
GQ_MEMBER auto lane_gain<LANE_GROUPED>(const Problem& p, int variable, const uint32_t* spins) {
    vl gain = splat(int64_t(p.wide_base[variable]));
    int entry = first_entry(p, variable), member = first_member(p, entry);
    GQ_ROLLED for (; entry < p.ends[variable]; ++entry) {
        unsigned word = p.parity ? 0u : ~0u;
        GQ_ROLLED for (; member < first_member(p, entry + 1); ++member) word =
            p.parity ? word ^ spins[p.members[member]] : word & spins[p.members[member]];
        gain = gain + keep(spread(word), splat(int64_t(p.wide_weights[entry])));
    }
    const vb set = spread(spins[variable]);
    GQ_ROLLED for (int k = p.group_offsets[variable]; k < p.group_offsets[variable + 1]; ++k) {
        const vi sum = load(p.sums + int64_t(p.group[k]) * 32);
        gain = gain + times(sum + sum + negate_if(set, splat(int(p.slope[k]))), p.factor[k]);
    }
    return gain;
}

// `before`: the variable's bits until now, in the sums.
GQ void add_slopes(const Problem& p, int variable, unsigned before, unsigned hit) {
    GQ_ROLLED for (int k = p.group_offsets[variable]; k < p.group_offsets[variable + 1]; ++k) {
        int32_t* const sum = p.sums + int64_t(p.group[k]) * 32;
        store(sum, load(sum) + keep(spread(hit), negate_if(spread(before), splat(int(p.slope[k])))));
    }
}

template <>
GQ_MEMBER void lane_flip<LANE_GROUPED>(const Problem& p, int variable, uint32_t* spins, unsigned hit) {
    const unsigned before = spins[variable];
    if (hit) add_slopes(p, variable, before, hit);
    put(&spins[variable], before ^ hit);
}

template <>
GQ_MEMBER void lane_recount<LANE_GROUPED>(const Problem& p, const uint32_t* spins) {
    for (int g = 0; g < p.groups; ++g) store(p.sums + int64_t(g) * 32, splat(int(p.zero_sums[g])));
    for (int v = 0; v < p.n; ++v)
        if (spins[v]) add_slopes(p, v, 0u, spins[v]);
}

// As lane_sweep. `energy`: 32 elements, one a chain. Returns the number of accepted flips.
GQ int64_t grouped_sweep(const Problem& p, uint32_t* spins, const vf& temperature, unsigned first_chain, unsigned valid,
                         unsigned sweep, key seed, int64_t* energy) {
    int64_t flips = 0;
    vl change = splat(int64_t(0));
    vu word[4];
    GQ_ROLLED for (int v = 0; v < p.n; ++v) {
        if ((v & 3) == 0)
            philox(splat(unsigned(v >> 2)), splat(sweep), lane() + first_chain, splat(unsigned(FLIP)), seed, word);
        const vu r = pick(word, v & 3);
        const vl rise = negate_if(spread(spins[v]), lane_gain<LANE_GROUPED>(p, v, spins));
        const unsigned hit = accepted(rise, wide_threshold(r, temperature), tails(r)) & valid;
        lane_flip<LANE_GROUPED>(p, v, spins, hit);
        change = change + keep(spread(hit), rise);
        flips += population(hit);
    }
    add_each(energy, change);
    return flips;
}

}  // namespace gq
