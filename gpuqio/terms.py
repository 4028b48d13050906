"""The parts of a cost function: one term as an object (the SDK's names), or many as arrays.

An object is for a user to make and read; a problem keeps `TermArrays`, so that a million terms are four
arrays and not a million objects. Term objects are immutable: one read from a problem is a copy, and a change
to it that went nowhere would be a lie. To change a problem, assign: ``problem.terms[3] = Term(c=2, indices=[0])``.
"""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidTerm, UnknownVariable

__all__ = ["MAX_FLOAT", "MAX_ID", "GroupType", "SlcTerm", "Term", "TermArrays", "TermBase", "read_coefficient"]

MAX_ID = 2**63 - 1
MAX_FLOAT = sys.float_info.max

# The SDK's sentence, with the 20 blanks its source line carries.
_NOT_A_NUMBER = "{} must be a float or int value, " + " " * 20 + "or a NumPy value that can be converted to those."

_FIXED = (
    "A term does not change: a problem keeps numbers, not the term it was given. "
    "Put another in its place, as in problem.terms[3] = Term(c=2, indices=[0, 1])."
)


@dataclass(frozen=True, slots=True, eq=False)
class TermArrays:
    """Terms as arrays, in input order, like terms not merged. The arrays are read-only.

    Attributes:
        coefficients: float64 (m,), all finite.
        offsets: int64 (m + 1,); the variables of term t are ``ids[offsets[t]:offsets[t + 1]]``.
        ids: int64 (offsets[m],), each in 0..2^63-1.
    """

    coefficients: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.coefficients)


class GroupType(str, Enum):
    """How `Problem.add_terms` takes its terms: each for itself, or as one squared linear combination."""

    combination = "na"
    squared_linear_combination = "slc"


E = TypeVar("E")


class FixedList(list[E]):
    """The list in a term: to read, compare, join and copy, but not to change."""

    __slots__ = ()

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(_FIXED)

    append = clear = extend = insert = pop = remove = reverse = sort = _refuse
    __delitem__ = __iadd__ = __imul__ = __setitem__ = _refuse

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return list, (list(self),)


class TermBase:
    """What every term has: a coefficient `c`, an int or a float (NumPy scalars are converted)."""

    __slots__ = ("_c",)

    _c: int | float

    def __init__(self, c: Any = None) -> None:
        self._c = read_coefficient(c)

    @property
    def c(self) -> int | float:
        return self._c

    @c.setter
    def c(self, value: object) -> None:
        raise AttributeError(_FIXED)

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> TermBase:
        return cls(c=obj.get("c"))

    def to_dict(self) -> dict[str, Any]:
        return {"c": self._c}

    def evaluate(self, configuration: Mapping[int, Any] | None = None) -> float:
        return self._c

    def reduce_by_variable_state(self, fixed_variables: Mapping[int, Any]) -> TermBase | None:
        return self if self._c != 0 else None

    def __repr__(self) -> str:
        return str(self.to_dict())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self.__class__) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]


class Term(TermBase):
    """One product: ``c`` times the variables `indices`.

    Args:
        indices: ints in 0..2^63-1 (NumPy ints are converted); None or [] for a constant. A repeated index means
            x*x = x in a pubo problem; an ising problem refuses it.
        w: the old name of `c`; it wins where both are given.
        c: the coefficient, finite.

    Raises:
        InvalidTerm: also a RuntimeError and a ValueError.
    """

    __slots__ = ("_ids",)

    _ids: tuple[int, ...]

    def __init__(self, indices: Iterable[Any] | None = None, w: Any = None, c: Any = None) -> None:
        self._c = read_coefficient(c, "c") if w is None else read_coefficient(w, "w")
        self._ids = () if indices is None else _read_ids(indices)

    @classmethod
    def _trusted(cls, c: float, ids: Iterable[int]) -> Term:
        """A term from values that were checked before."""
        term = object.__new__(cls)
        term._c = c
        term._ids = tuple(ids)
        return term

    @property
    def ids(self) -> list[int]:
        """The variables."""
        return FixedList(self._ids)

    @ids.setter
    def ids(self, value: object) -> None:
        raise AttributeError(_FIXED)

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Term:
        return cls(indices=obj.get("ids"), c=obj.get("c"))

    def to_dict(self) -> dict[str, Any]:
        return {"c": self._c, "ids": list(self._ids)}

    def evaluate(self, configuration: Mapping[int, Any] | None = None) -> float:
        """``c`` times the product of the values; `UnknownVariable` where the configuration lacks one."""
        values = configuration or {}
        try:
            return math.prod([values[i] for i in self._ids], start=1 if self._ids else 1.0) * self._c
        except KeyError as missing:
            raise UnknownVariable(
                f"Variable {missing} is in term {self!r}, but not in the supplied configuration.",
                field="configuration",
                value=missing.args[0],
            ) from None

    def reduce_by_variable_state(self, fixed_variables: Mapping[int, Any]) -> Term | None:
        """The term left when some variables have their values; None where that is zero."""
        c = self._c
        for i in self._ids:
            if i in fixed_variables:
                c *= fixed_variables[i]
                if c == 0:
                    return None
        return Term(c=c, indices=[i for i in self._ids if i not in fixed_variables])


