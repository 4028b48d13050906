// dense.hpp: a batch of dense quadratic problems of one size, packed and read without Python in between.
//
// What it does to each is what gpuqio/matrices.py, gpuqio/pack, gpuqio/solvers/temperatures.py and gpuqio/evaluation.py
// do to one, operation for operation, down to the order in which floats are added (tests/test_dense.py compares them).
#pragma once
#include <stdint.h>
#include <string.h>

#include "../layouts.cuh"
#include "floats.hpp"

namespace gq {

// Repeated in Python (gpuqio/engines/dense_pack.py).
struct DenseBatch {
    int32_t count, n, spins, gain_bits;  // n: variables of each problem; padded: up to a multiple of 32
    int32_t most_dense;                  // more variables are never laid out as a matrix
    double dense_degree, dense_share;    // nor fewer neighbours a variable than degree + share n, or as many
    int64_t stride;                      // int32 words from the weights of one problem to those of the next
    const double *J, *h;                 // count x n x n; count x n or null
    double* coefficients;                // scratch: (n + 7) x padded
    int32_t* steps;                      // scratch: n x padded
    int32_t* others;                     // count: 1 for a problem that is not for this path, and left alone
    int32_t *strategy, *rounded;         // count
    int32_t *base, *weights, *ends;      // count x padded, count x stride, count x n
    int64_t* zero_energy;                // count
    double *unit, *constant;             // count
    double *hottest, *coldest;           // count, as `temperature_range` gives them
};

namespace dense {

constexpr double LARGEST = 0x1p+500, SMALLEST = 0x1p-500;  // beyond them powers of two might not be exact
constexpr int64_t SMALLEST_BITS = int64_t(1023 - 500) << 52;
constexpr int NONE = -10000;

// Eight columns of a row. Sums over a row are taken for eight rows at once, term by term, so that they are in order and
// yet many side by side: the matrix is symmetric, and a row's terms lie one below the other in its column.
constexpr int WIDE = 8;
typedef double Doubles __attribute__((vector_size(8 * WIDE)));
typedef int64_t Bits __attribute__((vector_size(8 * WIDE)));
typedef int32_t Steps __attribute__((vector_size(4 * WIDE)));

// One problem: the symmetric matrix of its pairs, its linear terms, and both as integer steps. Rows are filled up with
// zeros.
struct Quadratic {
    const DenseBatch& b;
    const int n, padded;
    double *const pairs, *const linear, *const work;  // n x padded, padded, 4 padded
    double *const rise, *const step;                  // padded: as `rises` gives them
    int32_t* steps;                                   // n x padded
    int couplings = 0;
    double largest_sum = 0;  // of the sizes of all terms of a variable

    explicit Quadratic(const DenseBatch& batch)
        : b(batch),
          n(batch.n),
          padded((batch.n + 31) & ~31),
          pairs(batch.coefficients),
          linear(batch.coefficients + int64_t(n) * padded),
          work(linear + padded),
          rise(work + 4 * padded),
          step(rise + padded),
          steps(batch.steps) {
        memset(pairs, 0, sizeof(double) * (n + 1) * padded);
    }

    double* row(int i) const { return pairs + int64_t(i) * padded; }
    int32_t* step_row(int i) const { return steps + int64_t(i) * padded; }

    // Of each row the columns from the diagonal on, and a few before it, or all.
    template <bool ALL>
    void read(int problem) {
        const int size = n;
        const double* const __restrict J = b.J + int64_t(problem) * size * size;
        for (int i = 0; i < size; ++i) {
            double* const __restrict mine = row(i);
            const double *own = J + int64_t(i) * size, *others = J + i;
            for (int j = ALL ? 0 : i & ~(WIDE - 1); j < size; ++j) mine[j] = own[j] + others[int64_t(j) * size];
            mine[i] = 0;
            linear[i] = (b.spins ? 0.0 : own[i]) + (b.h ? b.h[int64_t(problem) * size + i] : 0.0);
        }
    }

