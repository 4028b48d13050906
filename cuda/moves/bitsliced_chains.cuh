// bitsliced_chains.cuh: an ensemble of bit-sliced chains: first states, sweeps, and the best states they visit.
#pragma once
#include "../ensemble.cuh"
#include "bitsliced.cuh"
namespace gq {

// A sweep of the words from `w` on, as many as W has. Returns the flips.
template <class W, int WIDTH, class Levels>
GQ int64_t sweep_words(Ensemble& e, int sweep, const Levels& levels, int w) {
    const Problem problem = e.problem;
    const int n = problem.n, unit = problem.unit, first = (e.first_chain >> 5) + w;
    const WordRows<W> spins(e.spins, int64_t(8) * n, first), best(e.best_spins, int64_t(8) * n, first);
    const OwnBits<W> own_bits{seed_of(e), unsigned(sweep), word_numbers<W>() + unsigned(first)};
    const int words = warps(e) - w < words_of<W> ? warps(e) - w : words_of<W>;
    W valid = splat_word<W>(0), better = splat_word<W>(0);
    int64_t flips = 0;
    for (int l = 0; l < words; ++l) set_word(valid, l, lower_bits(chains_of(e, w + l)));
    bitsliced_sweep<WIDTH>(problem, spins, valid, levels, own_bits, [&](const auto& tally) {
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
    if (!any(better)) return flips;
    for (int v = 0; v < n; ++v) best.set(8 * v, choose(better, spins[8 * v], best[8 * v]));
    return flips;
}

// A sweep of this warp's share of the chains, some words at a time: as many as a register holds, on some CPUs fewer for
// the rest.
template <int WIDTH>
GQ void sweep_bitsliced(Ensemble& e, int sweep) {
    constexpr int base = base_bits<WIDTH>, digits = digits_of<WIDTH>, wide = words_of<wide_vw>;
    const uint32_t* const table = e.levels + (int64_t(sweep) * (digits + 1) << base);
    int64_t flips = 0;
    int w = wide * team_rank(), end = warps(e);
    if (w < end - (wide - words_of<vw>)) {
        const NumberTable<wide_vw, base, digits + 1> levels(table);
        for (; w < end - (wide - words_of<vw>); w += wide * team_size())
            flips += sweep_words<wide_vw, WIDTH>(e, sweep, levels, w);
    }
    if constexpr (wide > words_of<vw>) {
        if (w < end) flips += sweep_words<vw, WIDTH>(e, sweep, NumberTable<vw, base, digits + 1>(table), w);
    }
    each(1, [&](int) { add(&e.flips, flips); });
}

template <int WIDTH>
GQ void advance_bitsliced(Ensemble& e, int sweeps) {
    advance_by(e, sweeps, [&](int sweep) { sweep_bitsliced<WIDTH>(e, sweep); }, [](int) {});
}

// First states as those of the other strategies: each set bit is flipped in, from the state of all bits 0.
GQ void start_bitsliced_word(Ensemble& e, int warp, const uint32_t* initial) {
    const Problem p = e.problem;
    const int c = first_of(e, warp), planes = p.bits + 1;
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
        vi rise = splat(first);
        for (int digit = 0; digit < 3; ++digit)
            for (; done < p.ends[3 * v + digit]; ++done, entry += 2)
                rise = add_if(rise, spread(unsigned(entry[0]) ^ e.spins[begin + entry[1]]), splat(1 << digit));
        const int spare = 31 - planes;  // X, doubled
        rise = (as_int(as_unsigned(rise) << (spare + 1)) >> spare) + (start[2 * planes] & 1);
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
