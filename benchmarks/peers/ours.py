"""gpuqio's own solvers, seen as the peers are.

`anneal` makes the chains of one problem and advances them on one thread; `solve_all` is `Workspace.solve_many`. All
report the best state that each read visits. The engine is the CPU's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.instances import Instance
from benchmarks.peers.base import Run, Settings, Solver, States, costs_of
from gpuqio import ProblemBatch, Workspace, optimization, solvers
from gpuqio.engines.native import Ensemble, advance
from gpuqio.optimization import Problem, ProblemType
from gpuqio.pack import Layout, Strategy, pack
from gpuqio.solvers.stage import Stage

__all__ = ["Annealing", "Bitsliced", "Tabu", "Tempering", "problem_of"]

RUNGS = 16


def problem_of(instance: Instance) -> Problem:
    """From arrays, the fast way in where the terms are pairs."""
    if instance.ids.shape[1] != 2:
        return instance.problem()
    coordinates = (*instance.ids.T, instance.coefficients)
    return Problem.from_arrays(coordinates, problem_type=ProblemType[instance.kind], name=instance.name)


class Packed(NamedTuple):
    """A layout, and how many variables the instance has; it has those that are in terms."""

    layout: Layout
    num_variables: int


class _Ours(Solver):
    """One of gpuqio's solvers. `_stage` is what a read does, `_public` the solver of `gpuqio.optimization`."""

    most_degree = 99
    bits: ClassVar[bool] = False
    chains_a_read: ClassVar[int] = 1

    def granularity(self, instance: Instance) -> int:
        """A sparse layout has 32 chains in a vector."""
        dense = self.load(instance).layout.strategy is Strategy.WINDOW
        return 1 if dense else max(1, 32 // self.chains_a_read)

    def load(self, instance: Instance) -> Packed:
        return Packed(pack(problem_of(instance), bits=self.bits), instance.num_variables)

    def call(self, model: Packed, settings: Settings) -> Ensemble:
        chains = Ensemble(model.layout, self._stage(model.layout, settings))
        advance([chains], [chains.stage.sweeps])
        return chains

    def states(self, model: Packed, returned: Ensemble) -> States:
        """The best state of each read."""
        energies = returned.best_energies.reshape(-1, self.chains_a_read)
        best = np.arange(len(energies)) * self.chains_a_read + energies.argmin(axis=1)
        bits = returned.best_bits()[best].astype(np.int8)
        problem = model.layout.problem
        return _filled(1 - 2 * bits if problem.is_ising else bits, problem.variables, model.num_variables)

    def flips(self, returned: Ensemble) -> int:
        return returned.flips

    def attempts(self, instance: Instance, settings: Settings) -> int:
        return self.chains_a_read * super().attempts(instance, settings)

    def solve_all(self, instances: Sequence[Instance], settings: Settings, cores: int = 1) -> Run:
        """All in one batch: a tensor where several are pairs of equally many variables, made beforehand."""
        first = instances[0]
        alike = all(i.ids.shape[1] == 2 and i.num_variables == first.num_variables for i in instances)
        alike &= len(instances) > 1
        tensor = None
        if alike:
            tensor = np.empty((len(instances), first.num_variables, first.num_variables))
            for place, instance in enumerate(instances):
                tensor[place] = instance.dense()
        wall, cpu = time.perf_counter(), time.process_time()
        batch = (
            ProblemBatch.from_problems(map(problem_of, instances))
            if tensor is None
            else ProblemBatch.from_dense(tensor, problem_type=ProblemType[first.kind])
        )
        with Workspace(engine="cpu", threads=cores) as workspace:
            results = workspace.solve_many(batch, self._public(workspace, settings))
            found = results.configurations
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        best = [
            costs_of(instance, _filled(state[None], result.variables, instance.num_variables))[0]
            for instance, state, result in zip(instances, found, results, strict=True)
        ]
        return Run(np.array(best), cpu, wall)

    def _stage(self, layout: Layout, settings: Settings) -> Stage:
        raise NotImplementedError

    def _public(self, workspace: Workspace, settings: Settings) -> Any:
        raise NotImplementedError


class Annealing(_Ours):
    """SimulatedAnnealing; its public schedule is linear in beta."""

    name: ClassVar[str] = "gpuqio SimulatedAnnealing"
    shapes = ("linear",)
    metropolis = True

    def _stage(self, layout: Layout, settings: Settings) -> Stage:
        return Stage(settings.reads, settings.sweeps, settings.schedule, exchange=False, seed=settings.seed)

    def _public(self, workspace: Workspace, settings: Settings) -> Any:
        first, last = settings.betas
        return optimization.SimulatedAnnealing(
            workspace,
            beta_start=first,
            beta_stop=last,
            sweeps=settings.sweeps,
            restarts=settings.reads,
            seed=settings.seed,
        )


class Bitsliced(Annealing):
    """The same from 256 restarts on, where couplings are small integers."""

    name: ClassVar[str] = "gpuqio SimulatedAnnealing, bit-sliced"
    bits = True

    def granularity(self, instance: Instance) -> int:
        """Chains of a vector, and as many as make it bit-sliced."""
        return 256

    def suits(self, instance: Instance) -> bool:
        """Whether the couplings are so small."""
        return self.load(instance).layout.strategy is Strategy.BITSLICED


class Tempering(_Ours):
    """ParallelTempering on 16 temperatures in equal ratios; a read is a ladder."""

    name: ClassVar[str] = "gpuqio ParallelTempering"
    shapes = ("geometric",)
    metropolis = True
    chains_a_read = RUNGS

    def _stage(self, layout: Layout, settings: Settings) -> Stage:
        betas = np.geomspace(*settings.betas, RUNGS)
        return Stage(settings.reads * RUNGS, settings.sweeps, betas, exchange=True, seed=settings.seed)

    def _public(self, workspace: Workspace, settings: Settings) -> Any:
        return optimization.ParallelTempering(
            workspace,
            all_betas=np.geomspace(*settings.betas, RUNGS),
            sweeps=settings.sweeps,
            restarts=settings.reads,
            seed=settings.seed,
        )


class Tabu(_Ours):
    """Tabu with its usual tenure."""

    name: ClassVar[str] = "gpuqio Tabu"
    unit = "moves"
    shapes = ("-",)

    def _stage(self, layout: Layout, settings: Settings) -> Stage:
        return solvers.Tabu(sweeps=settings.sweeps, restarts=settings.reads).plan(layout, settings.seed).first()

    def _public(self, workspace: Workspace, settings: Settings) -> Any:
        return optimization.Tabu(workspace, sweeps=settings.sweeps, restarts=settings.reads, seed=settings.seed)

    def attempts(self, instance: Instance, settings: Settings) -> int:
        return 0


def _filled(states: States, variables: npt.NDArray[np.int64], num_variables: int) -> States:
    """(reads, num_variables) from the columns of `variables`; one in no term is 1."""
    filled = np.ones((len(states), num_variables), np.int8)
    filled[:, variables] = states
    return filled
