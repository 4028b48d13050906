"""Result: the QIO dict, the attributes, the arrays, the text."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gpuqio.result import BatchResult, Report, Result, Solution, StopReason

REPORT = Report(
    engine="cpu",
    device="v3",
    strategy="window",
    replicas=8,
    sweeps=100,
    flips=321,
    exchanges=45,
    seconds=0.0125,
    resolution=0.0,
    stop_reason=StopReason.COMPLETED,
)


def make(variables: tuple[int, ...] = (10, 2), states: object = ((1, -1), (-1, -1)), cost: float = -17.0) -> Result:
    array = np.array(states, np.int8)
    costs = cost + np.arange(len(array), dtype=float)
    return Result(np.array(variables, np.int64), array, costs, {"seed": 11, "all_betas": [0.1, 2.0]}, REPORT)


def test_a_result_is_the_services_dict() -> None:
    expected = {
        "version": "1.0",
        "configuration": {"2": -1, "10": 1},
        "cost": -17.0,
        "parameters": {"seed": 11, "all_betas": [0.1, 2.0]},
        "solutions": [
            {"configuration": {"2": -1, "10": 1}, "cost": -17.0},
            {"configuration": {"2": -1, "10": -1}, "cost": -16.0},
        ],
    }
    result = make()
    assert result == expected
    assert dict(result) == result.to_dict() == expected
    assert json.loads(result.to_json()) == json.loads(json.dumps(dict(result))) == expected
    assert list(result) == list(expected)
    assert len(result) == 5
    assert result["cost"] == -17.0
    assert "configuration" in result
    assert result.get("cost_unit") is None
    with pytest.raises(KeyError, match="report"):
        result["report"]


def test_keys_ascend_as_ints_and_values_are_plain() -> None:
    configuration = make().configuration
    assert list(configuration) == ["2", "10"]
    assert {type(value) for value in configuration.values()} == {int}
    assert type(make().cost) is float


def test_attributes_and_arrays_agree() -> None:
    result = make()
    assert result.variables.tolist() == [2, 10]
    assert result.states.tolist() == [[-1, 1], [-1, -1]]
    assert result.costs.tolist() == [-17, -16]
    assert result.solutions == [Solution({"2": -1, "10": 1}, -17.0), Solution({"2": -1, "10": -1}, -16.0)]
    assert result.parameters == result["parameters"]


def test_a_problem_of_constants_has_no_configuration() -> None:
    result = make((), ((),), 4.5)
    assert dict(result) == {"version": "1.0", "cost": 4.5, "parameters": result.parameters}
    assert "solutions" not in result
    assert result.configuration == {}
    assert result.solutions == []
    assert "0 variables" in repr(result)


def test_the_text_says_what_counts() -> None:
    assert repr(make()).splitlines() == [
        "<Result: cost -17.0, 2 variables, 2 solutions",
        "  best     {2: -1, 10: 1}",
        "  engine   cpu (v3), window",
        "  work     100 sweeps x 8 replicas, 321 flips, 45 exchanges, 0.0125 s",
        "  stopped  All the sweeps asked for were done.",
        f"  next     {make().advice}>",
    ]
    long = make(tuple(range(1000)), np.ones((1, 1000)))
    assert len(repr(long)) < 600


@pytest.mark.parametrize("reason", StopReason)
def test_every_stop_reason_is_a_sentence_and_has_advice(reason: StopReason) -> None:
    result = Result(np.array([0]), np.ones((1, 1), np.int8), np.zeros(1), {}, replace(REPORT, stop_reason=reason))
    for text in (reason.value, result.advice):
        assert text[0].isupper()
        assert text.endswith(".")
    assert reason.value in repr(result)


def test_a_report_is_a_dict_of_json_values() -> None:
    assert json.loads(json.dumps(REPORT.to_dict())) == {
        "engine": "cpu",
        "device": "v3",
        "strategy": "window",
        "replicas": 8,
        "sweeps": 100,
        "flips": 321,
        "exchanges": 45,
        "seconds": 0.0125,
        "resolution": 0.0,
        "stop_reason": "All the sweeps asked for were done.",
    }


def test_a_batch_gives_arrays() -> None:
    results = [make(cost=-3.0), make(cost=-1.0)]
    batch = BatchResult(results)
    assert batch.costs.dtype == np.float64
    assert batch.costs.tolist() == [-3, -1]
    assert isinstance(batch.configurations, np.ndarray)
    assert batch.configurations.dtype == np.int8
    assert batch.configurations.tolist() == [[-1, 1], [-1, 1]]
    assert len(batch) == 2
    assert batch[1] is results[1]
    assert list(batch[1:]) == results[1:]
    assert isinstance(batch[1:], BatchResult)
    assert repr(batch) == "<BatchResult: 2 problems, costs -3.0 to -1.0>"


def test_a_batch_of_different_sizes_gives_a_list() -> None:
    batch = BatchResult([make(), make((7,), ((1,),))])
    assert isinstance(batch.configurations, list)
    assert [state.tolist() for state in batch.configurations] == [[-1, 1], [1]]


def test_an_empty_batch() -> None:
    batch = BatchResult([])
    assert batch.costs.shape == (0,)
    assert batch.configurations == []
    assert repr(batch) == "<BatchResult: no problems>"
