// population.cuh: POPULATION, population annealing: a population of chains is reweighted from the last temperature to
// the next and then swept (Hukushima, Iba, AIP Conf. Proc. 690, 200, 2003; Machta, Phys. Rev. E 82, 026704, 2010).
//
// table: for each sweep what beta grows by before it, times the unit; where it doesn't grow, nothing is resampled.
// log: resample.cuh, one record a sweep.
#pragma once
#include "../ensemble.cuh"
#include "resample.cuh"
namespace gq {

template <int STRATEGY, int WORDS = 0>
GQ void advance_population(Ensemble& e, int sweeps) {
    if (e.sweep == 0) found(e);
    const auto all = [&](int sweep) {
        const float growth = e.table[sweep];
        if (growth > 0.0f) resample<STRATEGY, true>(e, record(e, sweep), sweep, [&] { return growth; });
        if constexpr (STRATEGY == WINDOW) {
            sweep_windows<WORDS>(e, sweep, e.problem.weights);
        } else {
            sweep_lanes<STRATEGY, 1>(e, sweep, e.problem, own_spins(e));
        }
    };
    advance_by(e, sweeps, all, [](int) {});
}

}  // namespace gq
