// planes.cuh: dense Metropolis, lane = chain: 32 chains meet the same variable at the same time.
//
// A chain's bits are bytes 0 and 1 in the registers of its lane, and the weights are cut into planes of bytes, so that
// four products are one instruction. Gains are computed afresh: an attempt costs the same at every temperature, nothing
// waits for a ballot, and nothing is stored but bits (window.cuh's; the gains stay as `start` left them).
// Registers can't be indexed at run time, so eight variables are written out, and then all is turned by two registers.
// A row in shared memory has its bytes in the order in which its variable finds the registers.
// For GPUs alone: a lane value is a scalar here.
#pragma once
#include "../ensemble.cuh"
namespace gq {

// A matrix in shared memory, rows padded to 32 WORDS and their number to a multiple of eight.
struct Planes {
    const int32_t* base;
    const uint4* rows;  // of a variable `count` planes, the highest first
    int count;
};

// A weight is a number to the base 256 with digits -128..127. What is beyond the last variable never passes.
template <int WORDS>
GQ Planes cut_planes(const Ensemble& e, uint4* shared) {
    auto* const base = reinterpret_cast<int32_t*>(shared);
    auto* const bytes = reinterpret_cast<uint32_t*>(shared + 8 * WORDS);
    const int n = e.problem.n, stride = 32 * window_words(e.problem), planes = e.planes;
    const Matrix matrix = {e.problem.weights, stride, e.weight_bytes};
    if (team_rank() == 0) each(32 * WORDS, [&](int v) { base[v] = v < n ? e.problem.base[v] : 0x7fffffff; });
    for (int v = team_rank(); v < ((n + 7) & ~7); v += team_size())
        matrix.row(v < n ? v : 0, [&](const auto* row) {
            each(8 * WORDS, [&](int j) {
                unsigned plane[4] = {0, 0, 0, 0};
                GQ_UNROLL for (int i = 0; i < 4; ++i) {
                    const int u = ((v & ~7) + 4 * j + i) & (32 * WORDS - 1);
                    const unsigned digits = (unsigned(v < n && u < stride ? row[u] : 0) + 0x80808080u) ^ 0x80808080u;
                    GQ_UNROLL for (int p = 0; p < 4; ++p) plane[p] |= ((digits >> (8 * p)) & 255u) << (8 * i);
                }
                GQ_UNROLL for (int p = 0; p < 4; ++p) if (p < planes)
                    bytes[(v * planes + planes - 1 - p) * 8 * WORDS + j] = plane[p];
            });
        });
    return {base, shared + 8 * WORDS, planes};
}

// Downwards, because x[0] and x[1] are what the variable before may have changed.
template <int WORDS>
GQ vi dot(const uint4* row, const vu (&x)[8 * WORDS], vi sum) {
    GQ_UNROLL for (int i = 2 * WORDS - 1; i >= 0; --i) {
        const uint4 bytes = row[i];
        sum = dot_bytes(bytes.w, x[4 * i + 3], sum);
        sum = dot_bytes(bytes.z, x[4 * i + 2], sum);
        sum = dot_bytes(bytes.y, x[4 * i + 1], sum);
        sum = dot_bytes(bytes.x, x[4 * i], sum);
    }
    return sum;
}

// One sweep of 32 chains, `chain` the lane's own. Adds to `energy`, returns the accepted flips, both of each lane.
template <int WORDS, int COUNT>
GQ vi planes_sweep(vu (&x)[8 * WORDS], int n, const Planes& planes, const vf& temperature, const vu& chain,
                   unsigned sweep, key seed, int64_t& energy) {
    vi flips = splat(0);
    for (int block = 0; block < 4 * WORDS; ++block) {
        if (8 * block < n) {
            const uint4* const row = planes.rows + block * (16 * WORDS * COUNT);
            vi change = splat(0);  // of eight variables: 8 rises below 2^28 fit in 32 bits
            GQ_UNROLL for (int half = 0; half < 2; ++half) {
                vu word[4];
                philox(splat(unsigned(2 * block + half)), splat(sweep), chain, splat(unsigned(FLIP)), seed, word);
                const vu before = x[half];
                GQ_UNROLL for (int i = 0; i < 4; ++i) {
                    const int v = 4 * half + i;
                    vi gain = splat(0);
                    GQ_UNROLL for (int p = 0; p < COUNT; ++p) gain =
                        dot<WORDS>(row + (v * COUNT + p) * 2 * WORDS, x, gain * 256);
                    gain = gain + planes.base[8 * block + v];
                    const vi rise = negate_if(((x[half] >> (8 * i)) & 1u) == 1u, gain);
                    const vb hit = !rejected(rise, threshold(word[i], temperature), word[i]);
                    x[half] = x[half] ^ as_unsigned(keep(hit, splat(1 << (8 * i))));
                    change = change + keep(hit, rise);
                }
                flips = dot_bytes(before ^ x[half], 0x01010101u, flips);
            }
            energy += change;
        }
        const vu first = x[0], second = x[1];
        GQ_UNROLL for (int i = 0; i + 2 < 8 * WORDS; ++i) x[i] = x[i + 2];
        x[8 * WORDS - 2] = first;
        x[8 * WORDS - 1] = second;
    }
    return flips;
}

template <int N>
struct Constant {
    static constexpr int value = N;
};
// f(count as a Constant), for a count of at most MOST.
template <int MOST, class F>
GQ void with_constant(int count, F f) {
    if constexpr (MOST > 1) {
        if (count < MOST) return with_constant<MOST - 1>(count, f);
    }
    f(Constant<MOST>());
}

// Four bits as the lowest bits of four bytes, and back.
GQ vu to_bytes(vu bits) { return ((bits & 15u) * 0x00204081u) & 0x01010101u; }
GQ vu from_bytes(vu bytes) { return (bytes * 0x01020408u) >> 24; }

// Sweep `sweep` of every chain that is this warp's, and the best of each kept. Returns the accepted flips of each lane.
template <int WORDS>
GQ int64_t sweep_planes(Ensemble& e, int sweep, const Planes& planes) {
    const int words = window_words(e.problem);
    int64_t total = 0;
    for (int w = team_rank(); w < warps(e); w += team_size()) {
        const int64_t begin = first_of(e, w);
        vu x[8 * WORDS] = {};
        vote(chains_of(e, w), [&](int l) {
            GQ_UNROLL for (int k = 0; k < WORDS; ++k) {
                const vu set = k < words ? e.spins[(begin + l) * words + k] : 0;
                GQ_UNROLL for (int i = 0; i < 8; ++i) x[8 * k + i] = to_bytes(set >> (4 * i));
            }
            return true;
        });
        const vf temperature = e.rungs ? load(e.chain_temperature + begin) : splat(float(e.temperature[sweep]));
        const vu chain = lane() + unsigned(begin);
        int64_t energy = load(e.energy + begin);
        vi flips = splat(0);
        with_constant<WORDS == 8 ? 2 : 4>(planes.count, [&](auto count) {
            flips = planes_sweep<WORDS, count.value>(x, e.problem.n, planes, temperature, chain, unsigned(sweep),
                                                     seed_of(e), energy);
        });
        vote(chains_of(e, w), [&](int l) {
            const bool better = energy < e.best_energy[begin + l];
            GQ_UNROLL for (int k = 0; k < WORDS; ++k) {
                vu set = 0;
                GQ_UNROLL for (int i = 0; i < 8; ++i) set |= from_bytes(x[8 * k + i]) << (4 * i);
                if (k < words) e.spins[(begin + l) * words + k] = set;
                if (k < words && better) e.best_spins[(begin + l) * words + k] = set;
            }
            e.energy[begin + l] = energy;
            total += flips;
            if (better) lower(&e.lowest, e.best_energy[begin + l] = energy);
            return better;
        });
    }
    return total;
}

template <int WORDS>
GQ void advance_planes(Ensemble& e, int sweeps, const Planes& planes) {
    int64_t flips = 0;
    const auto all = [&](int sweep) { flips += sweep_planes<WORDS>(e, sweep, planes); };
    advance_by(e, sweeps, all, [&](int sweep) { exchange_rungs(e, sweep); });
    add(&e.flips, flips);
    team_sync();
}

}  // namespace gq
