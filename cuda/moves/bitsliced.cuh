// bitsliced.cuh: sparse Metropolis with small integer couplings, many chains a word.
//
// A bit of a word is a chain. Sums of a variable's entries are numbers written in planes, one word a binary digit, so
// that an addition costs five operations for all chains of a word. docs/design/bitsliced.md has the algebra.
//     rise = unit (2X + odd) / 2,   X = start + sum of digits of weights * kept
// where kept says that the flip doesn't lower this entry's share. A rise passes when M >= X for a geometric variate M,
// whose digits to the base 4 or 8 are independent of each other. A digit is drawn by comparing a uniform number,
// bit by bit, with the thresholds of its levels, until no chain is undecided.
#pragma once
#include "../layouts.cuh"
#include "bitsliced_bits.cuh"
#include "bitsliced_sums.cuh"
namespace gq {

// X has WIDTH binary digits and a sign.
template <int WIDTH>
constexpr int base_bits = WIDTH == 2 ? 2 : 3;
template <int WIDTH>
constexpr int levels_of = 1 << base_bits<WIDTH>;
template <int WIDTH>
constexpr int digits_of = WIDTH / base_bits<WIDTH>;

// Variable by variable: the sum of its entries in planes, its rise, and who accepts it.
template <class W, int WIDTH>
struct BitslicedWalk {
    static constexpr int base = base_bits<WIDTH>, digits = digits_of<WIDTH>, planes = WIDTH + 1,
                         record = 2 * planes + 2;
    typedef NumberTable<W, base, digits + 1> Levels;
    const int32_t *start, *end, *entry;
    int done = 0;
    const Levels& levels;
    GQ_MEMBER BitslicedWalk(const Problem& p, const Levels& table)
        : start(p.base), end(p.ends), entry(static_cast<const int32_t*>(p.weights)), levels(table) {}
    GQ_MEMBER void next(const WordRows<W>& spins, const W& own, W (&x)[planes]) {
        const auto kept = [&](const int32_t* e) { return parity(own, splat_word<W>(unsigned(e[0])), spins[e[1]]); };
        GQ_UNROLL for (int j = 0; j < planes; ++j) x[j] = splat_word<W>(unsigned(start[j]));
        if (start[2 * planes + 1])
            GQ_UNROLL for (int j = 0; j < planes; ++j) x[j] = x[j] ^ (own & splat_word<W>(unsigned(start[planes + j])));
        add_entries<0>(kept, x);
        add_entries<1>(kept, x);
        add_entries<2>(kept, x);
        start += record;
        end += 3;
    }
    // Those of a binary digit of the weights.
    template <int DIGIT, class F>
    GQ_MEMBER void add_entries(F kept, W (&x)[planes]) {
        const auto two = [&](const int32_t* e) { return full_add(x[DIGIT], kept(e), kept(e + 2)); };
        GQ_ROLLED for (; done + 2 < end[DIGIT]; done += 4, entry += 8) {
            const W carry = two(entry);
            if constexpr (DIGIT + 1 < planes) add_plane<DIGIT + 2>(x, full_add(x[DIGIT + 1], carry, two(entry + 4)));
        }
        if (done < end[DIGIT]) {
            add_plane<DIGIT + 1>(x, two(entry));
            done += 2;
            entry += 4;
        }
    }
    // `odd`: of the variable, all ones or 0. Digit by digit from the lowest: M >= X as far as its digits go, where a
    // digit that fails adds one to what the next must reach.
    GQ_MEMBER W accepted(const OwnBits<W>& own, int v, unsigned odd, const W (&x)[planes], const W& valid,
                         BitStream<W>& stream, Spare<W>& spare) const {
        const W up = valid & ~x[WIDTH];
        W word[8], y[base], level = splat_word<W>(odd);
        stream.draw(word);
        GQ_UNROLL for (int j = 0; j < base; ++j) level = level | (y[j] = x[j]);
        W some = level;
        GQ_UNROLL for (int j = base; j < WIDTH; ++j) some = some | x[j];
        const W positive = up & some, tie = up ^ positive, open = positive & level;
        const unsigned position = unsigned(v) << 5;
        W passed = (positive ^ open) | below(levels[odd ? 1 : 0], own, position, word, spare, y, open, tie);
        GQ_UNROLL for (int i = 1; i < digits; ++i) {
            W carry = ~passed, level = splat_word<W>(0);
            GQ_UNROLL for (int j = 0; j < base; ++j) {
                y[j] = x[base * i + j];
                carry = half_add(y[j], carry);
                level = level | y[j];
            }
            const W within = positive & ~carry, open = within & level;
            passed = (passed & tie) | (within ^ open);
            stream.draw(word);
            passed =
                passed | below(levels[i + 1], own, position + 8u * unsigned(i), word, spare, y, open, splat_word<W>(0));
        }
        return (valid ^ up) | passed;
    }
};

// A sweep of the chains of some words, `valid` the bits that are chains. `spins`: of variable v at 8 v. take(tally) is
// given what has been added up since it was last.
template <int WIDTH, class W, class Levels, class F>
GQ void bitsliced_sweep(const Problem& p, const WordRows<W>& spins, const W& valid, const Levels& levels,
                        const OwnBits<W>& own_bits, F take) {
    BitslicedWalk<W, WIDTH> walk(p, levels);
    Tally<W, WIDTH> tally;
    BitStream<W> stream(own_bits);
    Spare<W> spare;
    for (int v = 0; v < p.n;) {
        tally.clear();
        const int last = p.n - v < tally.most ? p.n : v + tally.most;
        for (; v < last; ++v) {
            if (v % spare.variables == 0) spare.draw(stream);
            const W own = spins[8 * v];
            const unsigned odd = unsigned(walk.start[2 * walk.planes]);
            W x[walk.planes];
            walk.next(spins, own, x);
            const W accepted = walk.accepted(own_bits, v, odd, x, valid, stream, spare);
            spins.set(8 * v, own ^ accepted);
            tally.add(accepted, odd, x);
        }
        tally.finish();
        take(tally);
    }
}

}  // namespace gq
