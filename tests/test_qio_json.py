"""The wire's JSON: round trips, the exact words, and everything that is refused."""

from __future__ import annotations

import gzip
import json
import pickle
import tracemalloc
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio import qio_json
from gpuqio.errors import InvalidJson, InvalidProblem, InvalidTerm, MissingField
from gpuqio.problem import ContentType, Problem, ProblemType
from gpuqio.terms import SlcTerm, Term
from tests.strategies import configurations, grouped_problems, problems


def document(**cost: Any) -> dict[str, Any]:
    return {"cost_function": {"type": "ising", "version": "1.0", "terms": [{"c": 1, "ids": [0]}], **cost}}


def one_term(c: str = "1", ids: str = "[0]") -> str:
    return f'{{"cost_function": {{"type": "ising", "version": "1.0", "terms": [{{"c": {c}, "ids": {ids}}}]}}}}'


# Round trips


@given(st.data())
@settings(max_examples=15)
def test_problems_come_back_as_they_were(data: st.DataObject) -> None:
    problem = data.draw(st.one_of(problems(), grouped_problems()))
    problem.name = data.draw(st.text(max_size=5)) or "n"
    if data.draw(st.booleans()):
        problem.init_config = data.draw(configurations(problem))
    for again in (
        Problem.from_json(problem.to_json()),
        Problem.deserialize(problem.serialize()),
        Problem.deserialize(problem.to_blob()),
        Problem.from_json(json.dumps(json.loads(problem.to_json()))),
    ):
        assert again.name == problem.name
        assert again.problem_type is problem.problem_type
        assert again.terms == problem.terms
        assert [type(term.c) for term in again.terms] == [type(term.c) for term in problem.terms]
        assert again.terms_slc == problem.terms_slc
        assert again.init_config == (problem.init_config or None)
        assert again.to_json() == problem.to_json()


def test_the_json_is_the_sdks() -> None:
    problem = Problem(
        "n",
        [
            Term(c=-9, indices=[0]),
            Term(c=2.0, indices=[1, 0]),
            Term(c=2, indices=[]),
            SlcTerm([Term(c=1, indices=[0]), Term(c=-1, indices=[])], c=2),
        ],
        init_config={0: 1, "1": -1},
    )
    assert json.loads(problem.to_json()) == {
        "metadata": {"name": "n"},
        "cost_function": {
            "version": "1.1",
            "type": "ising_grouped",
            "terms": [{"c": -9, "ids": [0]}, {"c": 2.0, "ids": [1, 0]}, {"c": 2, "ids": []}],
            "terms_slc": [{"c": 2, "terms": [{"c": 1, "ids": [0]}, {"c": -1, "ids": []}]}],
            "initial_configuration": {"0": 1, "1": -1},
        },
    }
    assert '{"c":-9,"ids":[0]},{"c":2.0,"ids":[1,0]},{"c":2,"ids":[]}' in problem.to_json()
    plain = json.loads(Problem("n", init_config={}).to_json())["cost_function"]
    assert plain == {"version": "1.0", "type": "ising", "terms": []}


def test_numbers_keep_every_bit() -> None:
    values = [0.1, 1e300, 1e-300, 5e-324, 1.7976931348623157e308, -0.0, 2**53, -(2**62), 10**300]
    problem = Problem("", [Term(c=c, indices=[2**63 - 1]) for c in values])
    again = Problem.from_json(problem.to_json())
    assert np.array_equal(again.term_arrays().coefficients, np.array(values, float))
    assert np.signbit(again.term_arrays().coefficients[5])
    assert again.variables.tolist() == [2**63 - 1]


def test_terms_are_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem.from_arrays(np.arange(49).reshape(7, 7))
    whole = problem.to_json()
    monkeypatch.setattr(qio_json, "_CHUNK", 4)
    assert problem.to_json() == whole


def test_names() -> None:
    text = json.dumps({**document(), "metadata": {"name": "in it", "other": 1}})
    assert Problem.from_json(text).name == "in it"
    assert Problem.from_json(text, name="given").name == "given"
    assert Problem.from_json(json.dumps(document())).name == "Optimization problem"
    assert Problem.from_json(json.dumps({**document(), "metadata": {"name": None}})).name == "Optimization problem"


def test_what_others_leave_out_or_add_is_read() -> None:
    grouped = {"cost_function": {"type": "pubo_grouped", "terms_slc": [{"c": 1, "terms": [{"c": 1, "ids": [0]}]}]}}
    problem = Problem.from_json(json.dumps(grouped))
    assert problem.terms == []
    assert problem.terms_slc == [SlcTerm([Term(c=1, indices=[0])], c=1)]
    assert Problem.from_json(json.dumps(document(version="2.0", more={"x": [1]}))).terms == [Term(c=1, indices=[0])]


