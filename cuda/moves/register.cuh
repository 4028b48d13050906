// register.cuh: small dense Metropolis, lane = chain, a chain's gains in the registers of its lane.
//
// The trajectory is window.cuh's: the same order, the same words. A flip costs one multiply-add a variable, whatever
// the acceptance, and nothing waits for a ballot; worth it while all gains fit in registers, that is to 64 variables.
// Registers can't be indexed at run time, so eight variables are written out and then everything is turned by eight:
// gains, bits and words kept for later. A matrix row is stored twice over, so that a turned row is a part of it.
// For GPUs alone: a lane value is a scalar here.
#pragma once
#include "../ensemble.cuh"
namespace gq {

template <int WORDS>
struct RegisterChain {
    static constexpr int size = 32 * WORDS;
    vi gain[size];
    vu set[WORDS];  // bit 0 of set[0] is the variable that gain[0] is of
    vu later[32];   // WORDS == 2: the second window's words, drawn with the first's
};

template <int WORDS>
GQ void turn(RegisterChain<WORDS>& c) {
    vi gain[8];
    vu later[8];
    GQ_UNROLL for (int i = 0; i < 8; ++i) {
        gain[i] = c.gain[i];
        later[i] = c.later[i];
    }
    GQ_UNROLL for (int i = 0; i + 8 < c.size; ++i) c.gain[i] = c.gain[i + 8];
    GQ_UNROLL for (int i = 0; i < 24; ++i) c.later[i] = c.later[i + 8];
    GQ_UNROLL for (int i = 0; i < 8; ++i) {
        c.gain[c.size - 8 + i] = gain[i];
        c.later[24 + i] = later[i];
    }
    const vu low = c.set[0];
    GQ_UNROLL for (int k = 0; k < WORDS; ++k) c.set[k] = (c.set[k] >> 8) | ((k + 1 < WORDS ? c.set[k + 1] : low) << 24);
}

// The word of variable 8 block + i: window and position as in window.cuh. `chain` is the lane's own.
template <int WORDS>
GQ vu register_draw(RegisterChain<WORDS>& c, int block, int i, const vu& chain, unsigned sweep, key seed) {
    if (WORDS == 2 && block >= 4) return c.later[i];
    vu word[4];
    philox(splat(unsigned((8 * block + i) & 31)), splat(sweep), WORDS == 2 ? chain >> 1 : chain >> 2,
           splat(unsigned(FLIP)), seed, word);
    const vb odd = (chain & 1u) == 1u, upper = (chain & 2u) == 2u;
    if constexpr (WORDS == 2) {
        c.later[i] = select(odd, word[3], word[1]);
        return select(odd, word[2], word[0]);
    } else {
        return select(upper, select(odd, word[3], word[2]), select(odd, word[1], word[0]));
    }
}

// One sweep of 32 chains. `rows`: n rows of 2 size weights. Returns the energies' change; counts flips in each lane.
template <int WORDS>
GQ void register_sweep(RegisterChain<WORDS>& c, int n, const int32_t* rows, const vf& temperature, const vu& chain,
                       unsigned valid, unsigned sweep, key seed, int64_t* energy, vi& flips) {
    for (int block = 0; block < 4 * WORDS; ++block) {
        vi change = splat(0);  // of eight variables: 8 rises below 2^28 fit in 32 bits
        GQ_UNROLL for (int i = 0; i < 8; ++i) {
            if (8 * block + i >= n) break;
            const vu word = register_draw(c, block, i, chain, sweep, seed);
            const vb down = ((c.set[0] >> i) & 1u) == 1u;
            const vi rise = negate_if(down, c.gain[i]);
            const vb hit = spread(accepted(rise, threshold(word, temperature), tails(word)) & valid);
            const vi step = keep(hit, negate_if(down, splat(1)));
            const int32_t* row = rows + (8 * block + i) * (2 * c.size) + 8 * block;
            GQ_UNROLL for (int j = 0; j < c.size; ++j) c.gain[j] = c.gain[j] + step * int(row[j]);
            c.set[0] = c.set[0] ^ (as_unsigned(keep(hit, splat(1))) << i);
            change = change + keep(hit, rise);
            flips = flips + keep(hit, splat(1));
        }
        add_each(energy, change);
        turn(c);
    }
}

// The chains stay in registers for the whole slice, so a team needs a warp for each 32 of them; more warps look on.
template <int WORDS>
GQ void advance_registers(Ensemble& e, int sweeps, const int32_t* rows) {
    const int w = team_rank(), count = w < warps(e) ? chains_of(e, w) : 0;
    const int64_t begin = first_of(e, w);
    const vu chain = lane() + unsigned(begin);
    RegisterChain<WORDS> c = {};
    vi flips = splat(0);
    vote(count, [&](int l) {
        GQ_UNROLL for (int j = 0; j < c.size; ++j) c.gain[j] = e.gains[(begin + l) * c.size + j];
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) c.set[k] = e.spins[(begin + l) * WORDS + k];
        return true;
    });
    const auto all = [&](int sweep) {
        if (count == 0) return;
        const vf temperature = e.rungs ? load(e.chain_temperature + begin) : splat(float(e.temperature[sweep]));
        register_sweep(c, e.problem.n, rows, temperature, chain, lower_bits(count), unsigned(sweep), seed_of(e),
                       e.energy + begin, flips);
        vote(count, [&](int l) {
            const int64_t energy = e.energy[begin + l];
            if (energy >= e.best_energy[begin + l]) return false;
            lower(&e.lowest, e.best_energy[begin + l] = energy);
            GQ_UNROLL for (int k = 0; k < WORDS; ++k) e.best_spins[(begin + l) * WORDS + k] = c.set[k];
            return true;
        });
    };
    advance_by(e, sweeps, all, [&](int sweep) { exchange_rungs(e, sweep); });
    vote(count, [&](int l) {
        GQ_UNROLL for (int j = 0; j < c.size; ++j) e.gains[(begin + l) * c.size + j] = c.gain[j];
        GQ_UNROLL for (int k = 0; k < WORDS; ++k) e.spins[(begin + l) * WORDS + k] = c.set[k];
        add(&e.flips, flips);
        return true;
    });
    team_sync();
}

}  // namespace gq
