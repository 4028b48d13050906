"""Terms, their checks, and the list that a problem shows them as."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio.errors import InvalidProblem, InvalidTerm, UnknownVariable
from gpuqio.term_store import TermList, TermStore, pack_terms
from gpuqio.terms import GroupType, SlcTerm, Term, TermBase
from tests.strategies import coefficients

T = Term


def make_list(*terms: Term, distinct: bool = False) -> TermList:
    listed = TermList(TermStore(distinct))
    listed.extend(terms)
    return listed


# Term


def test_a_term_is_what_the_sdk_made_of_it() -> None:
    term = Term(c=-9, indices=[0, 3])
    assert (term.c, term.ids) == (-9, [0, 3])
    assert term.to_dict() == {"c": -9, "ids": [0, 3]}
    assert repr(term) == "{'c': -9, 'ids': [0, 3]}"
    assert Term.from_dict(term.to_dict()) == term
    assert Term(indices=[3, 0], c=-9) != term  # order counts, as in the SDK
    assert term != {"c": -9, "ids": [0, 3]}
    assert GroupType("slc") is GroupType.squared_linear_combination


def test_w_wins_over_c() -> None:
    assert Term(indices=[0], w=2, c=3).c == 2
    with pytest.raises(InvalidTerm, match=r"^w must be a float or int value, "):
        Term(indices=[0], w="2")


@pytest.mark.parametrize(
    ("given_c", "c"),
    [(np.int8(3), 3), (np.float32(0.5), 0.5), (np.array([7, 8]), 7), (np.array(2.5), 2.5), ([4], 4), ((1.5,), 1.5)],
)
def test_numpy_values_become_plain_numbers(given_c: Any, c: float) -> None:
    assert Term(c=given_c, indices=[]).c == c
    assert type(Term(c=given_c, indices=[]).c) is type(c)


def test_numpy_ids_become_plain_ints() -> None:
    assert [type(i) for i in Term(c=1, indices=np.array([2, 1], np.uint8)).ids] == [int, int]


def test_no_indices_make_a_constant() -> None:
    assert Term(c=2).ids == []
    assert Term(c=2).evaluate({}) == 2.0


def test_a_missing_coefficient_is_refused_as_in_the_sdk() -> None:
    for make in (Term, TermBase):
        with pytest.raises(RuntimeError, match=r"^Cost should be provided for each term\.$"):
            make()


@pytest.mark.parametrize("c", [True, "1", np.bool_(True), 1j, [], np.zeros(0), object(), [None], b"1"])
def test_a_coefficient_that_is_no_number_is_refused(c: Any) -> None:
    message = rf"^c must be a float or int value, {' ' * 20}or a NumPy value that can be converted to those\."
    with pytest.raises(InvalidTerm, match=message) as caught:
        Term(c=c, indices=[0])
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, ValueError)
    assert (caught.value.field, caught.value.code) == ("c", "AZQ103")


@pytest.mark.parametrize("c", [float("nan"), float("inf"), -float("inf"), 10**400, np.float32("nan"), [float("inf")]])
def test_a_coefficient_that_is_not_finite_is_refused(c: Any) -> None:
    with pytest.raises(InvalidTerm, match=r"^c must be a finite number.* found ") as caught:
        Term(c=c, indices=[0])
    assert caught.value.field == "c"
    with pytest.raises(InvalidTerm):
        SlcTerm([Term(c=1, indices=[0])], c=c)


@pytest.mark.parametrize(
    ("indices", "field"),
    [
        ([0, -1], "ids[1]"),
        ([2**63], "ids[0]"),
        ([np.uint64(2**63)], "ids[0]"),
        ([1.0], "ids[0]"),
        ([True], "ids[0]"),
        ([np.bool_(True)], "ids[0]"),
        (["0"], "ids[0]"),
        ("0", "ids[0]"),
        ([0, None], "ids[1]"),
        ([np.int8(1), 1.5], "ids[1]"),
        (5, "ids"),
    ],
)
def test_ids_that_are_no_variables_are_refused(indices: Any, field: str) -> None:
    with pytest.raises(InvalidTerm, match=r"^ids") as caught:
        Term(c=1, indices=indices)
    assert caught.value.field == field


def test_the_largest_id_is_a_variable() -> None:
    assert Term(c=1, indices=[2**63 - 1]).ids == [2**63 - 1]


def test_a_term_can_not_be_changed_behind_a_problems_back() -> None:
    term = Term(c=1, indices=[0])
    group = SlcTerm([term])
    with pytest.raises(AttributeError, match=r"^A term does not change.*problem\.terms\[3\] = Term"):
        term.c = 2
    with pytest.raises(AttributeError):
        term.ids = [1]
    with pytest.raises(AttributeError):
        group.terms = []
    lists: list[list[Any]] = [term.ids, group.terms]
    for values in lists:
        for change in (values.clear, values.pop, values.reverse, lambda values=values: values.append(1)):
            with pytest.raises(TypeError, match=r"^A term does not change"):
                change()
        with pytest.raises(TypeError):
            values[0] = 1
        with pytest.raises(TypeError):
            values += [1]
    assert (term, group) == (Term(c=1, indices=[0]), SlcTerm([term]))


def test_what_a_term_lists_is_a_list_to_all_who_read() -> None:
    ids = Term(c=1, indices=[0, 3]).ids
    assert isinstance(ids, list)
    assert json.dumps(ids) == "[0, 3]"
    for own in (copy.copy(ids), copy.deepcopy(ids), pickle.loads(pickle.dumps(ids)), ids[:], ids.copy(), ids[:0] + ids):
        assert type(own) is list
        assert own == ids


def test_a_term_is_copied_whole() -> None:
    term = Term(c=1, indices=[0])
    assert copy.deepcopy(term) == term
    assert pickle.loads(pickle.dumps(term)) == term


def test_evaluate_and_reduce() -> None:
    term = Term(c=-3, indices=[1, 0, 7])
    assert term.evaluate({0: -1, 1: 1, 7: -1}) == -3
    assert term.reduce_by_variable_state({1: -1}) == Term(c=3, indices=[0, 7])
    assert term.reduce_by_variable_state({1: 0}) is None
    assert term.reduce_by_variable_state({5: 0}) == term
    with pytest.raises(
        UnknownVariable, match=r"Variable 7 is in term .* but not in the supplied configuration"
    ) as caught:
        term.evaluate({0: 1, 1: 1})
    assert isinstance(caught.value, KeyError)
    assert caught.value.value == 7


def test_the_base_class() -> None:
    term = TermBase(c=2)
    assert term.evaluate() == 2
    assert TermBase.from_dict(term.to_dict()) == term
    assert term.reduce_by_variable_state({}) == term
    assert TermBase(c=0).reduce_by_variable_state({}) is None


# SlcTerm


def test_a_squared_linear_combination() -> None:
    term = SlcTerm([T(c=1, indices=[0]), T(c=-2, indices=[1]), T(c=-1, indices=[])], c=2)
    assert term.to_dict() == {
        "c": 2,
        "terms": [{"c": 1, "ids": [0]}, {"c": -2, "ids": [1]}, {"c": -1, "ids": []}],
    }
    assert SlcTerm.from_dict(term.to_dict()) == term
    assert term.evaluate({0: 1, 1: -1}) == 2 * (1 + 2 - 1) ** 2
    assert term.reduce_by_variable_state({1: 1}) == SlcTerm([T(c=1, indices=[0]), T(c=-3, indices=[])], c=2)
    assert term.reduce_by_variable_state({0: 1, 1: 1}) == T(c=8, indices=[])
    assert SlcTerm([T(c=1, indices=[0])]).reduce_by_variable_state({0: 0}) is None
    assert SlcTerm([T(c=1, indices=[0])]).c == 1.0


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([T(c=1, indices=[0, 1])], "Error - terms must be linear in type SlcTerm"),
        ([T(c=1, indices=[0]), T(c=2, indices=[0])], "Error - like terms must be combined in type SlcTerm"),
        ([T(c=1), T(c=2)], "Error - like terms must be combined in type SlcTerm"),
        ([(1, 0)], r"terms\[0\] must be a Term"),
    ],
)
def test_combinations_that_are_refused(terms: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        SlcTerm(terms)


# The list of terms


def test_the_list_does_what_lists_do() -> None:
    a, b, c = T(c=1, indices=[0]), T(c=2.0, indices=[5, 0]), T(c=-3, indices=[])
    terms = make_list(a, b)
    terms.append(c)
    assert len(terms) == 3
    assert list(terms) == [a, b, c] == terms
    assert terms != [a, b]
    assert terms != (a, b, c)
    assert terms[0] == a
    assert terms[-1] == c
    assert terms[1:] == [b, c]
    assert terms[2:1] == []
    assert terms[::-2] == [c, a]
    assert terms.copy() == [a, b, c]
    terms.sort(key=lambda term: term.c, reverse=True)
    assert terms == [b, a, c]
    terms.reverse()
    assert terms == [c, a, b]
    terms.sort(key=lambda term: abs(term.c))
    assert terms == [a, b, c]
    assert terms + [a] == [a, b, c, a]  # noqa: RUF005
    assert [a] + terms == [a, a, b, c]  # noqa: RUF005
    assert b in terms
    assert terms.index(c) == 2
    terms[1] = c
    assert terms == [a, c, c]
    terms[0:2] = [b]
    assert terms == [b, c]
    terms.insert(0, a)
    assert terms.pop() == c
    assert terms == [a, b]
    del terms[0]
    assert terms == [b]
    terms.clear()
    assert not terms
    assert terms == []


def test_the_list_keeps_ints_ints() -> None:
    assert [type(term.c) for term in make_list(T(c=2, indices=[]), T(c=2.0, indices=[]))] == [int, float]


def test_the_list_says_what_it_refuses() -> None:
    terms = make_list(T(c=1, indices=[0]), distinct=True)
    with pytest.raises(InvalidTerm, match=r"terms\[0\] must be a Term"):
        terms.append(SlcTerm([T(c=1, indices=[0])]))  # type: ignore[arg-type]
    with pytest.raises(InvalidTerm, match="Duplicated ids detected in term!") as caught:
        terms.extend([T(c=1, indices=[1, 2]), T(c=1, indices=[3, 4, 3])])
    assert (caught.value.field, caught.value.code) == ("terms[2].ids", "AZQ101")
    with pytest.raises(InvalidTerm, match="Duplicated ids detected in term!"):
        terms.append(T(c=1, indices=[9, 9]))
    with pytest.raises(ValueError, match="steps of 1"):
        terms[::2] = []
    with pytest.raises(IndexError):
        terms[1]
    assert terms == [T(c=1, indices=[0])]  # refused means unchanged


def test_a_long_list_is_shown_short() -> None:
    terms = make_list(*(T(c=i, indices=[i]) for i in range(1000)))
    assert repr(terms).endswith("... 992 more]")
    assert len(repr(terms)) < 400


def test_what_was_given_out_never_changes() -> None:
    store = TermStore()
    for i in range(5000):  # beyond the number that stands as objects
        store.append(T(c=i, indices=[i]))
    before = store.block()
    store.append(T(c=1, indices=[7]))
    TermList(store)[0] = T(c=99, indices=[99])
    assert len(before.arrays) == 5000
    assert before.arrays.coefficients.tolist() == list(range(5000))
    assert store.block().arrays.coefficients[[0, 1, -1]].tolist() == [99, 1, 1]
    for array in (before.arrays.coefficients, before.arrays.offsets, before.arrays.ids, before.integral):
        assert not array.flags.writeable


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 6), st.lists(st.integers(0, 9), max_size=3))),
    st.data(),
)
def test_the_list_is_a_list(changes: list[tuple[int, int, list[int]]], data: st.DataObject) -> None:
    mine, theirs = make_list(), []
    for kind, place, indices in changes:
        term = T(c=data.draw(coefficients(integers=True)), indices=indices)
        if kind == 0:
            mine.append(term)
            theirs.append(term)
        elif kind == 1:
            mine.insert(place, term)
            theirs.insert(place, term)
        else:
            mine[place : place + 2] = [term, term]
            theirs[place : place + 2] = [term, term]
    assert mine == theirs
    assert [type(term.c) for term in mine] == [int] * len(theirs)


def test_packing() -> None:
    block = pack_terms([T(c=2**53 + 1, indices=[4, 1]), T(c=0.5)])
    assert block.arrays.coefficients.tolist() == [2.0**53, 0.5]
    assert block.arrays.offsets.tolist() == [0, 2, 2]
    assert block.arrays.ids.tolist() == [4, 1]
    assert block.integral.tolist() == [True, False]
    with pytest.raises(InvalidProblem, match=r"terms\[0\]"):
        pack_terms([1])  # type: ignore[list-item]
