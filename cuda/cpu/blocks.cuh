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

// The bits that a chain set in a block, and those that it cleared.
struct Flips {
    uint64_t set, cleared;
    GQ_MEMBER int count() const {
        const uint64_t all = set | cleared;
        return population(unsigned(all)) + population(unsigned(all >> 32));
    }
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

// Adds flips to the first WINDOWS windows of a tile's gains. Two loops without a sign cost less than one with it.
template <int WINDOWS>
GQ void add_flips(const Tile& tile, const Flips& flips, int32_t* gains) {
    vi gain[WINDOWS];
    GQ_UNROLL for (int k = 0; k < WINDOWS; ++k) gain[k] = load(gains + 32 * k);
    for (uint64_t left = flips.set; left; left &= left - 1) {
        const int32_t* const row = tile.row[__builtin_ctzll(left)];
        GQ_UNROLL for (int k = 0; k < WINDOWS; ++k) gain[k] = gain[k] + load_int(row + 32 * k);
    }
    for (uint64_t left = flips.cleared; left; left &= left - 1) {
        const int32_t* const row = tile.row[__builtin_ctzll(left)];
        GQ_UNROLL for (int k = 0; k < WINDOWS; ++k) gain[k] = gain[k] - load_int(row + 32 * k);
    }
    GQ_UNROLL for (int k = 0; k < WINDOWS; ++k) store(gains + 32 * k, gain[k]);
}

// The attempts of window `k` of a block in N chains, of which word[i] are the random words of chain i; their flips are
// added to the gains of both windows. A chain without a hit goes along with a row of zeros, because a branch would be
// mispredicted. The next ballot doesn't wait for the gains of the other window.
template <int N, int WINDOWS>
GQ void attempt(const Tile& block, const BlockChain* chain, const vu* const (&word)[N], int k, unsigned valid) {
    alignas(64) static const int32_t zeros[block_size] = {};
    const int own = 32 * k, other = WINDOWS > 1 ? 32 * (1 - k) : 0;
    vi limit[N], tie[N], rise[N], next[N];
    vb before[N];
    unsigned set[N], waiting[N];
    int64_t energy[N];
    GQ_UNROLL for (int i = 0; i < N; ++i) {
        limit[i] = threshold(*word[i], splat(chain[i].temperature));
        tie[i] =
            keep(!tails(*word[i]), splat(int(0x80000000u)));  // the rise that loses though it is no higher; or none
        set[i] = chain[i].spins[k];
        before[i] = spread(set[i]);
        rise[i] = negate_if(before[i], load(chain[i].gains + own));
        if (WINDOWS > 1) next[i] = load(chain[i].gains + other);
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
            const vb was_set = uniform((set[i] >> source) & 1u);
            const int32_t* const row = hit[i] ? block.row[own + source] : zeros;
            energy[i] += hit[i] ? bcast(rise[i], source) : 0;
            rise[i] = plus_minus(rise[i], before[i] ^ was_set, load_int(row + own));
            if (WINDOWS > 1) next[i] = plus_minus(next[i], was_set, load_int(row + other));
            set[i] ^= hit[i] & -hit[i];
            waiting[i] &= ~(hit[i] ^ (hit[i] - 1u));  // those behind the hit
        }
    }
    GQ_UNROLL for (int i = 0; i < N; ++i) {
        store(chain[i].gains + own, negate_if(before[i], rise[i]));
        if (WINDOWS > 1) store(chain[i].gains + other, next[i]);
        *chain[i].energy = energy[i];
        chain[i].flips->set |= uint64_t(set[i] & ~chain[i].spins[k]) << own;
        chain[i].flips->cleared |= uint64_t(chain[i].spins[k] & ~set[i]) << own;
        chain[i].spins[k] = set[i];
    }
}

// All attempts of a block of WINDOWS in N chains; word[WINDOWS * i] is the first of chain i. `last`: those of the last
// window that are variables.
template <int N, int WINDOWS>
GQ void attempt_block(const Tile& block, const BlockChain* chain, const vu* word, unsigned last) {
    GQ_UNROLL for (int i = 0; i < N; ++i) * chain[i].flips = {0, 0};
    for (int k = 0; k < WINDOWS; ++k) {
        const vu* drawn[N];
        GQ_UNROLL for (int i = 0; i < N; ++i) drawn[i] = word + WINDOWS * i + k;
        attempt<N, WINDOWS>(block, chain, drawn, k, k + 1 < WINDOWS ? ~0u : last);
    }
}

template <int WINDOWS>
GQ void attempt_chains(const Tile& block, const BlockChain* chain, int count, const vu* word, unsigned last) {
    int i = 0;
    for (; i + 2 <= count; i += 2) attempt_block<2, WINDOWS>(block, chain + i, word + WINDOWS * i, last);
    if (i < count) attempt_block<1, WINDOWS>(block, chain + i, word + WINDOWS * i, last);
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
        if (windows == 2) {
            attempt_chains<2>(panel.block, chain, count, draws, last);
        } else {
            attempt_chains<1>(panel.block, chain, count, draws, last);
        }
        for (int i = 0; i < count; ++i) flips += chain[i].flips->count();
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
                add_flips<2>(panel.tile, own, gains);
            } else {
                add_flips<1>(panel.tile, own, gains);
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
