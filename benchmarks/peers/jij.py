"""OpenJij's simulated annealing, in C++ (dense rows through Eigen, or compressed sparse rows), one problem a call.

    pip install openjij

With a seed every read of a call is the same, so its public call gets none; its compiled function is run read by read,
each with a seed of its own. Models go in as dicts: 21 ms a call at n = 64.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchmarks.instances import Instance
from benchmarks.peers.base import Settings, Solver, States
from benchmarks.peers.dwave import DimodSampler
from benchmarks.peers.ising import Ising, ising

__all__ = ["Annealing", "HigherOrder"]

DENSE_SHARE = 0.3
"""Share of all pairs from which its dense form is the faster one."""


class Prepared(NamedTuple):
    """What the compiled function works on."""

    model: Ising
    graph: Any


def is_dense(n: int, terms: int) -> bool:
    return terms > DENSE_SHARE * n * (n - 1) / 2


class Annealing(DimodSampler):
    """Metropolis annealing of pairs."""

    name: ClassVar[str] = "OpenJij SA"
    packages = ("openjij", "dimod")
    metropolis = True

    def call(self, model: Any, settings: Settings) -> Any:
        import openjij

        return openjij.SASampler().sample(
            model,
            num_reads=settings.reads,
            schedule=[(beta, 1) for beta in settings.schedule.tolist()],
            sparse=not is_dense(model.num_variables, model.num_interactions),
        )

    def prepared(self, instance: Instance) -> Prepared:
        from openjij import cxxjij

        model = ising(instance)
        n = model.num_variables
        if is_dense(n, len(model.couplings)):
            matrix = np.zeros((n + 1, n + 1))
            matrix[:n, :n] = model.matrix()
            matrix[:n, n] = matrix[n, :n] = model.fields
            matrix[n, n] = 1.0
            graph = cxxjij.graph.Dense(n)
            graph.set_interaction_matrix(matrix)
            return Prepared(model, graph)
        from scipy import sparse

        reached = np.flatnonzero(model.fields)
        rows = np.concatenate([model.rows, reached, [n]])
        columns = np.concatenate([model.columns, np.full(len(reached), n), [n]])
        values = np.concatenate([model.couplings, model.fields[reached], [1.0]])
        low, high = np.minimum(rows, columns), np.maximum(rows, columns)
        return Prepared(model, cxxjij.graph.CSRSparse(sparse.csr_matrix((values, (low, high)), (n + 1, n + 1))))

    def core(self, model: Prepared, settings: Settings) -> States:
        from openjij import cxxjij

        schedule = []
        for beta in settings.schedule.tolist():
            step = cxxjij.utility.ClassicalSchedule()
            step.one_mc_step, step.updater_parameter.beta = 1, beta
            schedule.append(step)
        n = model.model.num_variables
        found = np.empty((settings.reads, n), np.int8)
        seeds = np.random.default_rng(settings.seed).integers(0, 2**31, (settings.reads, 2)).tolist()
        system = cxxjij.system.make_classical_ising(model.graph.gen_spin(settings.seed), model.graph)
        for read, (start, walk) in enumerate(seeds):
            system.reset_spins(model.graph.gen_spin(start))
            cxxjij.algorithm.Algorithm_SingleSpinFlip_run(system, walk, schedule)
            found[read] = cxxjij.result.get_solution(system)[:n]
        return found

    def states(self, model: Any, returned: Any) -> States:
        return model.model.values(returned) if isinstance(model, Prepared) else super().states(model, returned)


class HigherOrder(Solver):
    """Annealing of terms of any degree, which takes the first and last beta and draws fresh seeds for its reads."""

    name: ClassVar[str] = "OpenJij HUBO SA"
    packages = ("openjij",)
    most_degree = 99

    def load(self, instance: Instance) -> Any:
        terms = dict(zip(map(tuple, instance.ids.tolist()), instance.coefficients.tolist(), strict=True))
        return terms, "SPIN" if instance.kind == "ising" else "BINARY"

    def call(self, model: Any, settings: Settings) -> Any:
        import openjij

        first, last = settings.betas
        return openjij.SASampler().sample_hubo(
            model[0],
            model[1],
            num_sweeps=settings.sweeps,
            num_reads=settings.reads,
            beta_min=first,
            beta_max=last,
            temperature_schedule=settings.shape.upper(),
            seed=settings.seed,
        )

    def states(self, model: Any, returned: Any) -> States:
        order = np.argsort(np.array(returned.variables))
        return np.asarray(returned.record.sample)[:, order].astype(np.int8)
