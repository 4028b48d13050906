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

// The symmetric matrix of weights, as narrow as its elements allow.
struct Matrix {
    const void* weights;
    int stride, bytes;

    // Calls f(row of `variable`), typed.
    template <class F>
    GQ_MEMBER void row(int variable, F f) const {
        const int64_t begin = int64_t(variable) * stride;
#if GQ_NARROW_WEIGHTS
        if (bytes == 1) {
            f(static_cast<const int8_t*>(weights) + begin);
            return;
        }
        if (bytes == 2) {
            f(static_cast<const int16_t*>(weights) + begin);
            return;
        }
#endif
        f(static_cast<const int32_t*>(weights) + begin);
    }
};

// The gains of one chain while it is swept. WORDS > 0: that many windows, in registers; 0: any number, in memory.
// flip: a matrix row is added when its bit is set, taken away when it is cleared, but for window `own`, whose gains
// the caller has in hand and puts back with set.
template <int WORDS>
struct Gains {
    vi gain[WORDS];
    GQ_MEMBER Gains(int32_t* memory, int) { GQ_UNROLL for (int k = 0; k < WORDS; ++k) gain[k] = load(memory + 32 * k); }
    GQ_MEMBER vi get(int k) const { return gain[k]; }
    GQ_MEMBER void set(int k, vi x) { gain[k] = x; }
    template <class T>
    GQ_MEMBER void flip(const T* row, vb was_set, int own) {
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) if (k != own) gain[k] =
            plus_minus(gain[k], was_set, load_int(row + 32 * k));
    }
    GQ_MEMBER void save(int32_t* memory) const {
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) store(memory + 32 * k, gain[k]);
    }
};
template <>
struct Gains<0> {
    int32_t* memory;
    int words;
    GQ_MEMBER Gains(int32_t* where, int count) : memory(where), words(count) {}
    GQ_MEMBER vi get(int k) const { return load(memory + 32 * k); }
    GQ_MEMBER void set(int k, vi x) { store(memory + 32 * k, x); }
    template <class T>
    GQ_MEMBER void flip(const T* row, vb was_set, int own) {
        for (int k = 0; k < own; ++k) add(row, was_set, k);
        for (int k = own + 1; k < words; ++k) add(row, was_set, k);
    }
    template <class T>
    GQ_MEMBER void add(const T* row, vb was_set, int k) {
        store(memory + 32 * k, plus_minus(load(memory + 32 * k), was_set, load_int(row + 32 * k)));
    }
    GQ_MEMBER void save(int32_t*) const {}
};

// A call of 32 lanes draws for four windows, `word` holding a window each: for window k of `chain` and the next three,
// which may be of the next chains. No word is wasted, however small the problem, if a warp takes this many chains:
GQ int window_group(int words) { return words & 1 ? 4 : words & 2 ? 2 : 1; }

// `skipped`: windows of every chain before its first of these.
GQ void window_draw(int words, unsigned chain, int k, unsigned sweep, key seed, vu (&word)[4], int skipped = 0) {
    vi position = as_int((lane() >> 2) + ((lane() & 3u) << 3)) + 8 * k;
    vi owner = splat(int(chain));
    for (int last = k + 3; last >= words; last -= words) {
        const vb next = position > 8 * words - 1;
        position = position - keep(next, splat(8 * words));
        owner = owner + keep(next, splat(1));
    }
    philox(as_unsigned(position + 8 * skipped), splat(sweep), as_unsigned(owner), splat(unsigned(FLIP)), seed, word);
    transpose(word);
}

// One sweep of one chain; WORDS is the number of its windows, or 0. `draws`: of the call before, where a multiple of
// four windows has been `drawn`, or else what is left of them. Adds to `energy`, returns the accepted flips.
template <int WORDS>
GQ int window_sweep(int n, const Matrix& matrix, int32_t* memory, uint32_t* spins, float temperature, unsigned chain,
                    unsigned sweep, key seed, int drawn, vu (&draws)[4], int64_t& energy) {
    const int words = WORDS ? WORDS : (n + 31) >> 5, last = n & 31;
    int count = 0;
    Gains<WORDS> gains(memory, words);
    GQ_UNROLL for (int k = 0; k < words; ++k) {
        const int next = (drawn + k) & 3;
        if (next == 0) window_draw(words, chain, k, sweep, seed, draws);
        const vu& word = pick(draws, next);
        const vi limit = threshold(word, splat(temperature));
        const vb lost = tails(word);
        unsigned waiting = k + 1 < words || last == 0 ? ~0u : (1u << last) - 1u;
        unsigned set = spins[k];
        const vb before = spread(set);  // a lane is asked once, so its own bit is needed as it was
        vi rise = negate_if(before, gains.get(k));
        for (;;) {
            const unsigned hit = accepted(rise, limit, lost) & waiting;
            if (!hit) break;
            const int source = first(hit);
            const vb was_set = uniform((set >> source) & 1u);
            energy += bcast(rise, source);
            matrix.row(32 * k + source, [&](const auto* row) {
                rise = plus_minus(rise, before ^ was_set, load_int(row + 32 * k));
                gains.flip(row, was_set, k);
            });
            ++count;
            set ^= 1u << source;
            waiting &= ~1u << source;
        }
        gains.set(k, negate_if(before, rise));
        put(&spins[k], set);
    }
    gains.save(memory);
    return count;
}

}  // namespace gq