    // False where a coefficient is no number, or far from 1.
    bool measure() {
        const int size = n;
        double sum = 0;
        int64_t ends = 0, far = 0;
        largest_sum = 0;
        for (int begin = 0; begin < size; begin += WIDE) {
            Doubles total = {};
            Bits coupled = {}, tiny = {};
            for (int i = 0; i < size; ++i) {
                Bits bits;
                memcpy(&bits, row(i) + begin, sizeof bits);
                bits &= INT64_MAX;
                total += Doubles(bits);
                coupled -= bits != 0;
                tiny |= (bits != 0) & (bits < SMALLEST_BITS);
            }
            for (int k = 0; k < WIDE && begin + k < size; ++k) {
                const double c = size_of(linear[begin + k]);
                largest_sum = greater(largest_sum, c + total[k]);
                sum += c + total[k];
                ends += coupled[k];
                far |= tiny[k] | (c != 0 && c < SMALLEST);
            }
        }
        couplings = int(ends / 2);
        return sum < LARGEST && !far;
    }

    // The least e such that no flip changes the energy by 2^e.
    int gain_exponent() const { return exponent_of(largest_sum) + b.spins; }

    // The most places of any coefficient, or the first found that is more than `enough`; NONE if all are 0.
    int places(int enough) const {
        int most = NONE;
        for (int i = 0; i < n && most <= enough; ++i)
            for (int j = i; j < n; ++j) {
                const double c = i == j ? linear[i] : row(i)[j];
                if (c != 0 && places_of(c) > most) most = places_of(c);
            }
        return most;
    }

    // Whether the pairs may be those of one square (gpuqio/pack/squares.py).
    bool may_be_square() const {
        int first[4], coupled = 0;
        for (int i = 0; i < n; ++i) {
            bool any = false;
            for (int j = 0; j < n && !any; ++j) any = row(i)[j] != 0;
            if (any && coupled < 4) first[coupled] = i;
            coupled += any;
        }
        if (coupled < 3 || couplings != coupled * (coupled - 1) / 2) return false;
        if (coupled == 3) return true;
        const double one = row(first[0])[first[1]] * row(first[2])[first[3]];
        const double other = row(first[0])[first[2]] * row(first[1])[first[3]];
        return size_of(one - other) <= 1e-9 * size_of(one);
    }

    void round(int exponent) {
        const double scale = power(exponent);
        const int size = n, width = padded;
        for (int i = 0; i < size; ++i) {
            const double* const __restrict given = row(i);
            int32_t* const __restrict rounded = step_row(i);
            for (int j = 0; j < width; ++j) rounded[j] = int32_t(__builtin_nearbyint(given[j] * scale));
            linear[i] = __builtin_nearbyint(linear[i] * scale);
        }
    }

    // `rises`: linear terms first, then pairs in which a variable is the first of the two, then the others.
    void find_rises() const {
        const double size = b.spins ? 2.0 : 1.0, share = b.spins ? 1.0 : 0.25, none = __builtin_inf();
        for (int begin = 0; begin < n; begin += WIDE) {
            Doubles square[2] = {}, mean[2] = {};
            Bits least = Bits(none - Doubles{});  // sizes of floats are in the order of their bits
            Bits place;
            for (int k = 0; k < WIDE; ++k) place[k] = begin + k;
            for (int r = 0; r < n; ++r) {
                Steps whole;
                memcpy(&whole, step_row(r) + begin, sizeof whole);
                const Doubles s = __builtin_convertvector(whole, Doubles) * size, squared = s * s * share;
                const Bits is_first = place < r;  // its own step is 0
                square[0] += Doubles(Bits(squared) & is_first);
                square[1] += Doubles(Bits(squared) & ~is_first);
                mean[0] += Doubles(Bits(s * 0.5) & is_first);
                mean[1] += Doubles(Bits(s * 0.5) & ~is_first);
                const Bits size_of_step = s == 0 ? Bits(none - Doubles{}) : Bits(s) & INT64_MAX;
                least = least < size_of_step ? least : size_of_step;
            }
            for (int k = 0, v = begin; k < WIDE && v < n; ++k, ++v) {
                const double s = linear[v] * size;
                step[v] = lesser(Doubles(least)[k], s == 0 ? none : size_of(s));
                const double all = b.spins ? 0.0 : s + mean[0][k] + mean[1][k];
                const double squares = (b.spins ? s * s : 0.0) + square[0][k] + square[1][k];
                rise[v] = __builtin_sqrt(all * all + squares);
            }
        }
    }

