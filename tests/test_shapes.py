"""Results as each provider wrote them; the attributes are the same in all."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpuqio import Workspace
from gpuqio.optimization import Problem, ProblemType, Tabu, Term
from gpuqio.result import Result, StopReason
from gpuqio.shapes import MICROSOFT, OneQbit, Shape, Toshiba
from gpuqio.target import PathRelinkingSolver, PticmSolver, TabuSearch
from tests.test_result import REPORT

ONEQBIT = OneQbit("1qbit.tabu", "Tabu", frozenset({"tabu_tenure"}))
TOSHIBA = Toshiba("toshiba.sbm.ising", {"loops": 10})
SHAPES = [MICROSOFT, ONEQBIT, TOSHIBA]


def make(shape: Shape, reason: StopReason = StopReason.COMPLETED, variables: int = 2) -> Result:
    states = np.array([[1, -1], [-1, -1]], np.int8)[:, :variables]
    parameters = {"seed": 11, "tabu_tenure": 20, "tabu_tenure_rand_max": 10}
    report = replace(REPORT, stop_reason=reason)
    return Result(np.array([10, 2])[:variables], states, np.array([-5.0, -4.5]), parameters, report, shape)


def test_1qbit_wrote_everything_as_text_and_marked_what_it_chose() -> None:
    assert dict(make(ONEQBIT)) == {
        "version": "1.0",
        "target": "1qbit.tabu",
        "input_data_uri": None,
        "input_params": {
            "seed (GENERATED)": "11",
            "tabu_tenure": "20",
            "tabu_tenure_rand_max (COMPUTED)": "10",
            "solver_name": "Tabu",
        },
        "solutions": [
            {"configuration": {"2": "-1", "10": "1"}, "cost": -5.0},
            {"configuration": {"2": "-1", "10": "-1"}, "cost": -4.5},
        ],
    }


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (StopReason.COMPLETED, "finished"),
        (StopReason.CONVERGED, "finished"),
        (StopReason.TIMEOUT, "timeout"),
        (StopReason.COST_LIMIT, "reached"),
    ],
)
def test_toshiba_wrote_with_each_solution_what_was_done(reason: StopReason, message: str) -> None:
    done = {"runs": REPORT.replicas, "message": message, "time": REPORT.seconds}
    assert dict(make(TOSHIBA, reason)) == {
        "version": "1.0",
        "target": "toshiba.sbm.ising",
        "input_data_uri": None,
        "input_params": {"loops": 10},
        "solutions": [
            {"cost": -5.0, "configuration": {"2": -1, "10": 1}, "parameters": done},
            {"cost": -4.5, "configuration": {"2": -1, "10": -1}, "parameters": done},
        ],
    }


def test_toshiba_counted_the_runs_of_all_loops() -> None:
    result = make(TOSHIBA)
    result.parameters["steps"] = REPORT.sweeps // 3
    assert result["solutions"][0]["parameters"]["runs"] == (3 + (REPORT.sweeps % 3 > 0)) * REPORT.replicas


def test_toshiba_s_auto_mode_shows_what_it_chose() -> None:
    result = make(replace(TOSHIBA, chosen=("tabu_tenure",)))
    done = result["solutions"][0]["parameters"]
    assert (done["tabu_tenure"], done["total_time"]) == (20, REPORT.seconds)


@pytest.mark.parametrize("shape", SHAPES)
def test_attributes_are_the_same_in_every_shape(shape: Shape) -> None:
    result, usual = make(shape), make(MICROSOFT)
    assert (result.cost, result.configuration, result.solutions) == (usual.cost, usual.configuration, usual.solutions)
    assert result.parameters == usual.parameters
    assert repr(result) == repr(usual)
    assert list(result) == list(shape.keys(constant=False))
    assert json.loads(result.to_json()) == json.loads(json.dumps(dict(result))) == dict(result)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result))])
def test_copies_keep_their_shape(shape: Shape, twin: Any) -> None:
    assert twin(make(shape)) == make(shape)
    assert twin(make(shape)).shape == shape


@pytest.mark.parametrize("shape", [ONEQBIT, TOSHIBA])
def test_a_problem_of_constants_has_its_cost_at_the_empty_configuration(shape: Shape) -> None:
    result = make(shape, variables=0)
    assert result["solutions"][0]["configuration"] == {}
    assert result["solutions"][0]["cost"] == -5.0
    assert list(result) == list(result.shape.keys(constant=True))


@pytest.mark.parametrize(
    ("solver", "name"), [(TabuSearch, "Tabu"), (PathRelinkingSolver, "PathRelinking")], ids=["tabu", "path relinking"]
)
def test_1qbit_s_solvers_answer_in_their_shape(solver: Any, name: str) -> None:
    problem = Problem("p", [Term(c=1, indices=[0, 1]), Term(c=-3, indices=[5])], problem_type=ProblemType.pubo)
    with Workspace() as workspace:
        job = solver(workspace, seed=3, timeout=60_000).submit(problem)
        result = job.get_results()
        again = solver(workspace, **result.parameters).optimize(problem)
    assert (job.details.provider_id, job.details.output_data_format) == ("1qbit", "microsoft.qio-results.v1")
    assert job.details.input_params == {"seed": "3", "timeout": "60000"}
    assert result["input_params"]["seed"] == "3"
    assert result["input_params"]["timeout"] == "60000"
    assert result["input_params"]["solver_name"] == name
    assert result["target"] == job.details.target
    assert result["solutions"][0]["cost"] == result.cost == problem.evaluate(result.configuration) == -3.0
    assert "cost" not in result
    assert set(result["solutions"][0]["configuration"].values()) <= {"0", "1"}
    np.testing.assert_array_equal(again.states, result.states)


def test_a_workspace_lists_targets_by_provider() -> None:
    with Workspace() as workspace:
        oneqbit, microsoft = (workspace.get_targets(provider_id=name) for name in ("1QBit", "microsoft"))
        tabu = workspace.get_targets(name="microsoft.tabu.cpu")
    assert isinstance(oneqbit, list)
    assert isinstance(microsoft, list)
    assert {type(target) for target in oneqbit} == {TabuSearch, PathRelinkingSolver, PticmSolver}
    assert {target.provider_id for target in microsoft} == {"Microsoft"}
    assert isinstance(tabu, Tabu)
