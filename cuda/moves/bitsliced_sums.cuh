// bitsliced_sums.cuh: numbers in planes, one a chain, and what accepted flips add up to.
#pragma once
#include "../warp.cuh"
namespace gq {

template <class W>
GQ W full_add(W& sum, const W& a, const W& b) {
    const W carry = majority(sum, a, b);
    sum = parity(sum, a, b);
    return carry;
}
template <class W>
GQ W half_add(W& sum, const W& a) {
    const W carry = sum & a;
    sum = sum ^ a;
    return carry;
}
// Adds a plane to the planes of a number from the first one on.
template <int FIRST, class W, int N>
GQ void add_plane(W (&sum)[N], W carry) {
    GQ_UNROLL for (int j = FIRST; j < N; ++j) carry = half_add(sum[j], carry);
}

// How many of the planes added to it had a bit, for each chain: up to 2^DIGITS. Plane j waits until there are two to add
// to its sum at once, so that on average an addition takes two additions of three bits.
template <class W, int DIGITS>
struct Counter {
    W sum[DIGITS + 1], waiting[DIGITS];
    int count;
    GQ_MEMBER void clear() {
        GQ_UNROLL for (int j = 0; j <= DIGITS; ++j) sum[j] = splat_word<W>(0);
        count = 0;
    }
    GQ_MEMBER void add(const W& plane) {
        add_from<0>(plane);
        ++count;
    }
    template <int J>
    GQ_MEMBER void add_from(const W& plane) {
        if constexpr (J == DIGITS) {
            sum[J] = plane;
        } else if ((count >> J) & 1) {
            add_from<J + 1>(full_add(sum[J], waiting[J], plane));
        } else {
            waiting[J] = plane;
        }
    }
    // What waits is added.
    template <int J = 0>
    GQ_MEMBER void finish() {
        if constexpr (J < DIGITS) {
            if ((count >> J) & 1) add_plane<J>(sum, waiting[J]);
            finish<J + 1>();
        }
    }
    // f(j) for the planes that can have a bit.
    template <class F>
    GQ_MEMBER void each_plane(F f) const {
        GQ_UNROLL for (int j = 0; j <= DIGITS; ++j) if (count >> j) f(sum[j], j);
    }
};

// What the chains' accepted flips add up to. The rises are those of 2X + odd, X with WIDTH binary digits and a sign.
template <class W, int WIDTH>
struct Tally {
    static constexpr int planes = WIDTH + 1, digits = 11, most = 1 << digits;
    W rises[planes + 1];
    Counter<W, digits> carries, flips;
    GQ_MEMBER void clear() {
        GQ_UNROLL for (int j = 0; j <= planes; ++j) rises[j] = splat_word<W>(0);
        carries.clear();
        flips.clear();
    }
    // `odd`: all ones or 0. X is added 2^WIDTH too large, and so without a sign.
    GQ_MEMBER void add(const W& accepted, unsigned odd, const W (&x)[planes]) {
        W carry = half_add(rises[0], accepted & splat_word<W>(odd));
        GQ_UNROLL for (int j = 0; j < WIDTH; ++j) carry = full_add(rises[j + 1], accepted & x[j], carry);
        carries.add(full_add(rises[planes], accepted & ~x[WIDTH], carry));
        flips.add(accepted);
    }
    GQ_MEMBER void finish() {
        carries.finish();
        flips.finish();
    }
    // Of the 32 chains of a word.
    GQ_MEMBER vi rise_of(int l) const {
        vi sum = splat(0);
        const auto add = [&](const W& plane, int weight) {
            sum = add_if(sum, spread(word_of(plane, l)), splat(weight));
        };
        GQ_UNROLL for (int j = 0; j <= planes; ++j) add(rises[j], 1 << j);
        carries.each_plane([&](const W& plane, int j) { add(plane, 2 << (planes + j)); });
        flips.each_plane([&](const W& plane, int j) { add(plane, -(1 << (planes + j))); });
        return sum;
    }
    GQ_MEMBER int flips_of(int l) const {
        int sum = 0;
        flips.each_plane([&](const W& plane, int j) { sum += population(word_of(plane, l)) << j; });
        return sum;
    }
};

}  // namespace gq