def test_types_are_those_of_the_enumeration() -> None:
    literal = get_type_hints(qio_json._CostFunction)["type"]
    assert set(literal.__args__) == {kind.name for kind in ProblemType}


# gzip


def test_gzip_is_recognised_by_its_bytes() -> None:
    problem = Problem("", [Term(c=1, indices=[0])])
    blob = problem.to_blob()
    assert blob == problem.to_blob()
    assert gzip.decompress(blob).decode() == problem.to_json()
    text = problem.to_json().encode()
    members = gzip.compress(text[:20]) + gzip.compress(text[20:]) + b"\0" * 8
    for data in (blob, bytearray(blob), members, text):
        assert Problem.deserialize(bytes(data)).terms == problem.terms


def test_broken_gzip_is_refused() -> None:
    blob = Problem("", [Term(c=1, indices=[0])]).to_blob()
    for bad in (blob[:-9], blob[:4], blob[:20] + b"\0\0\0\0" + blob[24:], blob + b"tail"):
        with pytest.raises(InvalidProblem, match="gzip data"):
            Problem.deserialize(bad)


def test_inflating_is_bounded() -> None:
    assert qio_json.inflate(gzip.compress(b" " * 100_000), 100_000) == b" " * 100_000
    bomb = gzip.compress(b" " * 50_000_000)
    tracemalloc.start()
    with pytest.raises(InvalidProblem, match="inflates to more than 100000 bytes"):
        qio_json.inflate(bomb, 100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


# What is refused


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (one_term(c="NaN"), "cost_function.terms[0].c"),
        (one_term(c="-Infinity"), "cost_function.terms[0].c"),
        (one_term(c="1e400"), "cost_function.terms[0].c"),
        (one_term(c="-1e400"), "cost_function.terms[0].c"),
        (one_term(c="1" * 400), "cost_function.terms[0].c"),
        (one_term(c="1" * 6000), "cost_function.terms[0].c"),
        (one_term(c="true"), "cost_function.terms[0].c"),
        (one_term(c='"1"'), "cost_function.terms[0].c"),
        (one_term(c="null"), "cost_function.terms[0].c"),
        (one_term(ids="[0, -1]"), "cost_function.terms[0].ids[1]"),
        (one_term(ids="[9223372036854775808]"), "cost_function.terms[0].ids[0]"),
        (one_term(ids="[1e30]"), "cost_function.terms[0].ids[0]"),
        (one_term(ids="[1.0]"), "cost_function.terms[0].ids[0]"),
        (one_term(ids="[true]"), "cost_function.terms[0].ids[0]"),
        (one_term(ids='["0"]'), "cost_function.terms[0].ids[0]"),
        (one_term(ids="[null]"), "cost_function.terms[0].ids[0]"),
        (one_term(ids="null"), "cost_function.terms[0].ids"),
        (one_term(ids="0"), "cost_function.terms[0].ids"),
        (one_term(ids="[3, 3]"), "cost_function.terms[0].ids"),
        (one_term(ids="[" * 100_000), "cost_function.terms[0].ids[0]"),
        (one_term().replace('"c"', '"w"'), "cost_function.terms[0].c"),
        (one_term().replace('"ids"', '"id"'), "cost_function.terms[0].ids"),
        (json.dumps(document(type="maxsat")), "cost_function.type"),
        (json.dumps(document(type=1)), "cost_function.type"),
        (json.dumps(document(terms={})), "cost_function.terms"),
        (json.dumps(document(terms=[[1]])), "cost_function.terms[0]"),
        (json.dumps(document(version=1.0)), "cost_function.version"),
        (json.dumps(document(terms_slc=[{"c": 1}])), "cost_function.terms_slc[0].terms"),
        (json.dumps(document(terms_slc=[{"c": 1, "terms": [{"c": 1, "ids": [0, 1]}]}])), "cost_function.terms_slc[0]"),
        (json.dumps(document(initial_configuration={"0": 1.0})), "cost_function.initial_configuration.0"),
        (json.dumps(document(initial_configuration={"0": True})), "cost_function.initial_configuration.0"),
        (json.dumps(document(initial_configuration={"-1": 1})), "cost_function.initial_configuration"),
        (json.dumps(document(initial_configuration={"x": 1})), "cost_function.initial_configuration"),
        (json.dumps(document(initial_configuration={str(2**63): 1})), "cost_function.initial_configuration"),
        (json.dumps(document(initial_configuration=[1])), "cost_function.initial_configuration"),
        (json.dumps({"cost_function": {"terms": []}}), "cost_function.type"),
        (json.dumps({"metadata": {"name": "x"}}), "cost_function"),
        (json.dumps({**document(), "metadata": {"name": 1}}), "metadata.name"),
        (json.dumps({"cost_function": []}), "cost_function"),
    ],
)
def test_fields_that_are_refused_by_name(text: str, field: str) -> None:
    with pytest.raises(InvalidProblem) as caught:
        Problem.from_json(text)
    assert caught.value.field.startswith(field)
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 400  # however long the input


