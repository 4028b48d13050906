// path.cuh: PATH, path-integral Monte Carlo of the problem in a transverse field, in M slices of imaginary time
// (Suzuki, Prog. Theor. Phys. 56, 1454, 1976). A slice is a chain, and slice 0 comes after slice M - 1 again.
//
// Each variable in turn: neighbouring slices that agree are joined by chance, and each cluster flips as a whole or
// stays, as the problem's energy alone decides: Swendsen and Wang's clusters (Phys. Rev. Lett. 58, 86, 1987) for the
// couplings along imaginary time, Metropolis for the rest.
//
// option: M; words of 32 chains that a path takes, 1 where some share it; lanes used of the last of them; where slice 0
// lies in the first. Other lanes keep their first states. temperature: M times that of the path.
// table: for each sweep 2^24 times the chance that neighbours are joined.
// BOND words: variable v has two at position v >> 1: word 2 (v & 1) accepts the cluster of which this is the first
// slice, the next one joins the slice to the one before.
#pragma once
#include "../ensemble.cuh"
namespace gq {

// A path's words of a variable, and what is known of their lanes meanwhile: in e.memory, 194 int32 each 32 chains.
struct Path {
    int slices, words, used;
    unsigned bottom;   // slice 0's lanes in the first word
    int64_t* rises;    // 32 a word
    uint32_t* draws;   // 128 a word: BOND words of two variables
    uint32_t* joined;  // to the slice before, in the same cluster
    uint32_t* hit;     // flipped

