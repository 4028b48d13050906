"""dwave-samplers: simulated annealing, tabu search and steepest descent in C++, one problem a call.

    pip install dwave-samplers dimod

The annealer's default temperatures come from a loop in Python, 5 ms a call at n = 64; all solvers are given theirs
here. Tabu search always uses up its timeout, which is its length here: 1 ms is the shortest. (It would stop at an
`energy_threshold`, compared with the energy of the bits without the offset; no solver is told what to reach.)
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from benchmarks.instances import Instance
from benchmarks.peers.base import Settings, Solver, States
from benchmarks.peers.ising import Ising, ising

__all__ = ["Annealing", "Descent", "DimodSampler", "Tabu"]


class DimodSampler(Solver):
    """One that takes dimod's quadratic model."""

    packages = ("dwave.samplers", "dimod")

    def load(self, instance: Instance) -> Any:
        import dimod

        rows, columns = instance.ids.T
        linear, apart = np.zeros(instance.num_variables), rows != columns
        np.add.at(linear, rows[~apart], instance.coefficients[~apart])
        pairs = rows[apart], columns[apart], instance.coefficients[apart]
        vartype = dimod.SPIN if instance.kind == "ising" else dimod.BINARY
        return dimod.BinaryQuadraticModel.from_numpy_vectors(linear, pairs, 0.0, vartype)

    def states(self, model: Any, returned: Any) -> States:
        order = np.argsort(np.array(returned.variables))
        return np.asarray(returned.record.sample)[:, order].astype(np.int8)


class Annealing(DimodSampler):
    """Metropolis annealing; `anneal` calls the compiled function, which still lists the neighbours at each call."""

    name: ClassVar[str] = "dwave-samplers SA"
    metropolis = True

    def call(self, model: Any, settings: Settings) -> Any:
        from dwave.samplers import SimulatedAnnealingSampler

        sampler: Any = SimulatedAnnealingSampler()  # type: ignore[no-untyped-call, unused-ignore]
        return sampler.sample(
            model,
            num_reads=settings.reads,
            num_sweeps_per_beta=1,
            beta_schedule_type="custom",
            beta_schedule=settings.schedule,
            seed=settings.seed,
        )

    def prepared(self, instance: Instance) -> Ising:
        return ising(instance)

    def core(self, model: Ising, settings: Settings) -> Any:
        from dwave.samplers.sa.simulated_annealing import simulated_annealing

        random = np.random.default_rng(settings.seed)
        first = random.integers(0, 2, (settings.reads, model.num_variables), dtype=np.int8) * 2 - 1
        samples, _ = simulated_annealing(
            settings.reads,
            model.fields,
            model.rows,
            model.columns,
            model.couplings,
            1,
            settings.schedule,
            settings.seed,
            np.ascontiguousarray(first, np.int8),
        )
        return samples

    def states(self, model: Any, returned: Any) -> States:
        return model.values(np.asarray(returned)) if isinstance(model, Ising) else super().states(model, returned)


class Tabu(DimodSampler):
    """Multistart tabu search, so many milliseconds a read."""

    name: ClassVar[str] = "dwave-samplers Tabu"
    unit = "ms"
    shapes = ("-",)

    def call(self, model: Any, settings: Settings) -> Any:
        from dwave.samplers import TabuSampler

        sampler: Any = TabuSampler()  # type: ignore[no-untyped-call, unused-ignore]
        return sampler.sample(model, num_reads=settings.reads, timeout=settings.sweeps, seed=settings.seed)

    def attempts(self, instance: Instance, settings: Settings) -> int:
        return 0


class Descent(DimodSampler):
    """Steepest descents from random states; they have no length."""

    name: ClassVar[str] = "dwave-samplers SteepestDescent"
    unit = "descents"
    shapes = ("-",)

    def call(self, model: Any, settings: Settings) -> Any:
        from dwave.samplers import SteepestDescentSolver

        sampler: Any = SteepestDescentSolver()  # type: ignore[no-untyped-call, unused-ignore]
        return sampler.sample(model, num_reads=settings.reads, seed=settings.seed)

    def attempts(self, instance: Instance, settings: Settings) -> int:
        return 0
