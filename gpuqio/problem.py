"""Problem: a checked builder over arrays, with the names and the semantics of the SDK's class."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio import qio_json
from gpuqio.configurations import by_variable, check_start, numbers
from gpuqio.errors import InvalidProblem, InvalidTerm
from gpuqio.evaluation import evaluate, evaluate_states, fix_variables, refuse_overflow
from gpuqio.matrices import Matrices, block_from_arrays, read_matrices
from gpuqio.problem_forms import ContentType, ProblemForms
from gpuqio.term_store import TermList, TermStore, pack_terms
from gpuqio.terms import GroupType, SlcTerm, Term, TermArrays, TermBase

__all__ = ["ContentType", "Problem", "ProblemType"]

_NO_NAME = "Optimization problem"


class ProblemType(str, Enum):
    """Ising: variables are -1 or 1. Pubo: 0 or 1. Grouped: with squared linear combinations (`SlcTerm`) too."""

    pubo = "0"
    ising = "1"
    pubo_grouped = "2"
    ising_grouped = "3"

    @property
    def spins(self) -> bool:
        """True where variables are -1 or 1, false where they are 0 or 1."""
        return self in (ProblemType.ising, ProblemType.ising_grouped)


_GROUPED = {ProblemType.pubo: ProblemType.pubo_grouped, ProblemType.ising: ProblemType.ising_grouped}


class Problem(ProblemForms):
    """A cost function to minimise: the sum of ``c * product`` over `terms`, and of the squares in `terms_slc`.

    Terms live in arrays; from arrays, `from_arrays` is the fast way in. Methods that take a configuration accept
    int and str keys alike.

    Args:
        name: None or "" becomes "Optimization problem".
        terms: `Term` and `SlcTerm` objects; a SlcTerm makes the problem type the grouped one.
        init_config: start values, {variable: value}. Must cover exactly the variables when a solver takes it.
        problem_type: ising by default.
        content_type: how `serialize` and `to_blob` write it; a grouped problem is always written as JSON.

    Attributes:
        name, content_type: as given.
        terms_slc: list of `SlcTerm`.
        matrices: what `from_arrays` was given, for a dense problem of which no term has been asked for yet; else None.

    Raises:
        InvalidTerm: a term that has no meaning, in this type of problem or in any; also a RuntimeError.
        InvalidProblem: anything else; a ValueError.
    """

    NUM_VARIABLES_LARGE = 2500
    NUM_TERMS_LARGE = 1e6

    def __init__(
        self,
        name: str | None,
        terms: Iterable[TermBase] | None = None,
        init_config: Mapping[Any, int] | None = None,
        problem_type: ProblemType = ProblemType.ising,
        content_type: ContentType | None = ContentType.json,
    ) -> None:
        self.name = name or _NO_NAME
        self.content_type = content_type
        self.terms_slc: list[SlcTerm] = []
        self.matrices: Matrices | None = None
        self._terms = TermStore()
        self._problem_type: ProblemType
        self.problem_type = problem_type
        self.init_config = init_config
        if terms is not None:
            self.add_terms(terms)

    @classmethod
    def from_arrays(
        cls,
        J: Any = None,
        h: Any = None,
        c: float = 0,
        problem_type: ProblemType = ProblemType.ising,
        name: str | None = None,
    ) -> Problem:
        """The problem of cost ``v^T J v + h^T v + c``.

        By this one rule an upper triangular J holds the coefficients of the pairs as they are, and of a symmetric J
        both halves count: the pair (i, j) has the coefficient J[i, j] + J[j, i]. The diagonal is a constant for
        ising (v*v = 1) and linear for pubo (v*v = v). Every index for which J or h has a row is a variable, zero or
        not; in coordinates and sparse matrices, every index that an entry names.

        Args:
            J: dense (n, n); or coordinates ``(rows, cols, values)``, three (m,); or any scipy.sparse matrix (n, n).
                Ints or floats of any width, finite. Repeated coordinates add up.
            h: (n,), finite.
            c: a constant.
        """
        problem = cls(name, problem_type=problem_type)
        if type(c) is int and c == 0:
            problem.matrices = read_matrices(J, h)
        if problem.matrices is None:
            problem._terms = TermStore(problem_type.spins, block_from_arrays(J, h, c, problem_type.spins))
        return problem

    # Terms

    @property
    def _store(self) -> TermStore:
        """All terms that are products. Those of matrices are made when they are first asked for."""
        matrices = self.matrices
        if matrices is not None:
            spins = self._problem_type.spins
            self._terms = TermStore(spins, block_from_arrays(*matrices, 0, spins))
            self.matrices = None
        return self._terms

    @property
    def terms(self) -> TermList:
        """The terms that are products, as a live list of `Term` objects made on demand."""
        return TermList(self._store)

    @terms.setter
    def terms(self, terms: Iterable[TermBase]) -> None:
        if isinstance(terms, TermList) and terms.block() is self._store.block():
            return  # the last step of ``problem.terms += more``
        old, self._terms = self._store, TermStore(self.problem_type.spins)
        try:
            self.add_terms(terms)
        except BaseException:
            self._terms = old
            raise

    def term_arrays(self) -> TermArrays:
        """The terms as read-only arrays, in input order, like terms not merged; without a copy."""
        return self._store.block().arrays

    def add_term(self, c: Any, indices: Iterable[Any]) -> None:
        """Add ``c * product of the variables``."""
        self._store.append(Term(c=c, indices=indices))

    def add_terms(self, terms: Iterable[TermBase], term_type: GroupType = GroupType.combination, c: Any = 1) -> None:
        """Add terms: each for itself, or, with `GroupType.squared_linear_combination`, as one ``c * (sum)**2``."""
        if term_type is not GroupType.combination:
            self._add_grouped([SlcTerm(terms, c=c)])  # type: ignore[arg-type]  # SlcTerm refuses what is not a Term
        elif isinstance(terms, TermList):
            self._store.extend(terms.block())
        else:
            listed = list(terms)
            self._store.extend(pack_terms(term for term in listed if not isinstance(term, SlcTerm)))
            self._add_grouped([term for term in listed if isinstance(term, SlcTerm)])

    def add_slc_term(self, terms: Iterable[Any], c: Any = 1) -> None:
        """Add ``c * (sum of the terms)**2``; the terms are `Term`s, or pairs (coefficient, variable or None)."""
        linear = [term if isinstance(term, Term) else _linear_term(term) for term in terms]
        self._add_grouped([SlcTerm(linear, c=c)])

    def check_for_grouped_term(self) -> None:
        """Make the problem type the grouped one if there is a `SlcTerm`."""
        if self.terms_slc:
            self.problem_type_to_grouped()

    def problem_type_to_grouped(self) -> None:
        """Make the problem type the grouped one."""
        self._problem_type = _GROUPED.get(self._problem_type, self._problem_type)

    def get_terms(self, id: int) -> list[Term | SlcTerm]:
        """The terms in which a variable stands."""
        if not self._store and not self.terms_slc:
            raise InvalidProblem("There are currently no terms in this problem. Add terms to it first.", field="terms")
        arrays, terms = self.term_arrays(), self.terms
        places = np.searchsorted(arrays.offsets, np.flatnonzero(arrays.ids == id), side="right") - 1
        grouped = [slc for slc in self.terms_slc if any(id in term.ids for term in slc.terms)]
        return [*(terms[place] for place in np.unique(places).tolist()), *grouped]

    def _add_grouped(self, terms: Sequence[SlcTerm]) -> None:
        self.terms_slc.extend(terms)
        self.check_for_grouped_term()

    # What the problem is

    @property
    def problem_type(self) -> ProblemType:
        return self._problem_type

    @problem_type.setter
    def problem_type(self, value: ProblemType) -> None:
        if not isinstance(value, ProblemType):
            raise InvalidProblem(
                f"problem_type must be a ProblemType; found {reprlib.repr(value)}.",
                field="problem_type",
                value=value,
                code="AZQ103",
            )
        self._store.distinct = value.spins
        self._problem_type = value

    @property
    def init_config(self) -> dict[int, int] | None:
        return self._init_config

    @init_config.setter
    def init_config(self, value: Mapping[Any, int] | None) -> None:
        self._init_config = None if value is None else by_variable(value, "init_config")

    @property
    def is_grouped(self) -> bool:
        """True where the type is a grouped one, or there are squared linear combinations."""
        return bool(self.terms_slc) or self._problem_type in _GROUPED.values()

    @property
    def variables(self) -> npt.NDArray[np.int64]:
        """Every variable that a term names, int64 (n,), ascending."""
        ids = [self.term_arrays().ids]
        ids += [np.array(term.ids, np.int64) for slc in self.terms_slc for term in slc.terms]
        return np.unique(np.concatenate(ids))

    @property
    def num_variables(self) -> int:
        return len(self.variables)

    def is_large(self) -> bool:
        """True from 2500 variables and a million terms on, both."""
        terms = len(self._store) + sum(len(slc.terms) for slc in self.terms_slc)
        return terms >= self.NUM_TERMS_LARGE and self.num_variables >= self.NUM_VARIABLES_LARGE

    def check(self) -> None:
        """Raise `InvalidProblem` where a solver can't take this problem.

        That is: no terms; coefficients whose sum is beyond a float64; an init_config (AZQ104) that does not cover
        exactly the variables, or has values other than -1 and 1 for ising, 0 and 1 for pubo.
        """
        if self.matrices is not None and self._init_config is None and not self.terms_slc:
            return  # they have been checked
        if not self._store and not self.terms_slc:
            raise InvalidProblem("The problem has no terms. Add at least one.", field="terms", code="AZQ107")
        refuse_overflow(self.term_arrays(), self.terms_slc)
        self.init_config = self._init_config  # a program may have written to it, with digits as keys
        if self.init_config:
            check_start(self.init_config, self.variables.tolist(), (-1, 1) if self.problem_type.spins else (0, 1))

    def __repr__(self) -> str:
        grouped = f", {len(self.terms_slc)} grouped" if self.terms_slc else ""
        return (
            f"<Problem {self.name!r}: {self.problem_type.name}, {self.num_variables} variables, "
            f"{len(self._store)} terms{grouped}>"
        )

    # What values do to it

    def evaluate(self, configuration: Mapping[Any, float]) -> float:
        """The cost of a configuration, correctly rounded; `UnknownVariable` (a KeyError) where it lacks a variable."""
        values = numbers(configuration, "configuration")
        return evaluate(self.term_arrays(), self.terms_slc, self.variables, values)

    def evaluate_states(
        self, variables: npt.NDArray[np.int64], states: npt.NDArray[np.int8]
    ) -> npt.NDArray[np.float64]:
        """The costs, float64 (k,), of k states.

        Args:
            variables: int64 (n,), what the columns stand for, in any order; may hold more than the problem's.
            states: int8 (k, n), values -1 and 1, or 0 and 1.
        """
        return evaluate_states(self.term_arrays(), self.terms_slc, variables, states)

    def set_fixed_variables(self, fixed_variables: Mapping[Any, float]) -> Problem:
        """A new problem in which some variables have their values; constants are merged into one last term."""
        fixed = numbers(fixed_variables, "fixed_variables")
        if not fixed:
            raise InvalidTerm(  # a RuntimeError, as the SDK's
                "Error: fixed_variables is empty - please specify at least one fixed variable.",
                field="fixed_variables",
                code="AZQ102",
            )
        left, constant = fix_variables(self._store.block(), fixed)
        reduced = [slc.reduce_by_variable_state(fixed) for slc in self.terms_slc]
        constant = constant + sum(term.c for term in reduced if isinstance(term, Term))
        start = by_variable(self.init_config or {}, "init_config")
        kept = {key: value for key, value in start.items() if key not in fixed}
        problem = Problem(self.name, init_config=kept or None, problem_type=self.problem_type)
        problem._store.extend(left)
        problem._add_grouped([term for term in reduced if isinstance(term, SlcTerm)])
        if constant:
            problem.add_term(c=constant, indices=[])
        return problem

    # In and out

    @classmethod
    def _of(
        cls, document: qio_json.Document, name: str | None, content_type: ContentType = ContentType.json
    ) -> Problem:
        problem = cls(
            document.name if name is None else name,
            init_config=document.init_config,
            problem_type=ProblemType[document.type],
            content_type=content_type,
        )
        try:
            problem._store.extend(document.terms)
        except InvalidTerm as error:
            error.field = f"cost_function.{error.field}"
            raise
        problem._add_grouped(document.terms_slc)
        return problem

    def _document(self) -> qio_json.Document:
        return qio_json.Document(
            self.name,
            self.problem_type.name,
            self._store.block(),
            tuple(self.terms_slc),
            dict(self.init_config) if self.init_config else None,
        )


def _linear_term(pair: Any) -> Term:
    try:
        c, variable = pair
    except (TypeError, ValueError):
        raise InvalidTerm(
            f"A linear term must be a Term, or a pair (coefficient, variable or None); found {reprlib.repr(pair)}.",
            field="terms",
            value=pair,
            code="AZQ103",
        ) from None
    return Term(c=c, indices=[] if variable is None else [variable])
