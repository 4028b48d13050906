// blocks.cuh: the sweep of moves/window.cuh on a CPU, where one warp has all chains: blocks of variables outside, chains
// inside.
//
// Chains don't meet within a sweep, so each may wait after any variable: rows of the matrix are then used for many chains
// while they are near, and the flips of a block are added to a chain's other gains in one pass. The sums are of integers,
// in another order. Two chains side by side hide each other's latency, from a flip to the ballot that asks for the next.
#pragma once
#include "../moves/window.cuh"
namespace gq {

constexpr int block_windows = 2;  // a block and a tile are each 64 x 64 weights: half of a first-level cache
constexpr int block_size = 32 * block_windows;
constexpr int panel_gains = 1 << 18;  // chains wait for one another while so many gains, 1 MiB, stay in a second cache:
constexpr int few_chains = 128, most_chains = 1024;  // at least, and at most, so many
constexpr int fewest_chains = 16;                    // to bring rows nearer costs fewer more than it saves

// The bits that a chain flipped in a block, and those of them that it cleared.
struct Flips {
    uint64_t all, cleared;
    GQ_MEMBER int count() const { return bits(all); }
    GQ_MEMBER int count_cleared() const { return bits(cleared); }
    GQ_MEMBER static int bits(uint64_t x) { return population(unsigned(x)) + population(unsigned(x >> 32)); }
};

struct BlockChain {
    int32_t* gains;   // of the block
    uint32_t* spins;  // of the block
    int64_t* energy;
    Flips* flips;
    float temperature;
};

// Weights of a block's rows in one or two windows of columns, out of the matrix, where rows would share cache sets.
struct Tile {
    alignas(64) int32_t row[block_size][block_size];
    GQ_MEMBER void copy(const int32_t* from, int stride, int rows, int windows) {
        for (int r = 0; r < rows; ++r)
            for (int k = 0; k < windows; ++k) store(row[r] + 32 * k, load(from + int64_t(r) * stride + 32 * k));
    }
};

// Adds flips to WINDOWS windows of gains: those from column `column` of the tile on. -x is ~x + 1.
template <int WINDOWS>
GQ void add_flips(const Tile& tile, int column, const Flips& flips, int32_t* gains) {
    vi gain[WINDOWS];
    const int cleared = flips.count_cleared();
    GQ_UNROLL for (int k = 0; k < WINDOWS; ++k) gain[k] = load(gains + 32 * k) + cleared;
    for (uint64_t left = flips.all; left; left &= left - 1) {
        const int f = __builtin_ctzll(left);
        const int32_t* const row = tile.row[f] + column;
        const int sign = -int((flips.cleared >> f) & 1u);
        GQ_UNROLL for (int k = 0; k < WINDOWS; ++k) gain[k] = gain[k] + (load_int(row + 32 * k) ^ sign);
    }
    GQ_UNROLL for (int k = 0; k < WINDOWS; ++k) store(gains + 32 * k, gain[k]);
}

// The attempts of window `k` of a block in N chains, of which word[i] are the random words of chain i. A chain without
// a hit goes along with a row of zeros, because a branch would be mispredicted.
template <int N>
GQ void attempt(const Tile& block, const BlockChain* chain, const vu* const (&word)[N], int k, unsigned valid,
                Flips (&flips)[N]) {
    alignas(64) static const int32_t zeros[32] = {};
    vi limit[N], tie[N], rise[N];
    vb before[N];
    unsigned set[N], waiting[N];
    int64_t energy[N];
    GQ_UNROLL for (int i = 0; i < N; ++i) {
        limit[i] = threshold(*word[i], splat(chain[i].temperature));
        tie[i] =
            keep(!tails(*word[i]), splat(int(0x80000000u)));  // the rise that loses though it is no higher; or none
        set[i] = chain[i].spins[k];
        before[i] = spread(set[i]);
        rise[i] = negate_if(before[i], load(chain[i].gains + 32 * k));
        waiting[i] = valid;
        energy[i] = *chain[i].energy;
    }
    for (;;) {
        unsigned hit[N], any = 0;
        GQ_UNROLL for (int i = 0; i < N; ++i) {
            hit[i] = ~ballot((rise[i] > limit[i]) | (rise[i] == tie[i])) & waiting[i];
            any |= hit[i];
        }
        if (!any) break;
        GQ_UNROLL for (int i = 0; i < N; ++i) {
            const int source = first(hit[i] | 0x80000000u);
            const unsigned was_set = (set[i] >> source) & 1u;
            const int32_t* const row = hit[i] ? block.row[32 * k + source] + 32 * k : zeros;
            energy[i] += hit[i] ? bcast(rise[i], source) : 0;
            rise[i] = plus_minus(rise[i], before[i] ^ uniform(was_set), load_int(row));
            set[i] ^= hit[i] & -hit[i];
            waiting[i] &= ~(hit[i] ^ (hit[i] - 1u));  // those behind the hit
        }
    }
    GQ_UNROLL for (int i = 0; i < N; ++i) {
        store(chain[i].gains + 32 * k, negate_if(before[i], rise[i]));
        *chain[i].energy = energy[i];
        const unsigned all = chain[i].spins[k] ^ set[i];
        flips[i] = {uint64_t(all) << (32 * k), uint64_t(all & ~set[i]) << (32 * k)};
        chain[i].spins[k] = set[i];
    }
}

// All attempts of a block of `windows` in N chains; word[windows * i] is the first of chain i. `last`: those of the last
// window that are variables.
template <int N>
GQ void attempt_block(const Tile& block, const BlockChain* chain, const vu* word, int windows, unsigned last) {
    GQ_UNROLL for (int i = 0; i < N; ++i) * chain[i].flips = {0, 0};
    for (int k = 0; k < windows; ++k) {
        Flips own[N];
        const vu* drawn[N];
        GQ_UNROLL for (int i = 0; i < N; ++i) drawn[i] = word + windows * i + k;
        attempt<N>(block, chain, drawn, k, k + 1 < windows ? ~0u : last, own);
        GQ_UNROLL for (int i = 0; i < N; ++i) {
            chain[i].flips->all |= own[i].all;
            chain[i].flips->cleared |= own[i].cleared;
        }
        if (windows == 1) continue;
        const int other = 32 * (1 - k);
        GQ_UNROLL for (int i = 0; i < N; ++i) add_flips<1>(block, other, own[i], chain[i].gains + other);
    }
}

struct Panel {
    Flips flips[most_chains];
    Tile block, tile;
};

// The variables of `windows` windows from `k` on, in the chains from `begin` to `end`. Returns the flips.
GQ int64_t sweep_block(const Ensemble& e, int sweep, const int32_t* weights, key seed, int k, int windows, int begin,
                       int end, Panel& panel) {
    const int words = window_words(e.problem), stride = 32 * words, group = window_group(windows);
    const int size = 32 * (k + windows) < e.problem.n ? 32 * windows : e.problem.n - 32 * k;
    const unsigned last = size & 31 ? (1u << (size & 31)) - 1u : ~0u;
    const int32_t* const rows = weights + int64_t(32) * k * stride;
    int64_t flips = 0;
    panel.block.copy(rows + 32 * k, stride, size, windows);
    for (int c = begin; c < end; c += group) {
        const int count = c + group < end ? group : end - c;
        BlockChain chain[4];
        for (int i = 0; i < count; ++i)
            chain[i] = {e.gains + int64_t(c + i) * stride + 32 * k, e.spins + int64_t(c + i) * words + k,
                        e.energy + c + i, panel.flips + (c + i - begin),
                        e.rungs ? e.chain_temperature[c + i] : e.temperature[sweep]};
        vu draws[4];
        window_draw(windows, unsigned(c), 0, unsigned(sweep), seed, draws, k);
        int i = 0;
        for (; i + 2 <= count; i += 2) attempt_block<2>(panel.block, chain + i, draws + windows * i, windows, last);
        if (i < count) attempt_block<1>(panel.block, chain + i, draws + windows * i, windows, last);
        for (i = 0; i < count; ++i) flips += chain[i].flips->count();
    }
    for (int column = 0; column < words;) {
        if (column == k) {
            column += windows;
            continue;
        }
        const bool two = column + 2 <= (column < k ? k : words);
        panel.tile.copy(rows + 32 * column, stride, size, two ? 2 : 1);
        for (int c = begin; c < end; ++c) {
            const Flips& own = panel.flips[c - begin];
            int32_t* const gains = e.gains + int64_t(c) * stride + 32 * column;
            if (two) {
                add_flips<2>(panel.tile, 0, own, gains);
            } else {
                add_flips<1>(panel.tile, 0, own, gains);
            }
        }
        column += two ? 2 : 1;
    }
    return flips;
}

// Sweep `sweep` of every chain, in panels of about as many. Returns the flips. Compiled once for all its callers.
static __attribute__((noinline)) int64_t sweep_blocks(const Ensemble& e, int sweep, const int32_t* weights, key seed) {
    const int words = window_words(e.problem), all = e.first_chain + e.chains;
    int most = panel_gains / (32 * words);
    most = most < few_chains ? few_chains : most < most_chains ? most : most_chains;
    const int panels = (e.chains + most - 1) / most;
    const int share = ((e.chains + panels - 1) / panels + 3) & ~3;  // four chains may draw together
    Panel panel;
    int64_t flips = 0;
    for (int begin = e.first_chain; begin < all; begin += share) {
        const int end = begin + share < all ? begin + share : all;
        for (int k = 0; k < words; k += block_windows) {
            const int windows = words - k < block_windows ? words - k : block_windows;
            flips += sweep_block(e, sweep, weights, seed, k, windows, begin, end, panel);
        }
    }
    return flips;
}

}  // namespace gq
