// dense.hpp: a batch of dense quadratic problems of one size, packed and read without Python in between.
//
// What it does to each is what gpuqio/matrices.py, gpuqio/pack, gpuqio/solvers/temperatures.py and gpuqio/evaluation.py
// do to one, operation for operation, down to the order in which floats are added (tests/test_dense.py compares them).
#pragma once
#include <stdint.h>
#include <string.h>

#include "../layouts.cuh"

namespace gq {

// Repeated in Python (gpuqio/engines/dense_pack.py).
struct DenseBatch {
    int32_t count, n, spins, gain_bits;      // n: variables of each problem; padded: up to a multiple of 32
    int32_t most_dense;                      // more variables are never laid out as a matrix
    double dense_degree, dense_share;        // nor fewer neighbours a variable than degree + share n, or as many
    int64_t stride;                          // int32 words from the weights of one problem to those of the next
    const double *J, *h;                     // count x n x n; count x n or null
    double* coefficients;                    // scratch: (n + 7) x padded
    int32_t* steps;                          // scratch: n x padded
    int32_t* others;                         // count: 1 for a problem that is not for this path, and left alone
    int32_t *strategy, *exponent, *rounded;  // count
    int32_t *base, *weights, *ends;          // count x padded, count x stride, count x n
    int64_t* zero_energy;                    // count
    double *rise, *step;                     // count x n, as `rises` gives them
};

namespace dense {

constexpr double LARGEST = 0x1p+500, SMALLEST = 0x1p-500;  // beyond them powers of two might not be exact
constexpr int NONE = -10000;

inline double size_of(double x) { return __builtin_fabs(x); }
inline double lesser(double x, double y) { return x < y ? x : y; }
inline double greater(double x, double y) { return x > y ? x : y; }
inline int64_t bits_of(double x) {
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
inline double power(int e) {  // 2^e
    const int64_t bits = int64_t(e + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
// e with x = m 2^e, 1/2 <= m < 1, for a normal x; 0 for 0.
inline int exponent_of(double x) { return x == 0 ? 0 : int(bits_of(x) >> 52 & 0x7ff) - 1022; }
// Binary places behind the point of a normal x.
inline int places_of(double x) {
    return 53 - exponent_of(x) - __builtin_ctzll(uint64_t((bits_of(x) & 0xfffffffffffff) | int64_t(1) << 52));
}

// One problem: the symmetric matrix of its pairs, its linear terms, and both as integer steps. Sums over a row are taken
// for all rows at once, term by term, so that they are in order and yet many side by side.
struct Quadratic {
    const DenseBatch& b;
    const int n, padded;
    double *const pairs, *const linear, *const work;  // n x padded, padded, 4 padded
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
          steps(batch.steps) {}

    double* row(int i) const { return pairs + int64_t(i) * padded; }
    int32_t* step_row(int i) const { return steps + int64_t(i) * padded; }

    // False where a coefficient is no number, or far from 1.
    bool read(int problem) {
        const int size = n, width = padded;
        const double* const __restrict J = b.J + int64_t(problem) * size * size;
        double* const __restrict total = work;
        int64_t* const __restrict coupled = reinterpret_cast<int64_t*>(work + width), * const __restrict tiny =
                                                                                          coupled + width;
        for (int v = 0; v < size; ++v) total[v] = 0, coupled[v] = tiny[v] = 0;
        for (int i = 0; i < size; ++i) {
            double* const __restrict mine = pairs + int64_t(i) * width;
            const double *own = J + int64_t(i) * size, *others = J + i;
            for (int j = 0; j < size; ++j) mine[j] = own[j] + others[int64_t(j) * size];
            mine[i] = 0;
            for (int v = 0; v < size; ++v) {
                const int64_t bits = bits_of(mine[v]) & INT64_MAX;
                total[v] += size_of(mine[v]);
                coupled[v] += bits != 0;
                tiny[v] |= (bits != 0) & (bits < bits_of(SMALLEST));
            }
        }
        double sum = 0;
        int64_t ends = 0, far = 0;
        largest_sum = 0;
        for (int v = 0; v < size; ++v) {
            linear[v] = (b.spins ? 0.0 : J[int64_t(v) * size + v]) + (b.h ? b.h[int64_t(problem) * size + v] : 0.0);
            const double c = size_of(linear[v]);
            largest_sum = greater(largest_sum, c + total[v]);
            sum += c + total[v];
            ends += coupled[v];
            far |= tiny[v] | (c != 0 && c < SMALLEST);
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
            const double* const __restrict given = pairs + int64_t(i) * width;
            int32_t* const __restrict rounded = steps + int64_t(i) * width;
            for (int j = 0; j < size; ++j) rounded[j] = int32_t(__builtin_nearbyint(given[j] * scale));
            for (int j = size; j < width; ++j) rounded[j] = 0;
            linear[i] = __builtin_nearbyint(linear[i] * scale);
        }
    }

    // `rises`: linear terms first, then pairs in which a variable is the first of the two, then the others.
    void rises(double* rise, double* step) const {
        double *const first = work, *const second = work + padded;
        double *const mean_first = second + padded, *const mean_second = mean_first + padded;
        memset(work, 0, sizeof(double) * 4 * padded);
        const double size = b.spins ? 2.0 : 1.0, share = b.spins ? 1.0 : 0.25;
        for (int v = 0; v < n; ++v) step[v] = __builtin_inf();
        const auto add = [=](const int32_t* __restrict steps, int begin, int end, double* __restrict squares,
                             double* __restrict means, double* __restrict least) {
            for (int v = begin; v < end; ++v) {
                const double s = steps[v] * size;
                squares[v] += s * s * share;
                means[v] += s * 0.5;
                least[v] = lesser(least[v], s == 0 ? __builtin_inf() : size_of(s));
            }
        };
        for (int r = 0; r < n; ++r) {
            add(step_row(r), 0, r, first, mean_first, step);
            add(step_row(r), r + 1, n, second, mean_second, step);
        }
        for (int v = 0; v < n; ++v) {
            const double s = linear[v] * size;
            step[v] = lesser(step[v], s == 0 ? __builtin_inf() : size_of(s));
            const double mean = b.spins ? 0.0 : s + mean_first[v] + mean_second[v];
            const double square = (b.spins ? s * s : 0.0) + first[v] + second[v];
            rise[v] = __builtin_sqrt(mean * mean + square);
        }
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
        const bool usual = read(problem);
        const int room = b.gain_bits - gain_exponent(), wanted = usual ? places(room) : NONE;
        const int enough = wanted == NONE ? 0 : wanted, exponent = enough < room ? enough : room;
        b.rounded[problem] = wanted > exponent;
        b.others[problem] = !usual || (b.rounded[problem] && may_be_square());
        if (b.others[problem]) return;
        const bool matrix = n <= b.most_dense && 2.0 * couplings / n > b.dense_degree + b.dense_share * n;
        b.strategy[problem] = matrix ? WINDOW : LANE_NEIGHBOUR;
        b.exponent[problem] = exponent;
        steps = matrix ? b.weights + int64_t(problem) * b.stride : b.steps;
        round(exponent);
        rises(b.rise + int64_t(problem) * n, b.step + int64_t(problem) * n);
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

// The cost of a state without the constant, as floats each of which is exact, most significant first; `count` of them,
// and 1 in their place if these are too few. Coefficients are cut into digits on a grid so coarse that no sum of digits
// needs more than 53 bits (gpuqio/evaluation.py).
constexpr int PARTS = 4;
inline bool exact_cost(Quadratic& q, const int8_t* state, double* parts) {
    const int n = q.n;
    double* const values = q.work;
    for (int v = 0; v < n; ++v) values[v] = state[v];
    int width = 53;
    for (int64_t terms = int64_t(n) * (n + 1) / 2; terms; terms >>= 1) --width;
    double largest = 0;
    for (int i = 0; i < n; ++i) {
        double* const row = q.row(i);
        for (int j = i + 1; j < n; ++j) {
            row[j] *= values[i] * values[j];
            largest = greater(largest, size_of(row[j]));
        }
        q.linear[i] *= values[i];
        largest = greater(largest, size_of(q.linear[i]));
    }
    for (int part = 0; part < PARTS; ++part) {
        parts[part] = 0;
        if (largest == 0) continue;
        const int grid = exponent_of(largest) - width;
        const double down = power(-grid), up = power(grid);
        double sum = 0;
        largest = 0;
        for (int i = 0; i < n; ++i) {
            double* const row = q.row(i);
            const auto cut = [&](double& rest) {
                const double digit = __builtin_nearbyint(rest * down);
                rest -= digit * up;
                largest = greater(largest, size_of(rest));
                return digit;
            };
            sum += cut(q.linear[i]);
            for (int j = i + 1; j < n; ++j) sum += cut(row[j]);
        }
        parts[part] = sum * up;
    }
    return largest == 0;
}

}  // namespace dense
}  // namespace gq
