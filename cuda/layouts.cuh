// layouts.cuh: what a kernel is given. One plain struct a problem, shared with Python (gpuqio/engines/native.py).
//
// Every problem is written in bits b: its energy changes by (1 - 2 b_i) G_i when bit i flips, where the gain
//     G_i = base_i + sum over i's entries of weight * combine(bits of the entry's members).
// For ising a set bit is a spin down, s = 1 - 2b. Weights are integers (fixed point, |G_i| < 2^28), so that gains,
// energies and acceptances are exact, associative and the same on every machine.
#pragma once
#include "warp.cuh"
namespace gq {

enum strategy : int32_t {
    WINDOW = 0,          // dense quadratic: weights is a symmetric matrix, rows padded to 32
    LANE_NEIGHBOUR = 1,  // sparse quadratic: an entry has one member, a variable an even number of entries
    LANE_PARITY = 2,     // ising of any degree: combine = exclusive or of the other members
    LANE_PRODUCT = 3,    // pubo of any degree: combine = and of the other members
    LANE_GROUPED = 4,    // with squared sums, and 64 bits in place of 28: moves/grouped.cuh
    BITSLICED = 5,       // sparse quadratic, small integers: moves/bitsliced.cuh
};

// What a sweep is, and what comes with it; gpuqio/solvers/move.py has the same numbers.
enum class move : int32_t {
    METROPOLIS = 0,   // one attempt a variable; between rungs, exchange
    POPULATION = 1,   // resampling, then one attempt a variable
    WALK = 2,         // resampling, then random flips
    PATH = 3,         // clusters along imaginary time
    TABU = 4,         // the best flip that is not forbidden
    BIFURCATION = 5,  // classical nonlinear oscillators
    CLUSTER = 6,      // one attempt a variable, exchange, isoenergetic clusters
    EXHAUSTIVE = 7,   // a stretch of a Gray code
    ADAPTIVE = 8,     // as POPULATION, by steps that it chooses itself
};

struct Problem {
    int32_t strategy, n, num_members;
    const int32_t* base;     // n, WINDOW: padded to 32
    const void* weights;     // WINDOW: n x padded n, weight_bytes each; LANE: entries, variable by variable, two int32
                             // each: the weight, then the member (NEIGHBOUR) or where its members end
    const int32_t* ends;     // n: where a variable's entries end
    const int32_t* members;  // beyond quadratic: entry by entry
    int64_t zero_energy;     // energy of the state of all bits 0

    // LANE_GROUPED alone. An entry combines as in LANE_PARITY or in LANE_PRODUCT.
    int32_t parity, groups;
    const int64_t* wide_base;      // n: in place of base
    const int64_t* wide_weights;   // in place of the entries' weights
    const int32_t* group_offsets;  // n + 1: memberships of a variable
    const int32_t* group;          // of a membership
    const int32_t* slope;          // of a membership: what the group's sum gains when the bit is set
    const int64_t* factor;         // of a membership: the slope times the group's coefficient
    const int32_t* zero_sums;      // groups: sums in the state of all bits 0
    int32_t* sums;                 // warps x groups x 32, the only thing here that changes; see of_warp

    // BITSLICED alone, with W = bits + 1. base: n records of 2 W + 2: where the sum of its entries starts, a word of
    // ones or zeros for each of W binary digits; what a set bit changes of them; such a word that says whether its rises
    // are odd; and 1 if a set bit changes anything. weights: entries, pairwise, apart for each of the three binary digits
    // of the weights: a word that is added to the member's, and 8 times the member. ends: three a variable, one a digit.
    int32_t bits;  // binary digits of the largest X: 2, 3, 6 or 9
    int32_t unit;  // of 2X + odd, twice
};

struct Ensemble {
    Problem problem;
    uint32_t seed_low, seed_high;
    int32_t first_chain;       // the chains are first_chain, first_chain + 1, ...: by these numbers they find their
    int32_t chains;            // arrays and draw. `chains / rungs` whole ladders, or independent restarts
    int32_t rungs;             // 0: anneal, every chain at temperature[sweep]; else rungs of a ladder with exchange
    int32_t sweep, sweeps;     // next sweep, sweeps in all
    int32_t weight_bytes;      // WINDOW: 4, on a GPU also 2 or 1; else 4
    int32_t planes;            // WINDOW: so many digits -128..127 to the base 256 hold any weight
    int32_t move;              // what a sweep is
    int32_t option[4];         // of the move, as its header says
    int64_t goal;              // stop at the end of the sweep in which a best energy is at most this
    float* temperature;        // in integer units: a sweep's (anneal) or a rung's (ladder), hottest first; ADAPTIVE
                               // alone writes to it
    const float* gap;          // rungs - 1: (beta[r+1] - beta[r]) x unit
    const float* table;        // of the move
    const uint32_t* levels;    // BITSLICED: sweeps x (digits + 1) x levels, lowest digit even, odd, the others
    float* chain_temperature;  // chains, ladder only
    int32_t* chain_at;         // chains: which chain stands at slot = ladder * rungs + rung
    int64_t* energy;           // chains
    int64_t* best_energy;      // chains
    int32_t* gains;            // WINDOW: chains x padded n
    uint32_t* spins;           // WINDOW: chains x words; LANE: warps x n, a bit a chain;
                               // BITSLICED: rows of 8 n words, a bit a chain, 8 words a variable
    uint32_t* best_spins;      // as spins
    int64_t* swaps;            // max(rungs - 1, 0): accepted exchanges between r and r+1
    int32_t* memory;           // the move's own state, zero at first
    int64_t* log;              // the move's own results, zero at first
    int64_t flips;
    int64_t reached;  // sweep after which the best energy was found, all chains together
    int64_t lowest;   // the best energy found so far, all chains together
};

}  // namespace gq