    GQ_MEMBER int last() const { return (slices - 1) & 31; }  // slice M - 1 is so many lanes above slice 0
    GQ_MEMBER unsigned bottom_of(int word) const { return word ? 0u : bottom; }
    // The lane, counted through all words, of the next slice.
    GQ_MEMBER int next(int at) const {
        const bool top = (at >> 5) + 1 == words && ((bottom << last()) >> (at & 31)) & 1u;
        return top ? at + 1 - slices : at + 1;
    }
};

GQ Path path_of(const Ensemble& e, int warp) {
    auto* const rises = reinterpret_cast<int64_t*>(e.memory);
    auto* const draws = reinterpret_cast<uint32_t*>(rises + 32 * int64_t(warps(e)));
    uint32_t* const joined = draws + 128 * int64_t(warps(e));
    return {e.option[0],
            e.option[1],
            e.option[2],
            unsigned(e.option[3]),
            rises + 32 * int64_t(warp),
            draws + 128 * int64_t(warp),
            joined + warp,
            joined + warps(e) + warp};
}

// The lanes of `from`, and all above each that are joined on to it; carry: bit 31 of the word below.
GQ unsigned along(unsigned from, unsigned joined, unsigned carry) {
    const unsigned begin = ((from << 1) | (carry >> 31)) & joined;
    return from | (((begin + joined) ^ joined) & joined);
}

// One sweep of the paths in words warp, warp + 1, ..., path.words in all. Returns the number of flips.
template <int STRATEGY>
GQ int64_t path_sweep(Ensemble& e, const Problem& p, const Path& path, int warp, int sweep) {
    const int last = path.last();
    const auto problem = [&](int word) {
        Problem own = p;
        own.sums += int64_t(word) * p.groups * 32;
        return own;
    };
    const auto spins = [&](int word) { return e.spins + int64_t(first_of(e, warp + word) >> 5) * p.n; };
    const auto valid = [&](int word) {
        return lower_bits(word + 1 == path.words ? path.used : 32) & lower_bits(chains_of(e, warp + word));
    };
    const float temperature = e.temperature[sweep];
    const vi chance = splat(int(e.table[sweep]));
    int64_t flips = 0;
    GQ_ROLLED for (int v = 0; v < p.n; ++v) {
        GQ_ROLLED for (int w = v & 1 ? path.words : 0; w < path.words; ++w) {
            vu word[4];
            philox(splat(unsigned(v >> 1)), splat(unsigned(sweep)), lane() + unsigned(first_of(e, warp + w)),
                   splat(unsigned(BOND)), seed_of(e), word);
            for (int i = 0; i < 4; ++i) store(path.draws + 128 * w + 32 * i, word[i]);
        }
        const uint32_t* const draws = path.draws + 64 * (v & 1);
        // What flipping each slice would change, and which lanes are joined to the one before. Lanes that are joined on
        // to slice 0 are `reached`.
        const unsigned top = spins(path.words - 1)[v];
        unsigned before = 0, reached = 0;
        GQ_ROLLED for (int w = 0; w < path.words; ++w) {
            const unsigned bits = spins(w)[v], bottom = path.bottom_of(w);
            const unsigned neighbour = (((bits << 1) | (before >> 31)) & ~bottom) | ((top >> last) & bottom);
            const vi draw = as_int(load(draws + 128 * w + 32) >> 8);
            const unsigned joined = ~(bits ^ neighbour) & ballot(chance > draw) & valid(w);
            const auto rise = negate_if(spread(bits), lane_gain<STRATEGY>(problem(w), v, spins(w)));
            each(32, [&](int l) { path.rises[32 * w + l] = mine(rise, l); });
            put(&path.joined[w], joined);
            reached = along(bottom, joined & ~bottom, reached);
            before = bits;
        }
        // A ring is opened, so that every cluster has a first slice.
        const unsigned ring = (reached >> last) & path.bottom & path.joined[0];
        if (ring) put(&path.joined[0], path.joined[0] & ~ring);
        // First slices decide. The lanes joined on to them follow; past slice M - 1, when all words are known.
        unsigned hit = 0;
        GQ_ROLLED for (int w = 0; w < path.words; ++w) {
            const unsigned joined = path.joined[w], heads = ~joined & valid(w);
            const vu r = load(draws + 128 * w);
            const vf most = neg_log_uniform(r) * temperature;
            const unsigned accepted = vote(32, [&](int l) {
                if (!((heads >> l) & 1u)) return false;
                int64_t high = 0, low = 0;  // the sum is high 2^32 + low: it may take more than 64 bits
                int at = 32 * w + l;
                do {
                    high += path.rises[at] >> 32;
                    low += path.rises[at] & 0xffffffff;
                    at = path.next(at);
                } while ((path.joined[at >> 5] >> (at & 31)) & 1u);
                high += low >> 32;
                low &= 0xffffffff;
                if ((high | low) == 0) return (mine(r, l) & TIE_BITS) != 0u;
                return rounded(high) * 0x1p32f + rounded(low) <= mine(most, l);
            });
            hit = along(accepted, joined & ~path.bottom_of(w), hit);
            put(&path.hit[w], hit);
        }
        const unsigned around = (hit >> last) & path.bottom & path.joined[0];
        hit = 0;
        GQ_ROLLED for (int w = 0; w < path.words; ++w) {
            const unsigned bottom = path.bottom_of(w);
            hit = along(path.hit[w] | (around & bottom), path.joined[w] & ~bottom, hit);
            if (!hit) continue;
            const int c = first_of(e, warp + w);
            lane_flip<STRATEGY>(problem(w), v, spins(w), hit);
            each(32, [&](int l) { e.energy[c + l] += (hit >> l) & 1u ? path.rises[32 * w + l] : 0; });
            flips += population(hit);
        }
    }
    return flips;
}

template <int STRATEGY>
GQ void advance_path(Ensemble& e, int sweeps) {
    const int words = e.option[1];
    const auto all = [&](int sweep) {
        int64_t flips = 0;
        for (int w = words * team_rank(); w < warps(e); w += words * team_size())
            flips += path_sweep<STRATEGY>(e, of_warp(e, w), path_of(e, w), w, sweep);
        each(1, [&](int) { add(&e.flips, flips); });
        team_sync();
        each_warp_of_lanes(e, [](const Problem&, const uint32_t*, int) { return 0; });
    };
    advance_by(e, sweeps, all, [](int) {});
}

}  // namespace gq
