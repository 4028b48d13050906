"""What all solvers share: seed, limits, number of solutions; and checks that name the parameter and its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gpuqio.errors import InvalidParameter
from gpuqio.shapes import MICROSOFT, Shape
from gpuqio.terms import MAX_FLOAT

if TYPE_CHECKING:
    from gpuqio.solvers.base import Uniform

__all__ = ["Settings", "is_finite", "number", "spelled", "truth", "whole"]

MOST_SOLUTIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Parameters that every solver takes.

    Attributes:
        seed: 0 to 2^63 - 1; the same seed gives the same answer. None: a fresh one each run, echoed in the result.
        timeout: seconds of solving, at least 0, after which the best so far is returned. None: no limit.
        number_of_solutions: how many distinct configurations to return at most, 1 to 10.
        cost_limit: stop once a cost at or below this is found, to within the resolution to which coefficients are
            rounded. None: no limit.
        reduce: whether variables that need no search leave the problem first, and components are solved apart
            (`gpuqio.pack.reduce`). None: where the solver is parameter-free and one solution is wanted. Not the
            service's.
        spelling: parameters given by their other name (``step_limit``), echoed so.
    """

    seed: int | None = None
    timeout: float | None = None
    number_of_solutions: int = 1
    cost_limit: float | None = None
    reduce: bool | None = None
    spelling: Mapping[str, str] | None = None

    most_solutions: ClassVar[int] = MOST_SOLUTIONS

    @property
    def walks_windows(self) -> bool:
        """Whether its moves can walk a dense layout."""
        return True

    @property
    def walks_groups(self) -> bool:
        """Whether its moves can walk squared sums."""
        return False

    @property
    def is_parameter_free(self) -> bool:
        """Whether it searches for its parameters."""
        return False

    @property
    def reduces(self) -> bool:
        """Whether variables that need no search are to leave the problem first."""
        if self.reduce is None:
            return self.is_parameter_free and self.number_of_solutions == 1
        return self.reduce

    @property
    def walks_bits(self) -> bool:
        """Whether its moves can walk bit-sliced chains, and it has enough of them."""
        return False

    @property
    def shape(self) -> Shape:
        """How its provider writes a result."""
        return MICROSOFT

    @property
    def uniform(self) -> Uniform | None:
        """None: its plan depends on the problem by more than a temperature range."""
        return None

    def check_settings(self) -> None:
        """Raise `InvalidParameter` for the first of these that is out of its range."""
        whole("seed", self.seed, 0, 2**63 - 1)
        if number("timeout", self.timeout) is not None and float(self.timeout or 0) < 0:
            raise InvalidParameter(
                f"timeout value must be non-negative; found timeout={self.timeout}.",
                field="timeout",
                value=self.timeout,
                code="AZQ107",
            )
        whole("number_of_solutions", self.number_of_solutions, 1, self.most_solutions)
        number("cost_limit", self.cost_limit)
        truth("reduce", self.reduce)
        if self.reduce and self.number_of_solutions > 1:
            raise _refused("reduce", True, "False where several solutions are wanted: it leaves one of many")


def whole(name: str, value: object, low: int, high: int) -> None:
    """`value` is None or an int from `low` to `high`; else `InvalidParameter`."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refused(name, value, "a whole number")
    if not low <= value <= high:
        raise _refused(name, value, f"a whole number from {low} to {high}")


def number(name: str, value: object) -> object:
    """`value` if it is None or a finite int or float; else `InvalidParameter`."""
    if value is None:
        return value
    if not is_finite(value):
        raise _refused(name, value, "a finite number")
    return value


def truth(name: str, value: object) -> None:
    """`value` is None, True or False; else `InvalidParameter`."""
    if value is not None and not isinstance(value, bool):
        raise _refused(name, value, "True or False")


def is_finite(value: object) -> bool:
    """Whether `value` is an int or float that a float64 holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_FLOAT <= value <= MAX_FLOAT


def spelled(parameters: Mapping[str, object], spelling: Mapping[str, str] | None) -> dict[str, object]:
    """The parameters that were given, each under the name it was given by, in alphabetical order."""
    names = spelling or {}
    return {names.get(k, k): v for k, v in sorted(parameters.items()) if v is not None}


def _refused(name: str, value: object, wanted: str) -> InvalidParameter:
    return InvalidParameter(f"{name} must be {wanted}; found {name}={value!r}.", field=name, value=value, code="AZQ107")