    // `temperature_range`.
    void find_temperatures(int problem) const {
        constexpr double lowest = 0x1p-1020, highest = 0x1p+1020;
        const double soft = 0.02 / __builtin_sqrt(double(n));
        double* const frozen = work;
        double largest = 0;
        int active = 0;
        for (int v = 0; v < n; ++v) {
            largest = greater(largest, rise[v]);
            active += step[v] < __builtin_inf();
        }
        double hot = 1.0, cold = 0.5;
        if (active) {
            // The least ones in order, as many as it takes to come to the quantile.
            const int most = int((active - 1) * 0.1) + 1;
            int kept = 0;
            for (int v = 0; v < n; ++v) {
                if (!(step[v] < __builtin_inf())) continue;
                const double mine = greater(0.2 * step[v], soft * rise[v]);
                if (kept == most && mine >= frozen[kept - 1]) continue;
                int at = kept < most ? kept++ : kept - 1;
                for (; at > 0 && frozen[at - 1] > mine; --at) frozen[at] = frozen[at - 1];
                frozen[at] = mine;
            }
            const double hottest = 0.75 * largest, unit = b.unit[problem];
            cold = lesser(greater(lesser(frozen[most - 1], hottest / 4) * unit, lowest), highest / 4);
            hot = lesser(greater(hottest * unit, 4 * cold), highest);
        }
        b.hottest[problem] = hot;
        b.coldest[problem] = cold;
    }

    // Of spins the trace of J, because their squares are 1.
    void find_constant(int problem) const {
        ExactSum sum;
        const double* const J = b.J + int64_t(problem) * n * n;
        for (int v = 0; v < n && b.spins; ++v)
            if (J[int64_t(v) * (n + 1)] != 0) sum.add(J[int64_t(v) * (n + 1)]);
        b.constant[problem] = sum.rounded();
    }

    void fill_base(int problem) const {
        int32_t* const base = b.base + int64_t(problem) * padded;
        int64_t zero = 0;
        for (int v = 0; v < padded; ++v) base[v] = 0;
        for (int v = 0; v < n; ++v) {
            int32_t all = 0;  // below 2^27: the bits of a gain
            const int32_t* const mine = step_row(v);
            for (int j = 0, size = n; j < size; ++j) all += mine[j];
            const int32_t own = int32_t(linear[v]);
            base[v] = b.spins ? -2 * (own + all) : own;
            zero += 2 * int64_t(own) + all;
        }
        b.zero_energy[problem] = b.spins ? zero / 2 : 0;
    }

    // Entries of LANE_NEIGHBOUR: the later members of a variable's pairs, then the earlier ones, filled up to an even
    // number and at least two.
    void fill_entries(int problem) const {
        const int32_t unit = b.spins ? 4 : 1;
        int32_t* const begin = b.weights + int64_t(problem) * b.stride;
        int32_t* entry = begin;
        for (int v = 0; v < n; ++v) {
            const int32_t* const own = entry;
            const auto put = [&](int j) {
                if (row(v)[j] == 0) return;
                *entry++ = unit * step_row(v)[j];
                *entry++ = j;
            };
            for (int j = v + 1; j < n; ++j) put(j);
            for (int j = 0; j < v; ++j) put(j);
            while (entry == own || (entry - own) % 4) {
                *entry++ = 0;
                *entry++ = v;
            }
            b.ends[int64_t(problem) * n + v] = int32_t((entry - begin) / 2);
        }
    }

