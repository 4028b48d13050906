"""Programs as QIO's documentation and samples wrote them, with `azure.quantum` replaced by `gpuqio`."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpuqio.aio
from gpuqio import Job, JobStatus, Workspace
from gpuqio.aio.optimization import Problem as AioProblem
from gpuqio.job import JobDetails
from gpuqio.job.base_job import ContentType
from gpuqio.optimization import ParallelTempering, Problem, ProblemType, SimulatedAnnealing, SlcTerm, Solver, Term

RESULT = {
    "version": "1.0",
    "configuration": {"0": 1, "1": 1, "2": -1},
    "cost": -17.0,
    "solutions": [{"configuration": {"0": 1, "1": 1, "2": -1}, "cost": -17.0}],
}


def three(kind: ProblemType = ProblemType.ising) -> Problem:
    problem = Problem(name="My Problem", problem_type=kind)
    problem.add_terms([Term(c=-9, indices=[0]), Term(c=-3, indices=[1, 0])])
    problem.add_term(c=5, indices=[2, 0])
    return problem


@pytest.fixture
def workspace() -> Any:
    with Workspace(resource_id="", location="", credential=None) as workspace:
        yield workspace


def test_a_result_is_used_as_the_dict_it_was(workspace: Workspace, tmp_path: Path) -> None:
    result = SimulatedAnnealing(workspace, sweeps=50, restarts=4, seed=1).optimize(three())
    parameters = result["parameters"]
    assert isinstance(result, dict)
    assert json.loads(json.dumps(result)) == {**RESULT, "parameters": parameters}
    with (tmp_path / "result.json").open("w") as file:
        json.dump(result, file, indent=2)
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert result["solutions"][0]["cost"] == -17.0
    assert [solution["configuration"]["2"] for solution in result["solutions"]] == [-1]
    assert three().evaluate(result["configuration"]) == result["cost"]
    assert three().set_fixed_variables({"1": result["configuration"]["1"]}).evaluate(result["configuration"]) == -17
    assert result["configuration"] is result["configuration"]
    result["configuration"].pop("0")
    result["note"] = "mine"
    assert list(result["configuration"]) == ["1", "2"]
    assert pickle.loads(pickle.dumps(result))["note"] == copy.copy(result)["note"] == dict(result)["note"] == "mine"


def test_jobs_are_submitted_found_and_cancelled(workspace: Workspace) -> None:
    before = datetime.now(UTC) - timedelta(days=1)
    solver = ParallelTempering(workspace, sweeps=20, all_betas=[0.1, 1, 2], seed=3)
    job = solver.submit(three())
    assert (job.item_type, job.container_name, job.workspace) == ("Job", f"job-{job.id}", workspace)
    job.wait_until_completed(timeout_secs=60)
    job.refresh()
    assert job.details.status == "Succeeded"
    assert job.details.status == JobStatus.SUCCEEDED
    assert job.has_completed()
    first, second = job.get_results(), job.get_results(timeout_secs=100)
    assert first == second
    first["configuration"]["0"] = 7
    assert (second["configuration"]["0"], job.get_results()["configuration"]["0"]) == (1, 1)

    found = workspace.get_job(job.id)
    assert isinstance(found, Job)
    assert isinstance(found.details, JobDetails)
    assert (found.details.name, found.details.target) == ("My Problem", "microsoft.paralleltempering.cpu")
    wire = {"sweeps": 20, "all_betas": [0.1, 1, 2], "seed": 3, "replicas": 3}
    assert found.details.input_params == {"params": wire}
    assert found.details.tags == []
    listed = workspace.list_jobs(name_match="^My", status=JobStatus.SUCCEEDED, created_after=before)
    assert job.id in [other.id for other in listed]

    endless = ParallelTempering(workspace, sweeps=2**31 - 1, replicas=2).submit(three())
    assert workspace.cancel_job(endless).details.status == "Cancelled"
    endless.refresh()
    with pytest.raises(RuntimeError, match=r"^Cannot retrieve results as job execution failed\(status: Cancelled"):
        endless.get_results()


def test_a_job_that_has_ended_needs_no_time_to_say_so(workspace: Workspace) -> None:
    job = SimulatedAnnealing(workspace, sweeps=20, seed=1).submit(three())
    workspace.get_job(job.id).wait_until_completed()
    assert not job.has_completed()
    assert job.get_results(timeout_secs=0)["cost"] == -17.0


def test_targets_are_listed_and_used(workspace: Workspace) -> None:
    targets = workspace.get_targets(provider_id="microsoft")
    assert isinstance(targets, list)
    assert {target.current_availability for target in targets} == {"Available"}
    target = workspace.get_targets(name="microsoft.paralleltempering-parameterfree.cpu")
    assert isinstance(target, ParallelTempering)
    target.refresh()
    assert target.average_queue_time == 0
    assert target.optimize(three())["cost"] == -17.0
    with pytest.raises(
        ValueError, match=r"^Cannot refresh the Target status: target 'x.y' of provider 'Microsoft' not f"
    ):
        Solver(workspace, "x.y").refresh()


def test_parameters_that_come_back_go_in_again(workspace: Workspace) -> None:
    for solver in (
        ParallelTempering(workspace, seed=5),
        ParallelTempering(workspace, sweeps=30, seed=5),
        ParallelTempering(workspace, sweeps=30, all_betas=np.array([0.1, 0.5, 1.0]), seed=5),
        SimulatedAnnealing(workspace, seed=5),
        SimulatedAnnealing(workspace, beta_start=0.1, seed=5),
    ):
        result = solver.optimize(three())
        again = type(solver)(workspace, **result["parameters"]).optimize(three())
        assert (again["configuration"], again["cost"]) == (result["configuration"], result["cost"])


def test_numpy_values_are_parameters(workspace: Workspace) -> None:
    solver = ParallelTempering(workspace, sweeps=np.int64(20), replicas=np.int32(4), seed=np.uint8(3))  # type: ignore[arg-type]
    assert solver.optimize(three(ProblemType.pubo))["cost"] == -12.0


def test_start_values_may_be_written_as_in_json(workspace: Workspace) -> None:
    problem = three()
    problem.init_config = {"0": 1, "1": 1}
    problem.init_config["2"] = -1  # type: ignore[index]
    assert ParallelTempering(workspace, sweeps=20, seed=1).optimize(problem)["cost"] == -17.0
    problem.init_config["3"] = -1  # type: ignore[index]
    with pytest.raises(ValueError, match=r"^init_config has a value for variable 3, which is in no term\."):
        workspace.solve_many([problem], ParallelTempering(workspace, sweeps=20))


def test_a_name_that_is_no_text_does_not_spoil_the_list(workspace: Workspace) -> None:
    problem = three()
    problem.name = 5  # type: ignore[assignment]
    job = SimulatedAnnealing(workspace, sweeps=20).submit(problem)
    assert [other.id for other in workspace.list_jobs(name_match="^5$")] == [job.id]


def test_a_problem_of_any_content_type_is_solved(workspace: Workspace) -> None:
    problem = Problem("proto", list(three().terms), content_type=ContentType.protobuf)
    assert SimulatedAnnealing(workspace, sweeps=20, seed=1).optimize(problem)["cost"] == -17.0


def test_the_same_under_asyncio() -> None:
    async def main() -> None:
        workspace = gpuqio.aio.Workspace(resource_id="", location="")
        target = await workspace.get_targets(name="microsoft.simulatedannealing.cpu")
        assert isinstance(target, SimulatedAnnealing)
        await target.refresh()
        problem = AioProblem("aio", list(three().terms))
        job = await SimulatedAnnealing(workspace, sweeps=20, seed=1).submit(problem)
        await job.wait_until_completed()
        await job.refresh()
        assert job.details.status == gpuqio.aio.JobStatus.SUCCEEDED
        assert (await job.get_results())["cost"] == -17.0
        assert job.id in [other.id for other in await workspace.list_jobs(name_match="aio")]
        assert json.loads(json.dumps(await (await workspace.get_job(job.id)).get_results()))["cost"] == -17.0
        assert (await workspace.cancel_job(job)).details.status == "Succeeded"
        await workspace.close()

    asyncio.run(main())


def test_two_ships_are_loaded_by_one_squared_sum(workspace: Workspace) -> None:
    """The ship loading sample, in its form with the square left as it is."""
    weights = [2, 5, 9, 21, 35, 5, 3, 5, 10, 11, 23, 13, 8, 7, 12, 19, 22, 54, 33]
    terms = [Term(c=w, indices=[i]) for i, w in enumerate(weights)]
    problem = Problem(name="Ship Sample Problem (SLC)", problem_type=ProblemType.ising_grouped)
    problem.add_terms([SlcTerm(c=1, terms=terms)])
    for solver in (
        SimulatedAnnealing(workspace, timeout=100, seed=22),
        ParallelTempering(workspace, sweeps=200, seed=3),
    ):
        result = solver.submit(problem).get_results()
        loads = [sum(w for i, w in enumerate(weights) if result["configuration"][str(i)] == ship) for ship in (1, -1)]
        assert (sorted(loads), result["cost"]) == ([148, 149], 1.0)
    assert Problem.from_json(problem.to_json()).evaluate(result["configuration"]) == 1.0
