// window.cuh: dense Metropolis, warp = chain. 32 spins in the lanes; one ballot passes over all that are rejected.
//
// Exactly the sequential sweep 0..n-1: an accepted flip changes the gains of the lanes behind it before they are asked,
// and each lane keeps its one random word for the sweep.
#pragma once
#include "../layouts.cuh"
#include "../numeric.cuh"
#include "../streams.cuh"
namespace gq {

GQ int window_words(const Problem& p) { return (p.n + 31) >> 5; }

GQ void window_flip(const Problem& p, int variable, bool set, int32_t* gains, uint32_t* spins) {
    const int words = window_words(p);
    const int32_t* row = p.weights + int64_t(variable) * (words * 32);
    const int sign = set ? -1 : 1;
    spins[variable >> 5] ^= 1u << (variable & 31);
    for (int k = 0; k < words; ++k) store(gains + 32 * k, load(gains + 32 * k) + load(row + 32 * k) * sign);
}

// Variable v draws word (v >> 5) & 3 at position (v >> 7) * 32 + (v & 31): one call serves four windows.
GQ void window_sweep(const Problem& p, int32_t* gains, uint32_t* spins, float temperature, unsigned chain,
                     unsigned sweep, key seed, int64_t& energy, int64_t& flips) {
    const int words = window_words(p);
    vu word[4];
    for (int k = 0; k < words; ++k) {
        if ((k & 3) == 0)
            philox(lane() + unsigned(k >> 2) * 32u, splat(sweep), splat(chain), splat(unsigned(FLIP)), seed, word);
        const vi limit = threshold(word[k & 3], splat(temperature));
        const vb lost = tails(word[k & 3]);
        unsigned waiting = k + 1 < words || (p.n & 31) == 0 ? ~0u : (1u << (p.n & 31)) - 1u;
        for (;;) {
            const vi rise = negate_if(spread(spins[k]), load(gains + 32 * k));
            const unsigned hit = ballot(accepts(rise, limit, lost)) & waiting;
            if (!hit) break;
            const int source = first(hit);
            energy += bcast(rise, source);
            window_flip(p, 32 * k + source, (spins[k] >> source) & 1u, gains, spins);
            ++flips;
            waiting &= ~1u << source;
            if (!waiting) break;
        }
    }
}

}  // namespace gq
