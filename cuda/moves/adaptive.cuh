// adaptive.cuh: ADAPTIVE, population annealing whose steps of beta are chosen from the population on the way.
//
// option: how (see pace), sweeps of a step, and for CULLING the fraction times 2^31. table: see entry; betas are times
// the unit. log: the founders (resample.cuh), then for each step the sum of weights and the lowest energy before it, and
// the beta that it led to, a float's bits. temperature: the first step's, and for the others that of the last beta; the
// kernel writes those between.
#pragma once
#include "../ensemble.cuh"
#include "resample.cuh"
namespace gq {

enum pace : int32_t {
    CULLING = 0,   // so far that an expected fraction of the population has no copy
    VARIANCE = 1,  // rate / (standard deviation of the energies)
    FRICTION = 2,  // rate sqrt(-log |correlation of the energies before and after the sweeps| / variance)
};
enum entry { FIRST_BETA, LAST_BETA, RATE, SHARE, LEAST_CORRELATION, MOST_CORRELATION };  // SHARE: 1 / chains

GQ int64_t* step_record(Ensemble& e, int step) { return e.log + e.chains + 3 * step; }
GQ float beta_after(Ensemble& e, int step) { return bcast(as_float(splat(int(step_record(e, step)[2]))), 0); }

// Kept in e.memory past the lottery: how many steps have begun and when the next one does; for FRICTION each chain's
// energy before the sweeps of the last.
struct Course {
    int32_t* steps;
    int32_t* next;
    int64_t* before;
};
GQ Course course(Ensemble& e) {
    int32_t* const words = lottery(e).deaths + 32;
    return {words, words + 1, reinterpret_cast<int64_t*>(words + 32)};
}

// Energies as whole numbers q = floor((E - lowest) / 2^shift) - middle of 23 bits, so that sums of 2^18 products fit
// in 64; middle is near the mean.
struct Spread {
    const int64_t* energy;
    int64_t lowest;
    int shift, middle;
    float mean;     // of q: what is left of it
    float inverse;  // 1 / the standard deviation of q, 0 where all energies are equal
    float scale;    // 2^-shift
    GQ_MEMBER int64_t operator()(int c) const { return ((energy[c] - lowest) >> shift) - middle; }
};
GQ Spread spread_of(const Ensemble& e, const int64_t* energy, int64_t lowest, int64_t range) {
    const float share = e.table[SHARE];
    Spread s = {energy, lowest, 0, 0, 0.0f, 0.0f, 1.0f};
    if (range == 0) return s;
    GQ_ROLLED while ((range >> s.shift) >= 1 << 22)++ s.shift;
    s.scale = bcast(as_float(splat((127 - s.shift) << 23)), 0);
    s.middle = int(rounded(wide_sum(e.chains, s)) * share + 0.5f);
    s.mean = rounded(wide_sum(e.chains, s)) * share;
    const float square = rounded(wide_sum(e.chains, [&](int c) { return s(c) * s(c); })) * share;
    s.inverse = bcast(inverse_root(splat(square - s.mean * s.mean)), 0);
    return s;
}

// Whether after a step of beta by `growth` more than the fraction is expected to have no copy: chain i is one of these
// with probability max(0, 1 - chains w_i / total).
GQ bool culls_more(const Ensemble& e, const Lottery& lot, int64_t lowest, float growth) {
    const int64_t total = wide_sum(e.chains, [&](int c) {
        return int64_t(lot.drawn[c] = int32_t(boltzmann(growth * rounded(e.energy[c] - lowest))));
    });
    const int64_t culled = wide_sum(e.chains, [&](int c) {
        const int64_t missing = total - int64_t(e.chains) * lot.drawn[c];
        return missing > 0 ? missing : 0;
    });
    return culled > part_of(total * e.chains, uint32_t(e.option[2]) << 1);
}

// By bisection between 0 and room on the bits of the float, down to 12 of its mantissa; never 0.
GQ float by_culling(const Ensemble& e, const Lottery& lot, int64_t lowest, float room) {
    int low = 0, high = bcast(as_int(splat(room)), 0), middle = high;
    GQ_ROLLED do {
        if (culls_more(e, lot, lowest, bcast(as_float(splat(middle)), 0))) {
            high = middle;
        } else {
            low = middle;
        }
        middle = low + ((high - low) >> 1);
    }
    while (high - low > 1 << 11);
    return bcast(as_float(splat(high)), 0);
}

// Where the energies were all equal before the sweeps, their deviation is taken for what it is now.
GQ float by_friction(const Ensemble& e, const Spread& before, const Spread& after) {
    const bool known = before.inverse > 0.0f;
    const float products = rounded(wide_sum(e.chains, [&](int c) { return before(c) * after(c); })) * e.table[SHARE];
    const float covariance = products - before.mean * after.mean;
    const float inverse = after.inverse * (known ? before.inverse : after.inverse);
    float correlation = (covariance < 0.0f ? -covariance : covariance) * inverse;
    correlation = correlation < e.table[LEAST_CORRELATION] ? e.table[LEAST_CORRELATION] : correlation;
    correlation = correlation > e.table[MOST_CORRELATION] ? e.table[MOST_CORRELATION] : correlation;
    const vf decay = neg_log_uniform(splat(unsigned(int(correlation * 0x1p23f)) << 9));
    const vf variance = splat(inverse * (after.scale * (known ? before.scale : after.scale)));  // 1 / it
    return bcast(decay * inverse_root(decay) * (variance * inverse_root(variance)), 0) * e.table[RATE];
}

// How far beta may grow, by the population; `room` where all energies are equal.
GQ float wanted_growth(Ensemble& e, float room, int64_t* scratch) {
    const int64_t range = energy_range(e.energy, e.chains, scratch), lowest = scratch[0];
    if (range == 0) return room;
    if (e.option[0] == CULLING) return by_culling(e, lottery(e), lowest, room);
    const Spread now = spread_of(e, e.energy, lowest, range);
    if (e.option[0] == VARIANCE) return e.table[RATE] * now.inverse * now.scale;
    const int64_t* const before = course(e).before;
    const int64_t range_before = energy_range(before, e.chains, scratch);
    return by_friction(e, spread_of(e, before, scratch[0], range_before), now);
}

// By how much beta grows in this step, which is written down; by one warp.
GQ float grow(Ensemble& e, int step, int sweep) {
    int64_t* const written = step_record(e, step);
    const float last = e.table[LAST_BETA];
    float beta = 0.0f, next = e.table[FIRST_BETA];
    if (step > 0) {
        beta = beta_after(e, step - 1);
        const float room = last - beta, wanted = wanted_growth(e, room, written);
        next = wanted < room && beta + wanted < last ? beta + wanted : last;
        if (next < last) {
            const float temperature = next > 0x1p-90f ? bcast(reciprocal(splat(next)), 0) : 0x1p90f;
            each(e.option[1], [&](int s) { e.temperature[sweep + s] = temperature; });
        }
    }
    put(&written[2], bcast(as_int(splat(next)), 0));
    return next - beta;
}

template <int STRATEGY, int WORDS = 0>
GQ void advance_adaptive(Ensemble& e, int sweeps) {
    if (e.sweep == 0) found(e);
    const Course kept = course(e);
    int step = *kept.steps, next = *kept.next;  // each warp has its own, which are equal
    const auto all = [&](int sweep) {
        if (sweep == next) {
            if (step == 0 || beta_after(e, step - 1) < e.table[LAST_BETA]) {
                resample<STRATEGY, true>(e, step_record(e, step), sweep, [&] { return grow(e, step, sweep); });
                if (e.option[0] == FRICTION) {
                    if (team_rank() == 0) each(e.chains, [&](int c) { kept.before[c] = e.energy[c]; });
                    team_sync();
                }
            } else if (team_rank() == 0) {
                put(&step_record(e, step)[2], step_record(e, step - 1)[2]);
            }
            ++step;
            next += e.option[1];
        }
        if constexpr (STRATEGY == WINDOW) {
            sweep_windows<WORDS>(e, sweep, e.problem.weights);
        } else {
            sweep_lanes<STRATEGY, 1>(e, sweep, e.problem, own_spins(e));
        }
    };
    advance_by(e, sweeps, all, [](int) {});
    if (team_rank() == 0) {
        put(kept.steps, step);
        put(kept.next, next);
    }
}

}  // namespace gq
