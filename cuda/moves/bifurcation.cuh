// bifurcation.cuh: BIFURCATION, simulated bifurcation, lane = run: 32 runs move the same oscillator at the same time.
//
// A spin is a particle at x between two walls at -1 and 1, driven by the problem's forces while the pressure a rises
// from 0 to 1: ballistic SB takes the forces at the positions, discrete SB at their signs (Goto, Endo, Suzuki, Sakai,
// Kanao, Hamakawa, Hidaka, Yamasaki, Tatsumura, Science Advances 7, eabe7953, 2021). A sweep is a step of time dt:
//     y += (c0 f - (1 - a) x) dt for all,  then x += y dt for all;  at a wall x = -1 or 1, y = 0.
// Heated SB then adds gamma dt times the momentum from before the step, at the walls too, so that particles swing ever
// wider and walls do not quite stop them (Kanao and Goto, Communications Physics 5, 153, 2022).
// A bit is set where x < 0. The force is half the gain: with signs the integer gain of the bits, with positions the
// same polynomial at (1 - x) / 2 in place of bits, so that terms of any degree act on what they name (higher-order SB,
// Kanao and Goto, Appl. Phys. Express 16, 014501, 2023). Bits follow the signs one by one, so energies stay exact.
//
// option: 1 for discrete; 1 for heated. table: dt, c0 / 2 in integer units, by how much the pressure rises a step, and
// gamma dt.
// memory, for each 32 runs: positions (n x 32), momenta (n x 32), and heated those from before the step (n x 32), float.
// MOTION words of variable v at position v >> 1: 2 (v & 1) for how far from 0 it starts, on the side of its first bit,
// at most 0.1; the next for its momentum, between -0.1 and 0.1.
#pragma once
#include "../ensemble.cuh"
namespace gq {

struct Oscillators {
    int32_t *positions, *momenta;
    GQ_MEMBER Oscillators(const Ensemble& e, int first_chain) {
        positions = e.memory + int64_t(first_chain >> 5) * (e.option[1] ? 96 : 64) * e.problem.n;
        momenta = positions + 32 * e.problem.n;
    }
};

GQ vf load_float(const int32_t* p) { return as_float(load(p)); }
GQ void store_float(int32_t* p, const vf& x) { store(p, as_int(x)); }

GQ void place_oscillators(const Ensemble& e, const uint32_t* spins, int c) {
    const Oscillators runs(e, c);
    vu word[4];
    for (int v = 0; v < e.problem.n; ++v) {
        if ((v & 1) == 0)
            philox(splat(unsigned(v >> 1)), splat(0u), lane() + unsigned(c), splat(unsigned(MOTION)), seed_of(e), word);
        const vf far = to_float(as_int((pick(word, 2 * (v & 1)) >> 8) | 1u)) * (0.1f * 0x1p-24f);
        const vi side = keep(spread(spins[v]), splat(int(0x80000000)));
        store(runs.positions + 32 * v, as_int(far) ^ side);
        const vf momentum = to_float(as_int(pick(word, 2 * (v & 1) + 1) >> 8)) - 0x1p23f;
        store_float(runs.momenta + 32 * v, momentum * (0.1f * 0x1p-23f));
    }
}

// The gain of a variable with (1 - x) / 2 for bits.
template <int STRATEGY>
GQ vf soft_gain(const Problem& p, int variable, const int32_t* positions) {
    const auto* entries = static_cast<const int32_t*>(p.weights);
    const auto position = [&](int member) { return load_float(positions + 32 * member); };
    const auto soft = [](const vf& x) { return splat(0.5f) - x * 0.5f; };
    vf gain = splat(float(p.base[variable]));
    for (int entry = first_entry(p, variable); entry < p.ends[variable]; ++entry) {
        const int last = entries[2 * entry + 1];
        vf value = splat(1.0f);
        if constexpr (STRATEGY == LANE_NEIGHBOUR) {
            value = soft(position(last));
        } else if constexpr (STRATEGY == LANE_PARITY) {
            for (int m = first_member(p, entry); m < last; ++m) value = value * position(p.members[m]);
            value = soft(value);
        } else {
            for (int m = first_member(p, entry); m < last; ++m) value = value * soft(position(p.members[m]));
        }
        gain = gain + value * float(entries[2 * entry]);
    }
    return gain;
}

// One step of the `count` runs from chain `c` on; returns the number of flips.
template <int STRATEGY>
GQ int64_t bifurcation_step(Ensemble& e, const Problem& p, uint32_t* spins, int c, int count, int step) {
    if (step == 0) place_oscillators(e, spins, c);
    const Oscillators runs(e, c);
    const float dt = e.table[0], scale = e.table[1], spring = 1.0f - rounded(step) * e.table[2];
    for (int v = 0; v < p.n; ++v) {
        const vf gain =
            e.option[0] ? to_float(lane_gain<STRATEGY>(p, v, spins)) : soft_gain<STRATEGY>(p, v, runs.positions);
        const vf force = gain * scale - load_float(runs.positions + 32 * v) * spring;
        const vf momentum = load_float(runs.momenta + 32 * v);
        if (e.option[1]) store_float(runs.momenta + 32 * (p.n + v), momentum);
        store_float(runs.momenta + 32 * v, momentum + force * dt);
    }
    const unsigned valid = lower_bits(count);
    int64_t flips = 0;
    for (int v = 0; v < p.n; ++v) {
        const vi momentum = load(runs.momenta + 32 * v);
        const vf x = load_float(runs.positions + 32 * v) + as_float(momentum) * dt;
        const vb outside = (x > 1.0f) | (splat(-1.0f) > x);
        const vf inside = smaller(smaller(x, 1.0f) * -1.0f, 1.0f) * -1.0f;
        store_float(runs.positions + 32 * v, inside);
        vi left = keep(!outside, momentum);
        if (e.option[1]) left = as_int(as_float(left) + load_float(runs.momenta + 32 * (p.n + v)) * e.table[3]);
        store(runs.momenta + 32 * v, left);
        const unsigned before = spins[v], hit = (ballot(splat(0.0f) > inside) ^ before) & valid;
        if (!hit) continue;
        const auto rise = negate_if(spread(before), lane_gain<STRATEGY>(p, v, spins));
        add_each(e.energy + c, keep(spread(hit), rise));
        lane_flip<STRATEGY>(p, v, spins, hit);
        flips += population(hit);
    }
    return flips;
}

// BIFURCATION.
template <int STRATEGY>
GQ void advance_bifurcation(Ensemble& e, int sweeps) {
    const auto all = [&](int sweep) {
        each_warp_of_lanes(e, [&](const Problem& problem, uint32_t* spins, int w) {
            return bifurcation_step<STRATEGY>(e, problem, spins, first_of(e, w), chains_of(e, w), sweep);
        });
    };
    advance_by(e, sweeps, all, [](int) {});
}

}  // namespace gq
