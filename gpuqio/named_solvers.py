"""The solvers as the command names them, with parameters by the wire's names.

The wire ignores a parameter that a solver does not know, as the service did. On a command line that is a mistake.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gpuqio import solvers
from gpuqio.errors import InvalidParameter
from gpuqio.solvers import TARGETS, parse
from gpuqio.solvers.base import Solver
from gpuqio.solvers.oneqbit import OneQbitSettings
from gpuqio.solvers.settings import Settings
from gpuqio.solvers.wire import COMMON, FREE, OTHER_NAMES, PARAMETERS, TOSHIBA_NAMES

__all__ = ["NAMES", "SOLVERS", "chosen", "read_parameter"]


@dataclass(frozen=True, slots=True)
class Named:
    """A solver that the command offers.

    Attributes:
        names: the short one first.
        kind: its class.
        target: its id where parameters of its own are given.
        line: what it does.
    """

    names: tuple[str, ...]
    kind: type[Settings]
    target: str
    line: str

    @property
    def free_target(self) -> str:
        """Its id where none of its own are given: a parameter-free search if it has one."""
        free = self.target.replace(".cpu", "-parameterfree.cpu")
        return free if free in TARGETS else self.target

    @property
    def parameters(self) -> tuple[str, ...]:
        """The wire's names of all that it takes, its own first."""
        known = PARAMETERS[self.kind] + COMMON
        others = TOSHIBA_NAMES if self.kind is solvers.SimulatedBifurcation else OTHER_NAMES
        return known + tuple(other for other, name in others.items() if name in known and name != "timeout")


SOLVERS = (
    Named(
        ("pt", "parallel-tempering"),
        solvers.ParallelTempering,
        "microsoft.paralleltempering.cpu",
        "replicas at a ladder of temperatures that swap places",
    ),
    Named(
        ("sa", "simulated-annealing"),
        solvers.SimulatedAnnealing,
        "microsoft.simulatedannealing.cpu",
        "independent runs from hot to cold",
    ),
    Named(
        ("pa", "population-annealing"),
        solvers.PopulationAnnealing,
        "microsoft.populationannealing.cpu",
        "a population cooled together, resampled on the way",
    ),
    Named(
        ("ssmc", "substochastic-monte-carlo"),
        solvers.SubstochasticMonteCarlo,
        "microsoft.substochasticmontecarlo.cpu",
        "walkers that are copied or dropped by their costs",
    ),
    Named(
        ("qmc", "quantum-monte-carlo"),
        solvers.QuantumMonteCarlo,
        "microsoft.qmc.cpu",
        "simulated quantum annealing in a transverse field",
    ),
    Named(("tabu",), solvers.Tabu, "microsoft.tabu.cpu", "always the best move that undoes no recent one"),
    Named(
        ("ts", "tabu-search"),
        solvers.TabuSearch,
        solvers.TabuSearch.target,
        "1QBit's tabu search, until nothing is gained",
    ),
    Named(
        ("pr", "path-relinking"),
        solvers.PathRelinking,
        solvers.PathRelinking.target,
        "1QBit's: tabu search from states between the best",
    ),
    Named(("pticm",), solvers.Pticm, solvers.Pticm.target, "1QBit's: tempering whose replicas exchange clusters too"),
    Named(
        ("sbm", "simulated-bifurcation"),
        solvers.SimulatedBifurcation,
        solvers.SimulatedBifurcation.target,
        "Toshiba's: particles that forces drive to one of two sides",
    ),
    Named(("exhaustive",), solvers.Exhaustive, solvers.Exhaustive.target, "all configurations of up to 26 variables"),
)

NAMES: Mapping[str, Named] = {name: solver for solver in SOLVERS for name in solver.names}


def read_parameter(text: str) -> tuple[str, object]:
    """Name and value from ``name=value``; a value that is not JSON is text.

    Raises:
        ValueError: a part is missing.
    """
    name, _, value = text.partition("=")
    if not name or not value:
        raise ValueError(text)
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def chosen(name: str, given: Mapping[str, Any]) -> tuple[str, Solver]:
    """The target and the solver with these parameters; a timeout is in seconds, whatever the wire has.

    Raises:
        InvalidParameter: a parameter that it does not have, of the wrong type or out of range.
    """
    named = NAMES[name]
    known = named.parameters
    for parameter in given:
        if parameter not in known:
            message = f"--solver {name} has no parameter {parameter}; it has {', '.join(known)}."
            raise InvalidParameter(message, field=parameter)
    target = named.target if given.keys() - set(FREE) else named.free_target
    solver = parse(target, {**given, "timeout": None} if issubclass(named.kind, OneQbitSettings) else given)
    if isinstance(solver, OneQbitSettings):
        solver = replace(solver, timeout=given.get("timeout"))
    return target, solver
