// lane.cuh: sparse and k-local Metropolis, lane = chain: 32 chains meet the same variable at the same time.
//
// A variable's bits in 32 chains are one word, so the parity or the product of an entry's members costs one scalar
// operation a member for all 32 chains. Gains are computed afresh: nothing but bits is stored, any degree works.
// A warp walks WORDS times 32 chains at once, a variable's words side by side: entries are read once for them all.
// Lanes past the last chain walk too, and nobody looks at them.
#pragma once
#include "../layouts.cuh"
#include "../numeric.cuh"
#include "../streams.cuh"
namespace gq {

// Gains of variables 0, 1, 2, ... in turn: a variable's entries, and an entry's members, begin where the last ones end.
template <int STRATEGY, int WORDS>
struct LaneWalk {
    const Problem& p;
    const uint32_t* spins;
    const int32_t* entry = static_cast<const int32_t*>(p.weights);
    const int32_t* member = p.members;
    int done = 0;  // entries

    // `base`, `end`: of the variable.
    GQ_MEMBER void next(int base, int end, vi (&gain)[WORDS]) {
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) gain[k] = splat(base);
        if constexpr (STRATEGY == LANE_NEIGHBOUR) {
            GQ_ROLLED do {
                int e[4];
                load_few<4>(entry, e);
                entry += 4;
                add(e[0], spins + WORDS * e[1], gain);
                add(e[2], spins + WORDS * e[3], gain);
                done += 2;
            }
            while (done < end);
        } else {
            GQ_ROLLED for (; done < end; ++done) {
                int e[2];
                load_few<2>(entry, e);
                entry += 2;
                uint32_t word[WORDS];
                GQ_UNROLL for (int k = 0; k < WORDS; ++k) word[k] = STRATEGY == LANE_PRODUCT ? ~0u : 0u;
                for (const auto* const last = p.members + e[1]; member < last; ++member) {
                    uint32_t bits[WORDS];
                    load_few<WORDS>(spins + WORDS * *member, bits);
                    GQ_UNROLL for (int k = 0; k < WORDS; ++k) word[k] =
                        STRATEGY == LANE_PRODUCT ? word[k] & bits[k] : word[k] ^ bits[k];
                }
                add(e[0], word, gain);
            }
        }
    }
    GQ_MEMBER void add(int weight, const uint32_t* words, vi (&gain)[WORDS]) {
        uint32_t word[WORDS];
        load_few<WORDS>(words, word);
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) gain[k] = add_if(gain[k], spread(word[k]), splat(weight));
    }
};

// Where a variable's entries begin, and where an entry's members do.
GQ int first_entry(const Problem& p, int variable) { return variable ? p.ends[variable - 1] : 0; }
GQ int first_member(const Problem& p, int entry) {
    return entry ? static_cast<const int32_t*>(p.weights)[2 * entry - 1] : 0;
}

// The gain of any variable.
template <int STRATEGY>
GQ auto lane_gain(const Problem& p, int variable, const uint32_t* spins) {
    const int begin = first_entry(p, variable);
    const auto* member = STRATEGY == LANE_NEIGHBOUR ? p.members : p.members + first_member(p, begin);
    LaneWalk<STRATEGY, 1> walk = {p, spins, static_cast<const int32_t*>(p.weights) + 2 * begin, member, begin};
    vi gain[1];
    walk.next(p.base[variable], p.ends[variable], gain);
    return gain[0];
}

// Flips a variable in the chains of `hit`.
template <int STRATEGY>
GQ void lane_flip(const Problem&, int variable, uint32_t* spins, unsigned hit) {
    put(&spins[variable], spins[variable] ^ hit);
}

// To be called where bits were written otherwise.
template <int STRATEGY>
GQ void lane_recount(const Problem&, const uint32_t*) {}

// What 32 chains bring to a sweep, and what it changes of them.
struct LaneChains {
    vf temperature;
    vu chain;
    int64_t* energy;  // 32 elements, one a chain, or null where there is no chain
    vi flips;         // each chain's accepted ones
};

// Variable v draws word v & 3 at position v >> 2.
template <int STRATEGY, int WORDS>
GQ void lane_sweep(const Problem& p, uint32_t* spins, LaneChains (&chains)[WORDS], unsigned sweep, key seed) {
    LaneWalk<STRATEGY, WORDS> walk = {p, spins};
    const RoundKeys keys(seed);
    vu random[WORDS][4];
    vi change[WORDS];  // of eight variables: 8 rises below 2^28 fit in 32 bits
    const auto draw = [&](int v) {
        GQ_UNROLL for (int k = 0; k < WORDS; ++k)
            philox(splat(unsigned(v >> 2)), splat(sweep), chains[k].chain, splat(unsigned(FLIP)), keys, random[k]);
    };
    const auto visit = [&](int v, int base, int end, int turn) {
        vi gain[WORDS];
        uint32_t set[WORDS];
        walk.next(base, end, gain);
        load_few<WORDS>(spins + WORDS * v, set);
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) {
            const vu& r = pick(random[k], turn);
            const vi rise = negate_if(spread(set[k]), gain[k]);
            const vb lost = rejected(rise, threshold(r, chains[k].temperature), r);
            set[k] ^= ballot(!lost);
            change[k] = add_if(change[k], !lost, rise);
            chains[k].flips = add_if(chains[k].flips, !lost, splat(1));
        }
        put_few<WORDS>(spins + WORDS * v, set);
    };
    const auto begin = [&] { GQ_UNROLL for (int k = 0; k < WORDS; ++k) change[k] = splat(0); };
    const auto close = [&] {
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) if (chains[k].energy) add_each(chains[k].energy, change[k]);
    };
    int v = 0;
    for (; v + 8 <= p.n; v += 8) {
        int base[8], end[8];
        load_few<4>(p.base + v, base);
        load_few<4>(p.base + v + 4, base + 4);
        load_few<4>(p.ends + v, end);
        load_few<4>(p.ends + v + 4, end + 4);
        begin();
        GQ_UNROLL for (int i = 0; i < 8; ++i) {
            if ((i & 3) == 0) draw(v + i);
            visit(v + i, base[i], end[i], i & 3);
        }
        close();
    }
    begin();
    for (; v < p.n; ++v) {
        if ((v & 3) == 0) draw(v);
        visit(v, p.base[v], p.ends[v], v & 3);
    }
    close();
}

}  // namespace gq