def test_the_value_is_in_the_message() -> None:
    for text, message in (
        (one_term(c='"eleven"'), "cost_function.terms[0].c: Expected `int | float`, got `str`; found 'eleven'."),
        (one_term(ids="[-7]"), "cost_function.terms[0].ids[0]: Expected `int` >= 0; found -7."),
        (one_term(c="NaN"), "cost_function.terms[0].c must be a finite number; found nan."),
        (json.dumps(document(type="maxsat")), "cost_function.type: Invalid enum value 'maxsat'; found 'maxsat'."),
        ("{}", "cost_function is missing."),
    ):
        with pytest.raises(InvalidProblem) as caught:
            Problem.from_json(text)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "[]",
        "null",
        one_term() + "x",
        one_term()[:-1],
        '{"x": NaN',
        '{"x": ' + "[" * 900 + "NaN" + "]" * 900 + "}",
        "\ud800",
        b"\xff\xfe",
        b'{"metadata": {"name": "\xff"}, "cost_function": {"type": "ising"}}',
        '{"x": ' + "[" * 1_000_000,
        '{"x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"x": ' * 100_000,
        None,
        5,
    ],
)
def test_what_is_no_problem_at_all_is_refused(data: Any) -> None:
    with pytest.raises(InvalidProblem) as caught:
        Problem.deserialize(data)
    assert len(str(caught.value)) < 4000


def test_repeated_ids_are_a_term_error_with_the_whole_path() -> None:
    with pytest.raises(InvalidTerm, match="Duplicated ids detected in term!") as caught:
        Problem.from_json(json.dumps(document(terms=[{"c": 1, "ids": [1, 2]}, {"c": 1, "ids": [3, 3]}])))
    assert caught.value.field == "cost_function.terms[1].ids"
    pubo = Problem.from_json(json.dumps(document(type="pubo", terms=[{"c": 1, "ids": [3, 3]}])))
    assert pubo.evaluate({3: 1}) == 1


def test_the_data_says_what_it_is_whatever_the_content_type() -> None:
    problem = Problem("", [Term(c=1, indices=[0])])
    assert Problem.deserialize(problem.to_json(), content_type=ContentType.protobuf).terms == problem.terms
    with pytest.raises(InvalidProblem, match="a list of protobuf messages; found 5"):
        Problem.deserialize(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kind", "field"),
    [
        ("{}", MissingField, "cost_function"),
        ('{"cost_function": {}}', MissingField, "cost_function.type"),
        ('{"cost_function": {"type": "max"}}', MissingField, "cost_function.type"),
        ('{"cost_function": {"type": "ising", "terms": [{"ids": []}]}}', InvalidTerm, "cost_function.terms[0].c"),
        (
            '{"cost_function": {"type": "ising", "terms": [{"c": "1", "ids": []}]}}',
            InvalidTerm,
            "cost_function.terms[0].c",
        ),
        ('{"cost_function": {"type": "ising", "terms": 1}}', InvalidProblem, "cost_function.terms"),
        ('{"cost_function":\n oops}', InvalidJson, ""),
    ],
)
def test_each_refusal_is_of_the_type_that_the_sdk_raised_too(text: str, kind: type[InvalidProblem], field: str) -> None:
    with pytest.raises(InvalidProblem) as caught:
        Problem.from_json(text)
    assert type(caught.value) is kind
    assert caught.value.field == field
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
    sdk = {
        MissingField: KeyError,
        InvalidTerm: RuntimeError,
        InvalidJson: json.JSONDecodeError,
        InvalidProblem: ValueError,
    }
    assert isinstance(caught.value, sdk[kind])


def test_what_is_not_json_is_said_with_its_place() -> None:
    with pytest.raises(json.JSONDecodeError, match=r"^This is not JSON: Expecting value: line 2 column 2") as caught:
        Problem.from_json(b'{"cost_function":\n oops}')
    assert (caught.value.lineno, caught.value.colno, caught.value.pos) == (2, 2, 19)
    assert isinstance(caught.value, InvalidProblem)
    assert caught.value.code == "AZQ105"
