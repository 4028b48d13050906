"""NASA's PySA: parallel tempering in numba, on dense matrices.

    pip install git+https://github.com/nasa/pysa

It is not on PyPI. The first call compiles for some ten seconds; `load` makes it. Its running energies in single
precision drift, so costs are computed from states. What it counts as a sweep is one of all replicas.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchmarks.instances import Instance
from benchmarks.peers.base import Settings, Solver, States
from benchmarks.peers.ising import Ising, ising

__all__ = ["Tempering"]

REPLICAS = 12


class Model(NamedTuple):
    """Its solver object, and what it was made from."""

    solver: Any
    ising: Ising


class Tempering(Solver):
    """Parallel tempering between the betas given, in equal ratios."""

    name: ClassVar[str] = "PySA PT"
    packages = ("pysa",)
    shapes = ("geometric",)
    metropolis = True

    def load(self, instance: Instance) -> Model:
        _compiled()
        return self._model(instance)

    @staticmethod
    def _model(instance: Instance) -> Model:
        from pysa.sa import Solver as PysaSolver

        model = ising(instance)
        matrix = model.matrix() + np.diag(model.fields)
        return Model(PysaSolver(problem=matrix, problem_type="ising", float_type="float32"), model)

    def call(self, model: Model, settings: Settings) -> Any:
        first, last = settings.betas
        return model.solver.metropolis_update(
            num_sweeps=settings.sweeps,
            num_reads=settings.reads,
            num_replicas=REPLICAS,
            update_strategy="sequential",
            min_temp=1 / last,
            max_temp=1 / first,
            initialize_strategy="random",
            return_dataframe=True,
            parallel=False,
            use_pt=True,
            verbose=False,
        )

    def states(self, model: Model, returned: Any) -> States:
        return model.ising.values(np.array([np.asarray(state) for state in returned["best_state"]]))

    def attempts(self, instance: Instance, settings: Settings) -> int:
        return REPLICAS * super().attempts(instance, settings)


@functools.cache
def _compiled() -> None:
    """Let numba compile before anything is timed."""
    from benchmarks.instances import sk

    tempering = Tempering()
    tempering.call(tempering._model(sk(4, 0)), Settings(2, 1))
