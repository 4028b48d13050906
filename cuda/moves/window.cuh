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

// The gains' change when the variable of matrix row `row` flips: what was set takes its row away.
GQ void window_flip(const int32_t* row, vb set, int32_t* gains, int words) {
    for (int k = 0; k < words; ++k) store(gains + 32 * k, load(gains + 32 * k) + negate_if(set, load(row + 32 * k)));
}

// Random words of a sweep: window k of chain c is draw d = c * windows + k, its lanes take word d & 3 of the calls
// (position = lane, chain = d >> 2). No word of a call is wasted, however small the problem.
struct WindowDraws {
    vu word[4];
    unsigned call = ~0u;
};

GQ const vu& window_draw(WindowDraws& draws, unsigned draw, unsigned sweep, key seed) {
    if (draw >> 2 != draws.call) {
        draws.call = draw >> 2;
        philox(lane(), splat(sweep), splat(draws.call), splat(unsigned(FLIP)), seed, draws.word);
    }
    return draws.word[draw & 3];
}

GQ void window_sweep(const Problem& p, int32_t* gains, uint32_t* spins, float temperature, unsigned chain,
                     unsigned sweep, key seed, WindowDraws& draws, int64_t& energy, int64_t& flips) {
    const int words = window_words(p), stride = 32 * words, last = p.n & 31;
    const int32_t* const weights = p.weights;
    int64_t change = 0, count = 0;
    for (int k = 0; k < words; ++k) {
        const vu& word = window_draw(draws, chain * words + k, sweep, seed);
        const vi limit = threshold(word, splat(temperature));
        const vb lost = tails(word);
        unsigned waiting = k + 1 < words || last == 0 ? ~0u : (1u << last) - 1u;
        unsigned set = spins[k];
        const vb before = spread(set);  // a lane is asked once, so its own bit is needed as it was
        vi gain = load(gains + 32 * k);
        for (;;) {
            const vi rise = negate_if(before, gain);
            const unsigned hit = accepted(rise, limit, lost) & waiting;
            if (!hit) break;
            const int source = first(hit);
            const int32_t* row = weights + int64_t(32 * k + source) * stride;
            const vb was_set = uniform((set >> source) & 1u);
            gain = gain + negate_if(was_set, load(row + 32 * k));
            window_flip(row, was_set, gains, words);
            change += bcast(rise, source);
            ++count;
            set ^= 1u << source;
            waiting &= ~1u << source;
        }
        spins[k] = set;
    }
    energy += change;
    flips += count;
}

}  // namespace gq