class SlcTerm(TermBase):
    """A squared linear combination, ``c * (sum of the linear terms)**2``; the wire's ``terms_slc``.

    Args:
        terms: `Term`s of at most one variable each, no two of the same variable.
        c: the coefficient, finite.

    Raises:
        InvalidTerm: also a ValueError.
    """

    __slots__ = ("_terms",)

    _terms: tuple[Term, ...]

    def __init__(self, terms: Iterable[Term], c: Any = 1.0) -> None:
        super().__init__(c)
        self._terms = tuple(terms)
        seen: set[tuple[int, ...]] = set()
        for position, term in enumerate(self._terms):
            field = f"terms[{position}]"
            if not isinstance(term, Term):
                raise InvalidTerm(f"{field} must be a Term; found {reprlib.repr(term)}.", field=field, value=term)
            if len(term._ids) > 1:
                raise InvalidTerm(
                    f"Error - terms must be linear in type SlcTerm; {field} is {term!r}.", field=field, value=term
                )
            if term._ids in seen:
                raise InvalidTerm(
                    f"Error - like terms must be combined in type SlcTerm; {field} is {term!r}.",
                    field=field,
                    value=term,
                    code="AZQ101",
                )
            seen.add(term._ids)

    @property
    def terms(self) -> list[Term]:
        """The linear terms."""
        return FixedList(self._terms)

    @terms.setter
    def terms(self, value: object) -> None:
        raise AttributeError(_FIXED)

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> SlcTerm:
        return cls(terms=[Term.from_dict(term) for term in obj["terms"]], c=obj.get("c"))

    def to_dict(self) -> dict[str, Any]:
        return {"c": self._c, "terms": [term.to_dict() for term in self._terms]}

    def evaluate(self, configuration: Mapping[int, Any] | None = None) -> float:
        return self._c * math.fsum([term.evaluate(configuration) for term in self._terms]) ** 2

    def reduce_by_variable_state(self, fixed_variables: Mapping[int, Any]) -> SlcTerm | Term | None:
        """What is left when some variables have their values: grouped, a constant `Term`, or None for zero."""
        sums: dict[tuple[int, ...], int | float] = {}
        for term in self._terms:
            reduced = term.reduce_by_variable_state(fixed_variables)
            if reduced is not None:
                sums[reduced._ids] = sums.get(reduced._ids, 0) + reduced._c
        if not sums:
            return None
        if set(sums) == {()}:
            return Term(c=self._c * sums[()] ** 2, indices=[])
        return SlcTerm([Term(c=c, indices=ids) for ids, c in sums.items()], c=self._c)


def read_coefficient(value: Any, name: str = "c") -> int | float:
    """`value` as a finite int or float. As in the SDK, an iterable stands for its first element.

    Raises:
        InvalidTerm: None, a bool, a string, NaN, an infinity, or more than a float64 holds.
    """
    kind = type(value)
    if (kind is float or kind is int) and -MAX_FLOAT <= value <= MAX_FLOAT:  # nearly all, and a problem has many
        return value  # type: ignore[no-any-return]
    if value is None:
        raise InvalidTerm("Cost should be provided for each term.", field=name, value=None, code="AZQ102")
    number = value
    if isinstance(number, (list, tuple, np.ndarray)):
        number = next(iter(np.ravel(number) if isinstance(number, np.ndarray) else number), None)
    if isinstance(number, (np.integer, np.floating)):
        number = number.item()
    if type(number) is not int and type(number) is not float:
        raise InvalidTerm(
            f"{_NOT_A_NUMBER.format(name)} Found {reprlib.repr(value)}.", field=name, value=value, code="AZQ103"
        )
    if not -MAX_FLOAT <= number <= MAX_FLOAT:
        raise InvalidTerm(
            f"{name} must be a finite number that a float64 holds; found {reprlib.repr(number)}.",
            field=name,
            value=number,
            code="AZQ107",
        )
    return number


def _read_ids(indices: Iterable[Any]) -> tuple[int, ...]:
    try:
        ids = tuple(indices)
    except TypeError:
        raise InvalidTerm(
            f"ids must be a list of variables; found {reprlib.repr(indices)}.",
            field="ids",
            value=indices,
            code="AZQ103",
        ) from None
    for i in ids:
        if type(i) is not int or not 0 <= i <= MAX_ID:
            break
    else:
        return ids
    for position, i in enumerate(ids):
        if type(i) is not int:
            if isinstance(i, np.integer):
                return _read_ids([int(j) if isinstance(j, np.integer) else j for j in ids])
            raise InvalidTerm(
                f"ids[{position}] must be an int; found {reprlib.repr(i)}.",
                field=f"ids[{position}]",
                value=i,
                code="AZQ103",
            )
        if not 0 <= i <= MAX_ID:
            raise InvalidTerm(
                f"ids[{position}] must be in 0..{MAX_ID}; found {i}.",
                field=f"ids[{position}]",
                value=i,
                code="AZQ107",
            )
    return ids
