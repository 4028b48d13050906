// tabu.cuh: tabu search. Lane = walker: 32 walkers look at the same variable at the same time; or WINDOW, warp = walker:
// a walker looks at 32 variables at a time. A sweep is one move.
//
// Each walker flips its best variable: the one whose flip gives the lowest energy, uphill too, of those that it did
// not flip in the last `tenure` moves, or whose flip gives a new best of the walker (aspiration). Where all are tabu, it
// stays. Of equals the one with the lowest rank, variable x golden ratio xor a random word of the walker's move: with
// the first of them, problems whose gains are few small integers would be searched in the order of their variables.
// Ranks are not quite uniform: of 16 equals one may be taken four times as often as another.
//
// option: tenure in moves, and the most that is added to it at random, drawn at each move.
// memory, for each 32 walkers: the move at which each variable may be flipped again (n x 32), how far each is above its
// best (32), and gains (n x 32). Gains are computed once; a flip changes those of its neighbours alone, and there are
// as many lists of neighbours as walkers, so a lane goes through its own. LANE_GROUPED has the first of the three alone:
// in a squared sum all are neighbours, so gains are computed afresh. WINDOW: for each walker, the first of the three, up
// to whole windows; its gains are those that every dense layout has, and a flip adds a row of the matrix.
#pragma once
#include "../ensemble.cuh"
namespace gq {

constexpr unsigned golden = 0x9E3779B9u, golden_inverse = 0x144CBC89u;  // their product is 1: a rank tells its variable

// The move at which a variable flipped in `move` is free again.
GQ int free_again(const Ensemble& e, int move, unsigned word) {
    return move + 1 + e.option[0] + int(uint64_t(word) * unsigned(e.option[1] + 1) >> 32);
}

template <int STRATEGY>
struct TabuMemory {
    int32_t *free_at, *above, *gains;
    GQ_MEMBER TabuMemory(const Ensemble& e, int first_chain) {
        const int n = e.problem.n;
        free_at = e.memory + int64_t(first_chain >> 5) * (STRATEGY == LANE_GROUPED ? 32 * n : 64 * n + 32);
        above = free_at + 32 * n;
        gains = above + 32;
    }
    // How far the walkers from chain `c` on are above their bests: exactly, or more than any rise.
    GQ_MEMBER auto above_best(const Ensemble& e, int c) const {
        if constexpr (STRATEGY == LANE_GROUPED) {
            return load(e.energy + c) - load(e.best_energy + c);
        } else {
            each(32, [&](int l) {
                const int64_t exact = e.energy[c + l] - e.best_energy[c + l];
                above[l] = exact < 0x40000000 ? int(exact) : 0x40000000;
            });
            return load(above);
        }
    }
    GQ_MEMBER auto gain(const Problem& p, int variable, const uint32_t* spins) const {
        if constexpr (STRATEGY == LANE_GROUPED) {
            return lane_gain<STRATEGY>(p, variable, spins);
        } else {
            return load(gains + 32 * variable);
        }
    }
};

GQ int bit_of(const uint32_t* spins, int variable, int lane) { return int(spins[variable] >> lane) & 1; }

// What the flip of `variable` in chain `lane` does to the gains of its neighbours; the bit is still as it was.
template <int STRATEGY>
GQ void pass_on(const Problem& p, int variable, int lane, const uint32_t* spins, int32_t* gains) {
    const auto* entries = static_cast<const int32_t*>(p.weights);
    const int own = bit_of(spins, variable, lane);
    for (int entry = first_entry(p, variable); entry < p.ends[variable]; ++entry) {
        const int weight = own ? -entries[2 * entry] : entries[2 * entry];
        if constexpr (STRATEGY == LANE_NEIGHBOUR) {
            gains[32 * entries[2 * entry + 1] + lane] += weight;
        } else {
            const int begin = first_member(p, entry), end = entries[2 * entry + 1];
            int set = 0;
            for (int m = begin; m < end; ++m) set += bit_of(spins, p.members[m], lane);
            for (int m = begin; m < end; ++m) {
                const int others = set - bit_of(spins, p.members[m], lane);
                const bool odd = others & 1, all = others == end - begin - 1;
                const int change = STRATEGY == LANE_PARITY ? (odd ? -weight : weight) : all ? weight : 0;
                gains[32 * p.members[m] + lane] += change;
            }
        }
    }
}

// One move of the `count` walkers from chain `c` on; returns how many moved.
template <int STRATEGY>
GQ int64_t tabu_move(Ensemble& e, const Problem& p, uint32_t* spins, int c, int count, int move) {
    const TabuMemory<STRATEGY> memory(e, c);
    if constexpr (STRATEGY != LANE_GROUPED)
        if (move == 0)
            for (int v = 0; v < p.n; ++v) store(memory.gains + 32 * v, lane_gain<STRATEGY>(p, v, spins));
    const auto above = memory.above_best(e, c);
    using number = decltype(mine(above, 0));
    constexpr number none = number(1) << (8 * sizeof(number) - 2);  // more than any rise
    vu word[4];
    philox(splat(0u), splat(unsigned(move)), lane() + unsigned(c), splat(unsigned(TABU)), seed_of(e), word);

    const vi now = splat(move + 1);
    vi lowest = splat(0);
    auto least = splat(none);
    for (int v = 0; v < p.n; ++v) {
        const auto rise = negate_if(spread(spins[v]), memory.gain(p, v, spins));
        const vi rank = as_int(word[0] ^ (unsigned(v) * golden));
        const vb allowed = (now > load(memory.free_at + 32 * v)) | (splat(number(0)) > rise + above);
        const vb better = allowed & ((least > rise) | ((least == rise) & (lowest > rank)));
        least = either(better, rise, least);
        lowest = either(better, rank, lowest);
    }
    const vi chosen = as_int((as_unsigned(lowest) ^ word[0]) * golden_inverse);
    const unsigned moved = ballot(splat(none) > least) & lower_bits(count);
    each(count, [&](int l) {
        if (!((moved >> l) & 1u)) return;
        const int v = mine(chosen, l);
        memory.free_at[32 * v + l] = free_again(e, move, mine(word[1], l));
        if constexpr (STRATEGY != LANE_GROUPED) pass_on<STRATEGY>(p, v, l, spins, memory.gains);
    });
    for (unsigned left = moved; left;) {
        const int v = bcast(chosen, first(left));
        const unsigned same = ballot(chosen == v) & left;
        lane_flip<STRATEGY>(p, v, spins, same);
        left &= ~same;
    }
    add_each(e.energy + c, keep(spread(moved), least));
    return population(moved);
}

// WINDOW: one move of chain `c`; `free_at` lies as its gains do. Each lane keeps the best of its own variables, and no
// two variables have the same rank, so the order in which lanes are compared can't matter.
GQ bool tabu_window_move(Ensemble& e, const Matrix& matrix, int words, int c, int move, unsigned word, unsigned extra) {
    constexpr int none = 1 << 30, never = 0x7fffffff;  // none: more than any rise
    const int64_t place = int64_t(c) * 32 * words, above = e.energy[c] - e.best_energy[c];
    int32_t* const free_at = e.memory + place;
    uint32_t* const spins = e.spins + int64_t(c) * words;
    Gains<0> gains(e.gains + place, words);
    if (move == 0)  // what lies behind the last variable
        store(free_at + 32 * (words - 1), either(spread(last_bits(e.problem, words - 1)), splat(0), splat(never)));
    vi rises, ranks;
    in_parts([&](auto part) {
        const auto now = part(splat(move + 1)), aspired = part(splat(above < none ? -int(above) : -none));
        auto least = part(splat(none)), lowest = part(splat(0));
        auto product = part(lane() * golden);
        for (int k = 0; k < words; ++k) {
            const auto rise = negate_if(part(spread(spins[k])), part(gains.get(k)));
            const auto rank = as_int(product ^ word);
            const auto allowed = (now > part(load(free_at + 32 * k))) | (aspired > rise);
            const auto better = allowed & ((least > rise) | ((least == rise) & (lowest > rank)));
            least = either(better, rise, least);
            lowest = either(better, rank, lowest);
            product = product + 32u * golden;
        }
        part.set(rises, least);
        part.set(ranks, lowest);
    });
    const int rise = minimum(rises);
    if (rise == none) return false;
    const int v = int((unsigned(minimum(either(rises == rise, ranks, splat(never)))) ^ word) * golden_inverse);
    const unsigned set = spins[v >> 5], bit = 1u << (v & 31);
    matrix.row(v, [&](const auto* row) { gains.flip(row, uniform(set & bit), -1); });
    put(&free_at[v], free_again(e, move, extra));
    put(&spins[v >> 5], set ^ bit);
    put(&e.energy[c], e.energy[c] + rise);
    return true;
}

// One move of each of this warp's chains, their words drawn side by side.
GQ void tabu_windows(Ensemble& e, int move) {
    each_warp_of_windows(e, [&](int words, int first, int count) {
        const Matrix matrix = matrix_of(e, e.problem.weights, words);
        vu word[4];
        const vu chain = lane() * unsigned(team_size()) + unsigned(first);
        philox(splat(0u), splat(unsigned(move)), chain, splat(unsigned(TABU)), seed_of(e), word);
        int flips = 0;
        for (int l = 0; l < count; ++l) {
            const int c = first + l * team_size();
            flips += tabu_window_move(e, matrix, words, c, move, bcast(word[0], l), bcast(word[1], l));
        }
        return flips;
    });
}

// TABU.
template <int STRATEGY>
GQ void advance_tabu(Ensemble& e, int sweeps) {
    const auto all = [&](int sweep) {
        if constexpr (STRATEGY == WINDOW) {
            tabu_windows(e, sweep);
        } else {
            each_warp_of_lanes(e, [&](const Problem& problem, uint32_t* spins, int w) {
                return tabu_move<STRATEGY>(e, problem, spins, 32 * w, chains_of(e, w), sweep);
            });
        }
    };
    advance_by(e, sweeps, all, [](int) {});
}

}  // namespace gq
