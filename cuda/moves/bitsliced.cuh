// bitsliced.cuh: sparse Metropolis with small integer couplings, many chains a word.
//
// A bit of a word is a chain. Sums of a variable's entries are numbers written in planes, one word a binary digit, so
// that an addition costs five operations for all chains of a word. docs/design/bitsliced.md has the algebra.
//     rise = unit (2X + odd) / 2,   X = ~(start + sum of digits of weights * fall)
// where fall says that the flip lowers this entry's share. A rise passes when M >= X for a geometric variate M, whose
// digits to the base 4 are independent of each other. A digit is drawn by comparing a uniform number, bit by bit, with
// the thresholds of its levels, until no chain is undecided.
#pragma once
#include "../layouts.cuh"
#include "../philox.cuh"
#include "../streams.cuh"
namespace gq {

// Random words of some words of chains in one sweep: word i of a call has bit 4c + i of its digit's uniform numbers.
// What the first three rounds of the generator make of sweep and chain is made once, as are the others' keys.
struct WordDraws {
    static constexpr int rounds = 7;
    key seed;
    factor b, p, q;
    struct {
        vw low, high;
    } keys[rounds];
    GQ_MEMBER WordDraws(key k, unsigned sweep, const vw& numbers) : seed(k) {
        GQ_UNROLL for (int i = 3; i < rounds; ++i)
            keys[i] = {splat_word(of_round(k, i).low), splat_word(of_round(k, i).high)};
        factor high;
        mul_wide(multiplier1, factors(numbers), high, b);
        mul_wide(multiplier0, high ^ (sweep ^ k.low), p, q);
        q = q ^ of_round(k, 2).high;
    }
    GQ_MEMBER void operator()(unsigned position, vw* word) const {
        const uint64_t product0 = uint64_t(multiplier0) * position;
        const uint64_t product1 = uint64_t(multiplier1) * (unsigned(product0 >> 32) ^ unsigned(BITS) ^ seed.high);
        factor c[4], high0, high1;
        mul_wide(multiplier1, p ^ (unsigned(product0) ^ of_round(seed, 1).high), high1, c[1]);
        mul_wide(multiplier0, b ^ (unsigned(product1 >> 32) ^ of_round(seed, 1).low), high0, c[3]);
        c[0] = high1 ^ (unsigned(product1) ^ of_round(seed, 2).low);
        c[2] = high0 ^ q;
        some_rounds<3, rounds>(c, *this);
        GQ_UNROLL for (int i = 0; i < 4; ++i) word[i] = words(c[i]);
    }
};
GQ auto of_round(const WordDraws& draws, int i) { return draws.keys[i]; }

GQ vw full_add(vw& sum, const vw& a, const vw& b) {
    const vw half = sum ^ a, carry = (sum & a) | (half & b);
    sum = half ^ b;
    return carry;
}
GQ vw half_add(vw& sum, const vw& a) {
    const vw carry = sum & a;
    sum = sum ^ a;
    return carry;
}

// Bit-sliced numbers, one a chain: a sum of numbers of fewer planes.
template <int PLANES>
struct Sliced {
    vw x[PLANES];
    GQ_MEMBER void clear() { GQ_UNROLL for (int j = 0; j < PLANES; ++j) x[j] = splat_word(0); }
    template <int N>
    GQ_MEMBER void add(const vw (&y)[N]) {
        vw carry = half_add(x[0], y[0]);
        GQ_UNROLL for (int j = 1; j < N; ++j) carry = full_add(x[j], y[j], carry);
        GQ_UNROLL for (int j = N; j < PLANES; ++j) carry = half_add(x[j], carry);
    }
};

// Which chains of `open` draw a uniform number below the threshold of their level y. A chain of `tie` passes unless
// the first four bits of its number are set. `word`: the first two calls.
// A chain that is undecided after two calls goes on with the second call's bits of the chain half a word away, if that
// one was decided by its first call and so has no use for them; else with a call of its own.
GQ vw below(const FourNumbers& thresholds, const WordDraws& draws, unsigned position, vw (&word)[8], const vw& y0,
            const vw& y1, vw open, const vw& tie) {
    const Choice choice(thresholds, y0, y1);
    vw passed = tie & ~(word[0] & word[1] & word[2] & word[3]);
    const auto compare = [&](int call, const vw* bits, vw& some) {
        if (thresholds.zero(call)) {
            some = some & ~((bits[0] | bits[1]) | (bits[2] | bits[3]));
            return;
        }
        vw less = splat_word(0), differs = less;
        GQ_UNROLL for (int i = 3; i >= 0; --i) {
            const vw digit = choice[4 * call + i], other = bits[i] ^ digit;
            less = (less & ~other) | (digit & other);
            differs = differs | other;
        }
        passed = passed | (some & less);
        some = some & ~differs;
    };
    compare(0, word, open);
    const vw used = open;
    compare(1, word + 4, open);
    vw lent = open & ~half_turn(used), more[4];
    open = open ^ lent;
    GQ_UNROLL for (int i = 0; i < 4; ++i) more[i] = half_turn(word[4 + i]);
    compare(2, more, lent);
    if (!any(open | lent)) return passed;
    draws(position + 2, more);
    compare(2, more, open);
    open = open | lent;
    for (int call = 3; call < 8 && any(open); ++call) {
        draws(position + unsigned(call), more);
        compare(call, more, open);
    }
    return passed;
}

// What the chains' accepted flips add up to.
template <int DIGITS>
struct Tally {
    static constexpr int width = 2 * DIGITS + 1, most = 2048, few = 16;
    Sliced<width + 4> rises;
    Sliced<5> flips, odd_flips;
    Sliced<width + 11> all_rises;
    Sliced<12> all_flips, all_odd_flips;
    GQ_MEMBER void clear() {
        rises.clear();
        flips.clear();
        odd_flips.clear();
        all_rises.clear();
        all_flips.clear();
        all_odd_flips.clear();
    }
    // X is kept 2^(width - 1) too large, and so without a sign.
    GQ_MEMBER void add(const vw& accepted, bool odd, const vw (&x)[width]) {
        vw rise[width], one[1] = {accepted};
        GQ_UNROLL for (int j = 0; j < width - 1; ++j) rise[j] = accepted & x[j];
        rise[width - 1] = accepted & ~x[width - 1];
        rises.add(rise);
        flips.add(one);
        if (odd) odd_flips.add(one);
    }
    GQ_MEMBER void carry() {
        all_rises.add(rises.x);
        all_flips.add(flips.x);
        all_odd_flips.add(odd_flips.x);
        rises.clear();
        flips.clear();
        odd_flips.clear();
    }
    // Of the 32 chains of a word: the sum of 2X + odd.
    GQ_MEMBER vi rise_of(int l) const {
        vi sum = splat(0);
        const auto add = [&](const vw& plane, int weight) {
            sum = add_if(sum, spread(word_of(plane, l)), splat(weight));
        };
        GQ_UNROLL for (int j = 0; j < width + 11; ++j) add(all_rises.x[j], 2 << j);
        GQ_UNROLL for (int j = 0; j < 12; ++j) {
            add(all_flips.x[j], -(1 << (width + j)));
            add(all_odd_flips.x[j], 1 << j);
        }
        return sum;
    }
    GQ_MEMBER int flips_of(int l) const {
        int sum = 0;
        GQ_UNROLL for (int j = 0; j < 12; ++j) sum += population(word_of(all_flips.x[j], l)) << j;
        return sum;
    }
};

// Variable by variable: the sum of its entries in planes, its rise, and who accepts it.
template <int DIGITS>
struct BitslicedWalk {
    static constexpr int planes = 2 * DIGITS + 1, record = 2 * planes + 2;
    const int32_t *start, *end, *entry;
    int done = 0;
    NumberTable<DIGITS + 1> levels;
    GQ_MEMBER BitslicedWalk(const Problem& p, const uint32_t* table)
        : start(p.base), end(p.ends), entry(static_cast<const int32_t*>(p.weights)), levels(table) {}
    GQ_MEMBER void next(const uint32_t* spins, const vw& own, vw (&x)[planes]) {
        const auto fall = [&](const int32_t* e) { return own ^ splat_word(unsigned(e[0])) ^ load_words(spins + e[1]); };
        GQ_UNROLL for (int j = 0; j < planes; ++j) x[j] = splat_word(unsigned(start[j]));
        if (start[2 * planes + 1])
            GQ_UNROLL for (int j = 0; j < planes; ++j) x[j] = x[j] ^ (own & splat_word(unsigned(start[planes + j])));
        GQ_UNROLL for (int digit = 0; digit < 3; ++digit) {
            GQ_ROLLED for (; done < end[digit]; done += 2, entry += 4) {
                vw carry = full_add(x[digit], fall(entry), fall(entry + 2));
                GQ_UNROLL for (int j = digit + 1; j < planes; ++j) carry = half_add(x[j], carry);
            }
        }
        GQ_UNROLL for (int j = 0; j < planes; ++j) x[j] = ~x[j];
        start += record;
        end += 3;
    }
    // `odd`: of the variable, all ones or 0. Digit by digit from the lowest: M >= X as far as its digits go, where a
    // digit that fails adds one to what the next must reach.
    // `word`: the first two calls of the first digit, to be overwritten.
    GQ_MEMBER vw accepted(const WordDraws& draws, int v, unsigned odd, const vw (&x)[planes], const vw& valid,
                          vw (&word)[8]) const {
        const vw up = valid & ~x[planes - 1];
        vw some = splat_word(odd);
        GQ_UNROLL for (int j = 0; j < planes - 1; ++j) some = some | x[j];
        const vw positive = up & some, tie = up ^ positive;
        const unsigned position = unsigned(v) << 5;
        const vw open = DIGITS == 1 ? positive : positive & (x[0] | x[1] | splat_word(odd));
        vw passed = (positive ^ open) | below(levels[odd ? 1 : 0], draws, position, word, x[0], x[1], open, tie);
        GQ_UNROLL for (int i = 1; i < DIGITS; ++i) {
            const vw borrow = ~passed, carry = x[2 * i] & borrow;
            const vw y0 = x[2 * i] ^ borrow, y1 = x[2 * i + 1] ^ carry, some_level = y0 | y1;
            const vw within = positive & ~(x[2 * i + 1] & carry);
            const vw open = within & some_level;
            passed = (passed & tie) | (within ^ open);
            if (!any(open)) continue;
            draws(position + 8u * unsigned(i), word);
            draws(position + 8u * unsigned(i) + 1u, word + 4);
            passed =
                passed | below(levels[i + 1], draws, position + 8u * unsigned(i), word, y0, y1, open, splat_word(0));
        }
        return (valid ^ up) | passed;
    }
};

// A sweep of the chains of some words, `valid` the bits that are chains. `spins`: of variable v at 8 v. take(tally) is
// given what has been added up since it was last.
template <int DIGITS, class F>
GQ void bitsliced_sweep(const Problem& p, uint32_t* spins, const vw& valid, const uint32_t* table,
                        const WordDraws& draws, F take) {
    BitslicedWalk<DIGITS> walk(p, table);
    Tally<DIGITS> tally;
    vw word[8];
    const auto draw = [&](int v) {
        draws(unsigned(v) << 5, word);
        draws((unsigned(v) << 5) + 1u, word + 4);
    };
    draw(0);
    for (int v = 0; v < p.n;) {
        tally.clear();
        const int last = p.n - v < tally.most ? p.n : v + tally.most;
        while (v < last) {
            const int few = last - v < tally.few ? last : v + tally.few;
            for (; v < few; ++v) {
                const vw own = load_words(spins + 8 * v);
                const unsigned odd = unsigned(walk.start[2 * walk.planes]);
                vw x[walk.planes];
                walk.next(spins, own, x);
                const vw accepted = walk.accepted(draws, v, odd, x, valid, word);
                draw(v + 1);  // while the processor still waits for what this one decides
                store_words(spins + 8 * v, own ^ accepted);
                tally.add(accepted, odd, x);
            }
            tally.carry();
        }
        take(tally);
    }
}

}  // namespace gq
