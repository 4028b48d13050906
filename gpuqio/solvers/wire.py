"""From a target id and its wire parameters to a solver.

As the service did: parameters have other names that are also understood (``step_limit`` for sweeps, ``time_limit``
for timeout) and echoed as given; parameters that a solver does not know are ignored.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gpuqio.errors import InvalidParameter
from gpuqio.solvers import (
    parallel_tempering,
    population_annealing,
    quantum_monte_carlo,
    simulated_annealing,
    substochastic_monte_carlo,
    tabu,
)
from gpuqio.solvers.base import Solver
from gpuqio.solvers.exhaustive import Exhaustive
from gpuqio.solvers.parallel_tempering import ParallelTempering
from gpuqio.solvers.path_relinking import PathRelinking
from gpuqio.solvers.population_annealing import PopulationAnnealing
from gpuqio.solvers.pticm import Pticm
from gpuqio.solvers.quantum_monte_carlo import QuantumMonteCarlo
from gpuqio.solvers.schedules import read_range
from gpuqio.solvers.settings import number, whole
from gpuqio.solvers.simulated_annealing import SimulatedAnnealing
from gpuqio.solvers.simulated_bifurcation import SimulatedBifurcation
from gpuqio.solvers.substochastic_monte_carlo import SubstochasticMonteCarlo
from gpuqio.solvers.tabu import Tabu
from gpuqio.solvers.tabu_search import TabuSearch

__all__ = ["COMMON", "FREE", "OTHER_NAMES", "PARAMETERS", "TARGETS", "TOSHIBA_NAMES", "parse", "spoken"]

DEFAULT_TIMEOUT = 5.0
"""Seconds that a parameter-free search may take where no timeout is given (the service's default)."""

MOST_MILLISECONDS = 2**53
"""Of a timeout."""

COMMON = ("seed", "timeout", "number_of_solutions", "cost_limit")
PARAMETERS: Mapping[type, tuple[str, ...]] = {
    Exhaustive: ("all_optima", "reduce"),
    ParallelTempering: ("sweeps", "replicas", "all_betas", "restarts", "cluster_moves", "feedback_ladder", "reduce"),
    PathRelinking: PathRelinking.own,
    PopulationAnnealing: population_annealing.TUNABLES,
    Pticm: Pticm.own,
    QuantumMonteCarlo: (*quantum_monte_carlo.TUNABLES, "reduce"),
    SimulatedAnnealing: ("sweeps", "restarts", "beta_start", "beta_stop", "reduce"),
    SimulatedBifurcation: SimulatedBifurcation.own,
    SubstochasticMonteCarlo: (*substochastic_monte_carlo.TUNABLES, "reduce"),
    Tabu: ("sweeps", "tabu_tenure", "tabu_tenure_rand_max", "restarts", "reduce"),
    TabuSearch: TabuSearch.own,
}
"""What each solver takes besides."""

FREE = (*COMMON, "reduce")
"""What leaves a solver parameter-free."""

OTHER_NAMES = {
    "step_limit": "sweeps",
    "time_limit": "timeout",
    "transverse_field_high": "transverse_field_start",
    "transverse_field_low": "transverse_field_stop",
}
TOSHIBA_NAMES = {"maxout": "number_of_solutions", "target": "cost_limit"}


def _parallel_tempering(given: dict[str, Any]) -> Solver:
    if given.get("all_betas") is not None:
        given["all_betas"] = _betas(given["all_betas"])
    known = _known(given, *PARAMETERS[ParallelTempering])
    if ParallelTempering(**known).is_parameter_free:  # by its target it is not
        known["sweeps"] = parallel_tempering.DEFAULT_SWEEPS
    return ParallelTempering(**known)


def _simulated_annealing(given: dict[str, Any]) -> Solver:
    known = _known(given, *PARAMETERS[SimulatedAnnealing])
    if SimulatedAnnealing(**known).is_parameter_free:
        known["sweeps"] = simulated_annealing.DEFAULT_SWEEPS
    return SimulatedAnnealing(**known)


def _exhaustive(given: dict[str, Any]) -> Solver:
    return Exhaustive(**_known(given, *PARAMETERS[Exhaustive]))


def _population_annealing(given: dict[str, Any]) -> Solver:
    known = _known(given, *PARAMETERS[PopulationAnnealing])
    if "beta" in known:
        known["beta"] = read_range("beta", known["beta"])
    if PopulationAnnealing(**known).is_parameter_free:
        known["sweeps"] = population_annealing.DEFAULT_SWEEPS
    return PopulationAnnealing(**known)


def _quantum_monte_carlo(given: dict[str, Any]) -> Solver:
    return QuantumMonteCarlo(**_known(given, *PARAMETERS[QuantumMonteCarlo]))


def _substochastic_monte_carlo(given: dict[str, Any]) -> Solver:
    known = _known(given, *PARAMETERS[SubstochasticMonteCarlo])
    for name in known.keys() & {"alpha", "beta"}:
        known[name] = read_range(name, known[name])
    if SubstochasticMonteCarlo(**known).is_parameter_free:
        known["sweeps"] = substochastic_monte_carlo.DEFAULT_SWEEPS
    return SubstochasticMonteCarlo(**known)


def _tabu(given: dict[str, Any]) -> Solver:
    known = _known(given, *PARAMETERS[Tabu])
    if Tabu(**known).is_parameter_free:
        known["sweeps"] = tabu.DEFAULT_SWEEPS
    return Tabu(**known)


def _oneqbit(make: Callable[..., Solver], own: Sequence[str]) -> Callable[[dict[str, Any]], Solver]:
    """1QBit's values are text, and its timeout is in milliseconds, 0 for none."""

    def read(given: dict[str, Any]) -> Solver:
        known: dict[str, Any] = {name: spoken(value) for name, value in _known(given, *own).items()}
        whole("timeout", known.get("timeout"), 0, MOST_MILLISECONDS)
        if milliseconds := known.pop("timeout", None):
            known["timeout"] = milliseconds / 1000
        return make(**known)

    return read


def _toshiba(given: dict[str, Any]) -> Solver:
    known = _known(given, *PARAMETERS[SimulatedBifurcation])
    whole("maxout", given.get("maxout"), 1, SimulatedBifurcation.most_solutions)
    number("target", given.get("target"))
    for other, name in TOSHIBA_NAMES.items():
        if other in given:
            known[name] = given[other]
    return SimulatedBifurcation(**known)


def spoken(value: object) -> object:
    """The number, truth value or list that a text is of, or the text itself."""
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _parameter_free(make: type[Any]) -> Callable[[dict[str, Any]], Solver]:
    def search(given: dict[str, Any]) -> Solver:
        settings = _known(given, *(name for name in FREE if name in PARAMETERS[make]))
        settings.setdefault("timeout", DEFAULT_TIMEOUT)
        solver: Solver = make(**settings)
        return solver

    return search


TARGETS: Mapping[str, Callable[[dict[str, Any]], Solver]] = {
    "gpuqio.exhaustive": _exhaustive,
    "microsoft.paralleltempering.cpu": _parallel_tempering,
    "microsoft.paralleltempering-parameterfree.cpu": _parameter_free(ParallelTempering),
    "microsoft.populationannealing.cpu": _population_annealing,
    "microsoft.populationannealing-parameterfree.cpu": _parameter_free(PopulationAnnealing),
    "microsoft.qmc.cpu": _quantum_monte_carlo,
    "microsoft.simulatedannealing.cpu": _simulated_annealing,
    "microsoft.simulatedannealing-parameterfree.cpu": _parameter_free(SimulatedAnnealing),
    "microsoft.substochasticmontecarlo.cpu": _substochastic_monte_carlo,
    "microsoft.substochasticmontecarlo-parameterfree.cpu": _parameter_free(SubstochasticMonteCarlo),
    "microsoft.tabu.cpu": _tabu,
    "microsoft.tabu-parameterfree.cpu": _parameter_free(Tabu),
    TabuSearch.target: _oneqbit(TabuSearch, TabuSearch.own),
    PathRelinking.target: _oneqbit(PathRelinking, PathRelinking.own),
    Pticm.target: _oneqbit(Pticm, Pticm.own),
    SimulatedBifurcation.target: _toshiba,
}


def parse(target: str, params: Mapping[str, object]) -> Solver:
    """The solver that `target` names, with its parameters.

    Raises:
        InvalidParameter: no such target, or a parameter of the wrong type or out of range.
    """
    make = TARGETS.get(target.lower())
    if make is None:
        raise InvalidParameter(
            f"There is no target {target!r}. Known targets: {', '.join(TARGETS)}.", field="target", value=target
        )
    given: dict[str, Any] = {}
    spelling: dict[str, str] = {}
    for name, value in params.items():
        if value is None:
            continue
        if isinstance(value, np.generic | np.ndarray):
            value = value.tolist()
        if name in OTHER_NAMES:
            spelling[OTHER_NAMES[name]] = name
        given[OTHER_NAMES.get(name, name)] = value
    return make({**given, "spelling": spelling or None})


def _known(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in (*COMMON, "spelling", *names) if given.get(name) is not None}


def _betas(value: object) -> tuple[float, ...]:
    """all_betas as a list of numbers, or as the segments that results echo."""
    if isinstance(value, Mapping):
        segments = value.get("segments")
        if isinstance(segments, Sequence) and all(isinstance(s, Mapping) and "value" in s for s in segments):
            value = [s["value"] for s in segments]
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidParameter(
            f"all_betas must be a list of inverse temperatures; found all_betas={value!r}.",
            field="all_betas",
            value=value,
            code="AZQ103",
        )
    return tuple(v.item() if isinstance(v, np.generic) else v for v in value)
