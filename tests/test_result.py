"""Result: the QIO dict, the attributes, the arrays, the text."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from gpuqio.batch_result import BatchResult
from gpuqio.result import Report, Result, Solution, StopReason

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


EXPECTED = {
    "version": "1.0",
    "configuration": {"2": -1, "10": 1},
    "cost": -17.0,
    "parameters": {"seed": 11, "all_betas": [0.1, 2.0]},
    "solutions": [
        {"configuration": {"2": -1, "10": 1}, "cost": -17.0},
        {"configuration": {"2": -1, "10": -1}, "cost": -16.0},
    ],
}


def test_a_result_is_the_services_dict() -> None:
    result = make()
    assert result == EXPECTED
    assert dict(result) == result.to_dict() == EXPECTED
    assert json.loads(result.to_json()) == json.loads(json.dumps(dict(result))) == EXPECTED
    assert list(result) == list(EXPECTED)
    assert len(result) == 5
    assert result["cost"] == -17.0
    assert "configuration" in result
    assert result.get("cost_unit") is None
    with pytest.raises(KeyError, match="report"):
        result["report"]


def collect(**entries: Any) -> dict[str, Any]:
    return entries


@pytest.mark.parametrize(
    "look",
    [
        dict,
        Result.copy,
        lambda result: collect(**result),
        lambda result: {**result},
        lambda result: {} | result,
        lambda result: result | {},
        lambda result: dict(result.items()),
        lambda result: dict(zip(result.keys(), result.values(), strict=True)),
        lambda result: {key: result.pop(key) for key in list(result)},
        lambda result: dict(result.popitem() for _ in range(len(result))),
        lambda result: {key: result.get(key) for key in result},
        lambda result: {key: result.setdefault(key, 1) for key in reversed(result)},
        lambda result: result.update(version="1.0") or dict(result),
        lambda result: json.loads(json.dumps(result)),
        lambda result: json.loads(json.dumps(result, indent=1, sort_keys=True)),
        lambda result: copy.copy(result),
        lambda result: copy.deepcopy(result),
        lambda result: pickle.loads(pickle.dumps(result)),
    ],
)
def test_however_a_result_is_read_its_values_are_there(look: Callable[[Result], dict[str, Any]]) -> None:
    assert look(make()) == EXPECTED
    assert make() == look(make())
    assert (make() != look(make())) is False


def test_what_is_written_stays() -> None:
    result = make()
    result["cost"] = 5
    del result["version"]
    result |= {"note": "mine"}
    assert result == {**{key: value for key, value in EXPECTED.items() if key != "version"}, "cost": 5, "note": "mine"}
    assert result != make()
    assert result.cost == -17.0
    assert pickle.loads(pickle.dumps(result))["note"] == "mine"
    emptied = make()
    emptied.clear()
    assert emptied == {}
    assert make()["configuration"] is not make()["configuration"]


def test_encoders_that_read_behind_a_results_back_fail_instead_of_writing_nothing() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(make())
    assert json.loads(msgspec.json.encode(make().to_dict())) == EXPECTED


def test_a_result_of_which_arrays_are_read_makes_no_dicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Result, "_configuration", None)
    batch = BatchResult([make(), make()])
    assert (batch[0].costs[0], batch[1].report.engine, len(batch[0]), "cost" in batch[0]) == (-17.0, "cpu", 5, True)
    with pytest.raises(TypeError):
        batch[0]["cost"]


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
        "removed": 0,
        "components": 1,
        "statistics": {},
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
