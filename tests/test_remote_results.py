"""Results and reports as they come from a service, in the three shapes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpuqio.errors import RemoteError
from gpuqio.remote.protocol import REPORT_KEY
from gpuqio.remote.results import decode_report, decode_result, encode_report
from gpuqio.result import Result, StopReason
from gpuqio.shapes import MICROSOFT, Shape, Toshiba
from tests.test_result import REPORT
from tests.test_shapes import ONEQBIT, SHAPES, TOSHIBA, make

RECORDED: dict[str, Any] = {
    "version": "1.0",
    "configuration": {"0": 1, "1": -1, "12": 1},
    "cost": -17.0,
    "parameters": {"seed": 22, "sweeps": 2, "all_betas": [1.15, 3.14]},
    "solutions": [
        {"configuration": {"0": 1, "1": -1, "12": 1}, "cost": -17.0},
        {"configuration": {"12": -1, "1": -1, "0": 1}, "cost": -16.5},
    ],
}


def read(entries: object, **metadata: str) -> Result:
    return decode_result(json.dumps(entries).encode(), metadata)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("variables", [0, 2])
def test_what_a_shape_wrote_is_read_back_with_its_report(shape: Shape, variables: int) -> None:
    result = make(shape, StopReason.TIMEOUT, variables)
    back = decode_result(result.to_json().encode(), {REPORT_KEY: encode_report(result.report)})
    assert back == result
    assert back.report == result.report
    assert back.variables.dtype == np.int64
    assert back.states.dtype == np.int8
    # Microsoft's says nothing of other solutions of a problem without variables.
    kept = 1 if shape is MICROSOFT and not variables else 2
    assert np.array_equal(back.states, result.states[:kept])
    assert np.array_equal(back.costs, result.costs[:kept])
    assert back.parameters.items() <= {**result.parameters, "loops": 10}.items()


@pytest.mark.parametrize("shape", [ONEQBIT, TOSHIBA, Toshiba("toshiba.sbm.ising", {"auto": True}, ("dt", "algo"))])
def test_without_a_report_the_dict_is_the_same_all_the_same(shape: Shape) -> None:
    result = make(shape, StopReason.TIMEOUT)
    result.parameters.update(dt=0.5, algo="2.0")
    back = decode_result(result.to_json().encode())
    assert back == result
    assert back.report.engine == "azure"


def test_a_recorded_result_has_its_arrays_in_the_order_of_variables() -> None:
    result = read(RECORDED)
    assert result == RECORDED
    assert result.variables.tolist() == [0, 1, 12]
    assert result.states.tolist() == [[1, -1, 1], [1, -1, -1]]
    assert result.cost == -17.0
    assert result.parameters == RECORDED["parameters"]
    assert (result.report.engine, result.report.sweeps) == ("azure", 2)
    assert result.report.stop_reason is StopReason.COMPLETED


def test_an_early_recording_without_solutions_has_one() -> None:
    result = read({"version": "1.0", "configuration": {"0": 1}, "cost": 3})
    assert [solution.to_dict() for solution in result.solutions] == [{"configuration": {"0": 1}, "cost": 3.0}]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"solutions": [{"configuration": {"0": 2}, "cost": 1}]}, "Invalid enum value 2"),
        ({"solutions": [{"configuration": {"-1": 1}, "cost": 1}]}, "matching regex"),
        ({"solutions": [{"configuration": {"9" * 19: 1}, "cost": 1}]}, "too large"),
        ({"solutions": [{"configuration": {"0": 1, "00": 1}, "cost": 1}]}, "a variable twice"),
        ({"solutions": [{"configuration": {"0": 1}, "cost": "1"}]}, "Expected `float`"),
        ({"solutions": [{"configuration": {"0": 1}, "cost": None}]}, "Expected `float`"),
        ({"solutions": [{"configuration": {i: 1}, "cost": 1} for i in "01"]}, "of different variables"),
        ({"solutions": [{"configuration": {}, "cost": 1}, {"configuration": {"0": 1}, "cost": 1}]}, "of different"),
        ({"solutions": [], "cost": None}, "neither solutions nor a cost"),
    ],
)
def test_what_is_no_result_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(RemoteError, match=said) as caught:
        read({**RECORDED, **changed})
    assert caught.value.code == "InvalidResult"


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff", b"\x1f\x8bbroken", b"NaN"])
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteError, match="can't be read"):
        decode_result(data)


def test_a_report_keeps_all_it_says() -> None:
    report = replace(REPORT, statistics={"betas": [0.1, 2.5], "found": {"at": 3}}, stop_reason=StopReason.PROVEN)
    assert decode_report(encode_report(report)) == report


@pytest.mark.parametrize("text", ["", "{}", encode_report(REPORT).replace("COMPLETED", "BORED")])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(RemoteError, match="The job's report can't be read"):
        decode_report(text)
