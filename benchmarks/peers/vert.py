"""qubovert's annealing, in C: lean sweeps behind a model of dicts, 39 ms a call at n = 64.

pip install qubovert   (from source on Python 3.13 and newer, which takes a C compiler)
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchmarks.instances import Instance
from benchmarks.peers.base import Settings, Solver, States
from benchmarks.peers.ising import ising

__all__ = ["Annealing"]


class Model(NamedTuple):
    """Coefficients by tuples of variables."""

    terms: dict[tuple[int, ...], float]
    num_variables: int
    spins: bool


class Annealing(Solver):
    """Metropolis annealing, of pairs or of longer terms; its compiled function wants lists, made at each call."""

    name: ClassVar[str] = "qubovert SA"
    packages = ("qubovert",)
    metropolis = True
    most_degree = 99

    def load(self, instance: Instance) -> Model:
        n = instance.num_variables
        if instance.ids.shape[1] != 2:
            if instance.kind != "ising":
                raise ValueError(f"{instance.name}: only spins are wanted of longer terms.")
            longer = zip(map(tuple, instance.ids.tolist()), instance.coefficients.tolist(), strict=True)
            return Model(dict(longer), n, True)
        model = ising(instance)
        pairs = zip(model.rows.tolist(), model.columns.tolist(), strict=True)
        terms: dict[tuple[int, ...], float] = dict(zip(pairs, model.couplings.tolist(), strict=True))
        terms |= {(i,): field for i, field in enumerate(model.fields.tolist()) if field}
        return Model(terms, n, model.spins)

    def call(self, model: Model, settings: Settings) -> Any:
        from qubovert import sim

        anneal = sim.anneal_quso if max(map(len, model.terms), default=0) <= 2 else sim.anneal_puso
        return anneal(
            model.terms,
            num_anneals=settings.reads,
            schedule=(1 / settings.schedule).tolist(),
            in_order=True,
            seed=settings.seed,
        )

    def states(self, model: Model, returned: Any) -> States:
        found = np.ones((len(returned), model.num_variables), np.int8)
        for read, result in enumerate(returned):
            for variable, spin in result.state.items():
                found[read, variable] = spin
        return found if model.spins else (found + 1) // 2
