// resample.cuh: reweighting a population: chain i is replaced by copies of itself in proportion to exp(-x_i).
//
// Systematic resampling to a constant population: with one uniform number for all, chain i has either of the two whole
// numbers of copies next to its expectation (Li, Bolic, Djuric, IEEE Signal Process. Mag. 32(3), 70, 2015; the least
// noise of the schemes that Gessert, Janke, Weigel, Phys. Rev. E 108, 065309, 2023, compare in population annealing).
// Weights are whole numbers and are added up in 64 bits, so the order of addition can't matter; nothing is divided.
#pragma once
#include "../layouts.cuh"
#include "../numeric.cuh"
#include "../streams.cuh"
namespace gq {

// floor(2^26 exp(-x)) for x >= 0, by 2^-y = 2^-floor(y) P(frac(y)), y = x log2(e); P minimax of degree 5.
// Largest relative error before the floor: 1.4e-6 (tests/test_resampling.py).
GQ int64_t boltzmann(float x) {
    const float scaled = x * 0x1.715476p+0f, y = scaled < 31.0f ? scaled : 31.0f;
    const int whole = int(y);
    const float f = y - float(whole);
    float p = f * -0x1.edcd62p-11f + 0x1.2d73aep-7f;
    p = p * f + -0x1.c4f55cp-5f;
    p = p * f + 0x1.ebe2c6p-3f;
    p = p * f + -0x1.62e3b6p-1f;
    p = p * f + 1.0f;
    return int(p * 0x1p26f) >> whole;
}

// What resampling writes down, in e.log: for each chain the chain that its first ancestor was, and for one reweighting
// the sum of the weights and the lowest energy of the population before it.
GQ int64_t* founders(Ensemble& e) { return e.log; }
GQ int64_t* record(Ensemble& e, int which) { return e.log + e.chains + 2 * which; }

// The highest of some energies less the lowest; by one warp, which leaves the lowest in written[0].
GQ int64_t energy_range(const int64_t* energy, int chains, int64_t* written) {
    put(&written[0], energy[0]);
    put(&written[1], -energy[0]);
    each(chains, [&](int c) {
        lower(&written[0], energy[c]);
        lower(&written[1], -energy[c]);
    });
    return -written[1] - written[0];
}

// What it needs meanwhile, in e.memory: with C the chains, up to whole warps, 5 C + 32 words.
struct Lottery {
    int64_t* cumulated;         // C: weights of the chains up to this one
    int32_t* drawn;             // C: weights; then how many of the new population descend from chains up to this one
    int32_t *leaving, *source;  // C each: the k-th chain that has no descendant, and the one whose copy takes its place
    int32_t* deaths;
};
GQ Lottery lottery(Ensemble& e) {
    const int c = (e.chains + 31) & ~31;
    int32_t* const words = e.memory + 2 * c;
    return {reinterpret_cast<int64_t*>(e.memory), words, words + c, words + 2 * c, words + 3 * c};
}

// floor(total part / 2^32) for a total of at most 2^62.
GQ int64_t part_of(int64_t total, uint32_t part) {
    return int64_t((uint64_t(total) >> 32) * part + ((uint64_t(total) & 0xffffffffu) * part >> 32));
}

// Of the points (j total + shift) / chains, j = 0, 1, ..., how many lie below `cumulated`; 64 bits hold the products
// because weights are at most 2^26 and chains 2^18.
GQ int points_below(int64_t cumulated, int64_t total, int64_t shift, int chains) {
    int low = 0, high = chains;
    while (low < high) {
        const int middle = (low + high) >> 1;
        if (middle * total + shift < cumulated * chains) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// Decides who leaves and who takes the place, by one warp. x_i = scale (E_i - lowest).
GQ void draw_lots(Ensemble& e, const Lottery& lot, int64_t* written, float scale, unsigned sweep, key seed) {
    const int chains = e.chains;
    put(&written[1], e.energy[0]);
    each(chains, [&](int c) { lower(&written[1], e.energy[c]); });
    const int64_t lowest = written[1];
    for (int begin = 0; begin < chains; begin += 32) {
        const int count = chains - begin < 32 ? chains - begin : 32;
        const int64_t before = begin ? lot.cumulated[begin - 1] : 0;
        each(count,
             [&](int l) { lot.drawn[begin + l] = int32_t(boltzmann(scale * rounded(e.energy[begin + l] - lowest))); });
        each(count, [&](int l) {
            int64_t sum = before;
            for (int k = 0; k <= l; ++k) sum += lot.drawn[begin + k];
            lot.cumulated[begin + l] = sum;
        });
    }
    const int64_t total = lot.cumulated[chains - 1];
    put(&written[0], total);
    vu word[4];
    philox(splat(0u), splat(sweep), splat(0u), splat(unsigned(RESAMPLE)), seed, word);
    const int64_t shift = part_of(total, bcast(word[0], 0));
    each(chains, [&](int c) { lot.drawn[c] = points_below(lot.cumulated[c], total, shift, chains); });
    // Survivors keep their places. With d chains of those before i gone, their copies fill drawn[i - 1] - i + d places.
    int deaths = 0;
    for (int begin = 0; begin < chains; begin += 32) {
        const int count = chains - begin < 32 ? chains - begin : 32;
        const auto before = [&](int c) { return c ? lot.drawn[c - 1] : 0; };
        const unsigned gone = vote(count, [&](int l) { return lot.drawn[begin + l] == before(begin + l); });
        each(count, [&](int l) {
            const int c = begin + l, rank = deaths + population(gone & ((1u << l) - 1u));
            if ((gone >> l) & 1u) {
                lot.leaving[rank] = c;
            } else {
                const int surplus = lot.drawn[c] - before(c) - 1, place = before(c) - c + rank;
                for (int k = 0; k < surplus; ++k) lot.source[place + k] = c;
            }
        });
        deaths += population(gone);
    }
    put(lot.deaths, deaths);
    each(deaths, [&](int k) {
        e.energy[lot.leaving[k]] = e.energy[lot.source[k]];
        founders(e)[lot.leaving[k]] = founders(e)[lot.source[k]];
    });
}

// Copies the states, and the gains of WINDOW where GAINS are kept. A warp takes whole chains, or, where 32 chains share a word, some variables and some
// groups' sums of all chains: so nobody reads what another writes.
template <int STRATEGY, bool GAINS>
GQ void copy_states(Ensemble& e, const Lottery& lot) {
    const int deaths = *lot.deaths, n = e.problem.n;
    if constexpr (STRATEGY == WINDOW) {
        const int64_t words = (n + 31) >> 5;
        for (int k = team_rank(); k < deaths; k += team_size()) {
            const int64_t to = lot.leaving[k] * words, from = lot.source[k] * words;
            each(int(words), [&](int i) { e.spins[to + i] = e.spins[from + i]; });
            if constexpr (GAINS) each(int(words) * 32, [&](int i) { e.gains[32 * to + i] = e.gains[32 * from + i]; });
        }
    } else {
        for (int v = 32 * team_rank(); v < n; v += 32 * team_size())
            for (int k = 0; k < deaths; ++k) {
                const int to = lot.leaving[k], from = lot.source[k];
                uint32_t* const target = e.spins + int64_t(to >> 5) * n + v;
                const uint32_t* const origin = e.spins + int64_t(from >> 5) * n + v;
                each(n - v < 32 ? n - v : 32, [&](int i) {
                    const unsigned bit = (origin[i] >> (from & 31)) & 1u;
                    target[i] = (target[i] & ~(1u << (to & 31))) | bit << (to & 31);
                });
            }
        const int groups = STRATEGY == LANE_GROUPED ? e.problem.groups : 0;
        for (int g = team_rank(); g < groups; g += team_size())
            each(deaths, [&](int k) {
                const int to = lot.leaving[k], from = lot.source[k];
                int32_t* const sums = e.problem.sums + int64_t(g) * 32;
                sums[int64_t(to >> 5) * groups * 32 + (to & 31)] = sums[int64_t(from >> 5) * groups * 32 + (from & 31)];
            });
    }
}

// Every chain its own founder. All warps call it together, like the next.
GQ void found(Ensemble& e) {
    if (team_rank() == 0) each(e.chains, [&](int c) { founders(e)[c] = c; });
}

// scale(): what the energies above the lowest are multiplied by; asked by one warp.
template <int STRATEGY, bool GAINS, class F>
GQ void resample(Ensemble& e, int64_t* written, int sweep, F scale) {
    const Lottery lot = lottery(e);
    if (team_rank() == 0) draw_lots(e, lot, written, scale(), unsigned(sweep), {e.seed_low, e.seed_high});
    team_sync();
    copy_states<STRATEGY, GAINS>(e, lot);
    team_sync();
}

}  // namespace gq