    void pack(int problem) {
        read<true>(problem);
        const bool usual = measure();
        const int room = b.gain_bits - gain_exponent(), wanted = usual ? places(room) : NONE;
        const int enough = wanted == NONE ? 0 : wanted, exponent = enough < room ? enough : room;
        b.rounded[problem] = wanted > exponent;
        b.others[problem] = !usual || (b.rounded[problem] && may_be_square());
        if (b.others[problem]) return;
        const bool matrix = n <= b.most_dense && 2.0 * couplings / n > b.dense_degree + b.dense_share * n;
        b.strategy[problem] = matrix ? WINDOW : LANE_NEIGHBOUR;
        b.unit[problem] = power(-exponent);
        steps = matrix ? b.weights + int64_t(problem) * b.stride : b.steps;
        round(exponent);
        find_rises();
        find_temperatures(problem);
        find_constant(problem);
        fill_base(problem);
        if (!matrix) return fill_entries(problem);
        int32_t* const weights = steps;
        const int64_t size = b.spins ? int64_t(n) * padded : 0;
        for (int64_t k = 0; k < size; ++k) weights[k] *= 4;
    }
};

// A problem's best state, of equals that of the first chain, as values -1 and 1 or 0 and 1.
inline void best_state(const Ensemble& e, bool spins, int8_t* state) {
    const int n = e.problem.n;
    int best = 0;
    for (int c = 1; c < e.chains; ++c)
        if (e.best_energy[c] < e.best_energy[best]) best = c;
    const bool matrix = e.problem.strategy == WINDOW;
    const uint32_t* const words = e.best_spins + (matrix ? int64_t(best) * ((n + 31) / 32) : int64_t(best / 32) * n);
    for (int v = 0; v < n; ++v) {
        const int bit = matrix ? words[v / 32] >> (v % 32) & 1 : words[v] >> (best % 32) & 1;
        state[v] = int8_t(spins ? 1 - 2 * bit : bit);
    }
}

// The cost of a state, correctly rounded; false where it is not found this way. Terms are cut into digits on a grid so
// coarse that sums of digits are integers below 2^52, and exact in whatever order they are added (gpuqio/evaluation.py).
constexpr int PARTS = 4;
constexpr double ROUNDER = 0x1.8p+52;  // added and taken off again it leaves the nearest integer
inline bool exact_cost(Quadratic& q, const int8_t* state, double constant, double* cost) {
    const int n = q.n;
    Bits largest = {};  // sizes of floats are in the order of their bits
    const auto keep_largest = [&](const Doubles& x) {
        const Bits size = Bits(x) & INT64_MAX;
        largest = largest < size ? size : largest;
    };
    // Columns from the diagonal on, and a few before it, which are set to 0.
    for (int begin = 0; begin < n; begin += WIDE) {
        Doubles values = {}, terms;
        Bits place;
        for (int k = 0; k < WIDE; ++k) place[k] = begin + k;
        for (int k = 0; k < WIDE && begin + k < n; ++k) values[k] = state[begin + k];
        for (int i = 0; i < n && i < begin + WIDE; ++i) {
            memcpy(&terms, q.row(i) + begin, sizeof terms);
            terms *= values * double(state[i]);
            if (i >= begin) terms = Doubles(Bits(terms) & (place > i));
            memcpy(q.row(i) + begin, &terms, sizeof terms);
            keep_largest(terms);
        }
        memcpy(&terms, q.linear + begin, sizeof terms);
        terms *= values;
        memcpy(q.linear + begin, &terms, sizeof terms);
        keep_largest(terms);
    }
    int width = 52;
    for (int64_t terms = int64_t(n) * (n + 1) / 2; terms; terms >>= 1) --width;
    ExactSum sum;
    double left = 0;
    for (int part = 0;; ++part) {
        left = 0;
        for (int k = 0; k < WIDE; ++k) left = greater(left, Doubles(largest)[k]);
        if (left == 0 || part == PARTS) break;
        const int grid = exponent_of(left) - width;
        const double down = power(-grid), up = power(grid);
        Doubles sums = {};
        largest = Bits{};
        const auto cut = [&](double* place) {
            Doubles rests;
            memcpy(&rests, place, sizeof rests);
            const Doubles digits = (rests * down + ROUNDER) - ROUNDER;
            rests -= digits * up;
            memcpy(place, &rests, sizeof rests);
            sums += digits;
            keep_largest(rests);
        };
        for (int begin = 0; begin < n; begin += WIDE) {
            for (int i = 0; i < n && i < begin + WIDE; ++i) cut(q.row(i) + begin);
            cut(q.linear + begin);
        }
        double all = 0;
        for (int k = 0; k < WIDE; ++k) all += sums[k];
        sum.add(all * up);
    }
    sum.add(constant);
    *cost = sum.rounded();
    return left == 0;
}

}  // namespace dense
}  // namespace gq
