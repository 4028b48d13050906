// bitsliced_bits.cuh: random bits of bit-sliced chains, and uniform numbers compared with them bit by bit.
//
// Most bits come from a small generator of each word of 32 chains, which every sweep seeds anew: a bit costs a seventh of
// what it costs from philox. Those that few chains ask for are philox's. docs/design/bitsliced.md says which are whose.
#pragma once
#include "../philox.cuh"
#include "../streams.cuh"
namespace gq {

// Bits that a chain has by itself, from the third four of a number on. `numbers`: of the words of chains.
template <class W>
struct OwnBits {
    key seed;
    unsigned sweep;
    W numbers;
    GQ_MEMBER void operator()(unsigned position, W* word) const { draw(position, BITS, word); }
    GQ_MEMBER void draw(unsigned position, unsigned purpose, W* word) const {
        factor<W> c[4] = {factors(splat_word<W>(position)), factors(splat_word<W>(sweep)), factors(numbers),
                          factors(splat_word<W>(purpose))};
        some_rounds<0, philox_rounds>(c, seed);
        GQ_UNROLL for (int i = 0; i < 4; ++i) word[i] = words(c[i]);
    }
};

// Bob Jenkins's small generator ("A small noncryptographic PRNG", 2007), one for each word of chains.
template <class W>
struct BitStream {
    W state[4];
    GQ_MEMBER explicit BitStream(const OwnBits<W>& own) { own.draw(0, STREAM, state); }
    // Eight bits of each chain, the highest first.
    GQ_MEMBER void draw(W (&word)[8]) {
        auto& [a, b, c, d] = state;
        GQ_UNROLL for (int i = 0; i < 8; ++i) {
            const W e = a - turned<27>(b);
            a = b ^ turned<17>(c);
            b = c + d;
            c = d + e;
            word[i] = d = e + a;
        }
    }
    template <int K>
    GQ_MEMBER static W turned(const W& x) {
        return (x << K) | (x >> (32 - K));
    }
};

// Eight bits more of each chain, for the first number within some variables that eight bits do not decide.
template <class W>
struct Spare {
    static constexpr int variables = 16;
    W word[8], used;
    GQ_MEMBER void draw(BitStream<W>& stream) {
        stream.draw(word);
        used = splat_word<W>(0);
    }
};

// Four bits of each number, number `four` of the eight, against those of the thresholds, in `some` chains: those below are
// added to `passed`, and who differs is not among `some` any more.
template <class W, int BASE_BITS, class Numbers>
GQ void compare(const Numbers& numbers, const Choice<W, BASE_BITS>& choice, int four, const W* bits, W& some,
                W& passed) {
    if (numbers.zero(four)) {
        some = some & ~((bits[0] | bits[1]) | (bits[2] | bits[3]));
        return;
    }
    W less = splat_word<W>(0), differs = less;
    GQ_UNROLL for (int i = 3; i >= 0; --i) {
        const W digit = choice[4 * four + i];
        less = unless_differ(less, bits[i], digit);
        differs = or_differ(differs, bits[i], digit);
    }
    passed = passed | (some & less);
    some = some & ~differs;
}

// Who passes of those that go on with bits of their own for the third four, and for the fifth.
template <class W, int BASE_BITS, class Numbers>
GQ_RARE W below_at_last(const Numbers& numbers, const Choice<W, BASE_BITS>& choice, const OwnBits<W>& own,
                        unsigned position, W third, const W& fifth) {
    W passed = splat_word<W>(0), word[4];
    for (int four = 2; four < 8; ++four) {
        if (four == 4) third = third | fifth;
        if (!any(third)) continue;
        own(position + unsigned(four), word);
        compare(numbers, choice, four, word, third, passed);
    }
    return passed;
}

// Which chains of `open` draw a uniform number below the threshold of their level y. A chain of `tie` passes unless
// the first four bits of its number are set. `word`: the first eight bits of the numbers.
// A chain that is undecided after them goes on with its spare bits, if it still has them, else with bits of its own.
template <class W, int BASE_BITS, class Numbers>
GQ W below(const Numbers& numbers, const OwnBits<W>& own, unsigned position, const W (&word)[8], Spare<W>& spare,
           const W (&y)[BASE_BITS], W open, const W& tie) {
    const Choice<W, BASE_BITS> choice(numbers, y);
    W passed = tie & ~(word[0] & word[1] & word[2] & word[3]);
    compare(numbers, choice, 0, word, open, passed);
    compare(numbers, choice, 1, word + 4, open, passed);
    W saved = open & ~spare.used;
    open = open ^ saved;
    spare.used = spare.used | saved;
    compare(numbers, choice, 2, spare.word, saved, passed);
    compare(numbers, choice, 3, spare.word + 4, saved, passed);
    if (!any(open | saved)) return passed;
    return passed | below_at_last(numbers, choice, own, position, open, saved);
}

}  // namespace gq
