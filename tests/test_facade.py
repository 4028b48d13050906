"""What the flavours share: workspaces and their ids, solvers and their parameters, jobs and their details."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import trio

from gpuqio.backend import JobError, Request, Status
from gpuqio.engines.base import Work
from gpuqio.errors import BackendUnavailable, InputError, InvalidParameter, InvalidProblem, JobFailed, WaitTimeout
from gpuqio.facade.job import JobDetails
from gpuqio.facade.requests import PROBLEMS_A_CHUNK
from gpuqio.facade.solvers import SOLVERS
from gpuqio.optimization import (
    HardwarePlatform,
    ParallelTempering,
    Problem,
    SimulatedAnnealing,
    SlcTerm,
    Solver,
    Term,
)
from gpuqio.solvers import parse
from gpuqio.trio import Job, JobStatus, Workspace
from tests.fake_backend import FakeBackend

RESOURCE_ID = "/subscriptions/0a1b-2c/resourceGroups/my-group/providers/Microsoft.Quantum/Workspaces/my-space"


def three(n: int = 0) -> Problem:
    terms = [Term(c=n - 9, indices=[0]), Term(c=n - 3, indices=[1, 0]), Term(c=n + 5, indices=[2, 0])]
    return Problem(f"Problem {n}", terms)


def local(held: bool = False, **settings: Any) -> tuple[Workspace, FakeBackend]:
    backend = FakeBackend(held)
    return Workspace(backend=backend, **settings), backend


class TestWorkspace:
    @pytest.mark.parametrize("settings", [{}, {"resource_id": "", "location": ""}, {"resource_id": None}])
    def test_without_ids_it_is_local_and_needs_nothing(self, settings: dict[str, Any]) -> None:
        workspace = Workspace(**settings)
        assert repr(workspace) == "<Workspace local>"
        assert (workspace.name, workspace.subscription_id, workspace.location) == (None, None, "")

    def test_backend_local_solves_here_whatever_the_ids(self, monkeypatch: pytest.MonkeyPatch) -> None:
        workspace = Workspace(resource_id=RESOURCE_ID, location="West US", backend="local")
        assert (workspace.subscription_id, workspace.resource_group) == ("0a1b-2c", "my-group")
        assert (workspace.name, workspace.location) == ("my-space", "westus")
        monkeypatch.setenv("GPUQIO_BACKEND", "local")
        assert Workspace(name="by-environment").name == "by-environment"

    @pytest.mark.parametrize("ids", [{"resource_id": "my-space"}, {"subscription_id": "0a1b-2c", "name": "my-space"}])
    def test_half_an_identity_is_refused_in_the_sdk_s_words(self, ids: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"^Azure Quantum workspace not fully specified.Please specify either"):
            Workspace(**ids, location="westus")

    def test_a_remote_workspace_without_a_location_is_refused_in_the_sdk_s_words(self) -> None:
        with pytest.raises(InputError, match="does not have an associated location") as caught:
            Workspace(resource_id=RESOURCE_ID)
        assert caught.value.field == "location"

    def test_an_unknown_backend_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(BackendUnavailable, match="'cloud'"):
            Workspace(backend="cloud")
        monkeypatch.setenv("GPUQIO_BACKEND", "moon")
        with pytest.raises(BackendUnavailable, match="'moon'"):
            Workspace()

    @pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
    def test_threads_is_a_whole_number_of_one_or_more(self, threads: Any) -> None:
        with pytest.raises(InvalidParameter, match="threads must be") as caught:
            Workspace(threads=threads)
        assert (caught.value.field, caught.value.value) == ("threads", threads)

    def test_the_sdk_s_other_parameters_are_kept(self) -> None:
        credential = object()
        workspace = Workspace(storage="Endpoint=x", credential=credential, user_agent="me")
        assert (workspace.storage, workspace.credentials, workspace.user_agent) == ("Endpoint=x", credential, "me")
        workspace.append_user_agent("you")
        workspace.append_user_agent("you")
        assert workspace.user_agent == "me-you"

    async def test_requests_carry_the_workspace_s_share(self) -> None:
        workspace, backend = local(threads=2)
        await workspace.solve(three(), ParallelTempering(workspace, seed=1))
        await Workspace(backend=backend).solve(three(), ParallelTempering(workspace, seed=1))
        first, second = backend.requests
        assert (first.threads, second.threads) == (2, None)
        assert first.owner is workspace._owner
        assert second.owner is not workspace._owner

    async def test_targets_are_found_by_name_and_provider(self) -> None:
        workspace, _ = local()
        found = await workspace.get_targets()
        assert isinstance(found, list)
        assert [type(solver) for solver in found] == list(SOLVERS)
        one = await workspace.get_targets("Microsoft.SimulatedAnnealing.CPU", refresh=True)
        assert isinstance(one, SimulatedAnnealing)
        assert one.workspace is workspace
        assert one.name == "microsoft.simulatedannealing-parameterfree.cpu"
        assert (one.current_availability, one.average_queue_time) == ("Available", 0)
        assert await workspace.get_targets(name="ionq.qpu") == []
        assert await workspace.get_targets(provider_id="ionq") == []
        ours = [solver for solver in found if solver.provider_id == "Microsoft"]
        assert {type(solver) for solver in ours} >= {ParallelTempering, SimulatedAnnealing}
        assert repr(await workspace.get_targets(provider_id="microsoft")) == repr(ours)

    async def test_quotas_are_the_backend_s(self) -> None:
        assert await local()[0].get_quotas() == [{"dimension": "combined_job_hours", "limit": 20.0}]


class TestSolver:
    def test_with_no_tunable_a_solver_is_parameter_free(self) -> None:
        workspace, _ = local()
        assert ParallelTempering(workspace, timeout=5, seed=1).name == "microsoft.paralleltempering-parameterfree.cpu"
        assert ParallelTempering(workspace, sweeps=5).name == "microsoft.paralleltempering.cpu"
        assert SimulatedAnnealing(workspace, seed=1).name == "microsoft.simulatedannealing-parameterfree.cpu"
        assert SimulatedAnnealing(workspace, restarts=5).name == "microsoft.simulatedannealing.cpu"

    def test_parameters_are_kept_by_wire_name_and_none_is_left_out(self) -> None:
        workspace, _ = local()
        solver = ParallelTempering(workspace, sweeps=2, all_betas=(1.15, 3.14), seed=22, cost_limit=-1.5)
        assert solver.params == {
            "params": {"sweeps": 2, "replicas": 2, "all_betas": [1.15, 3.14], "seed": 22, "cost_limit": -1.5}
        }
        annealing = SimulatedAnnealing(workspace, beta_start=0.1, beta_stop=2, number_of_solutions=3)
        assert annealing.params == {"params": {"beta_start": 0.1, "beta_stop": 2, "number_of_solutions": 3}}
        solver.set_number_of_solutions(4)
        solver.set_one_param("sweeps", None)
        assert solver.params["params"]["number_of_solutions"] == 4
        assert solver.params["params"]["sweeps"] == 2

    def test_a_generic_solver_takes_the_sdk_s_arguments(self) -> None:
        workspace, _ = local()
        flat = Solver(workspace, "1qbit.tabu", "1QBit", nested_params=False, force_str_params=True, params={"seed": 1})
        assert flat.params == {"seed": "1"}
        assert (flat.provider_id, flat.input_data_format) == ("1QBit", "microsoft.qio.v2")
        assert repr(flat) == "<Solver 1qbit.tabu seed='1'>"

    def test_replicas_must_match_the_betas(self) -> None:
        with pytest.raises(ValueError, match=r"^Parameter 'replicas' must equal thelength of the 'all_betas'"):
            ParallelTempering(local()[0], replicas=3, all_betas=[1.0, 2.0])

    def test_the_fpga_is_gone(self) -> None:
        with pytest.raises(ValueError, match=r"^The FPGA hardware option for Microsoft QIO solvers has been"):
            SimulatedAnnealing(local()[0], platform=HardwarePlatform.FPGA)

    async def test_solvers_that_take_no_grouped_problems_refuse_them_in_the_sdk_s_words(self) -> None:
        workspace, backend = local()
        plain = Solver(workspace, "microsoft.paralleltempering.cpu", params={"sweeps": 2})
        assert not plain.supports_grouped_terms()
        assert ParallelTempering(workspace).supports_grouped_terms()
        assert SimulatedAnnealing(workspace).supports_grouped_terms()
        problem = Problem("grouped", [SlcTerm([Term(c=1, indices=[0]), Term(c=2, indices=[1])], c=1)])
        message = "^Solver type is not compatiblewith problem type ising_grouped;Try PopulationAnnealing"
        with pytest.raises(InvalidProblem, match=message):
            await plain.submit(problem)
        assert backend.requests == []
        with pytest.raises(ValueError, match=message):
            await workspace.solve_many([three(), problem], plain)
        assert all(record.status.is_final for record in backend.list())

    @pytest.mark.parametrize("problem", [None, {"terms": []}])
    async def test_what_is_no_problem_is_refused(self, problem: Any) -> None:
        workspace, backend = local()
        for solver in (ParallelTempering(workspace), parse("microsoft.paralleltempering.cpu", {})):
            with pytest.raises(ValueError, match=r"^Cannot submit problem: should be of type str, Problem or have"):
                await workspace.solve(problem, solver)
        assert backend.requests == []

    async def test_bad_parameters_are_refused_before_anything_is_queued(self) -> None:
        workspace, backend = local()
        with pytest.raises(InvalidParameter):
            await ParallelTempering(workspace, sweeps=-5).optimize(three())
        with pytest.raises(InvalidParameter):
            await Solver(workspace, "microsoft.nothing.cpu").submit(three())
        assert backend.requests == []

    async def test_requests_carry_the_solver_and_a_copy_of_the_problem(self) -> None:
        workspace, backend = local(held=True)
        problem = three(4)
        solver = ParallelTempering(workspace, sweeps=7, seed=11)
        await solver.submit(problem)
        problem.add_term(100, [3])
        solver.set_one_param("sweeps", 8)
        (request,) = backend.requests
        (sent,) = request.work.problems
        assert (request.name, request.target) == ("Problem 4", "microsoft.paralleltempering.cpu")
        assert request.params == {"params": {"sweeps": 7, "seed": 11}}
        assert list(sent.terms) == list(three(4).terms)
        assert request.work.solver == parse("microsoft.paralleltempering.cpu", {"sweeps": 7, "seed": 11})

    async def test_a_workspace_takes_solvers_without_a_workspace_too(self) -> None:
        workspace, backend = local()
        free = parse("microsoft.simulatedannealing.cpu", {"sweeps": 20, "seed": 3})
        assert (await workspace.solve(three(), free)).cost == -17.0
        assert backend.requests[0].work.solver is free
        assert backend.requests[0].target == "microsoft.simulatedannealing.cpu"


class TestJob:
    async def test_details_tell_the_job_s_story(self) -> None:
        workspace, backend = local(held=True)
        solver = ParallelTempering(workspace, sweeps=7)
        job = await solver.submit(three())
        assert repr(job) == f"<Job {job.id} 'Problem 0' on microsoft.paralleltempering.cpu: Executing>"
        assert (job.details.provider_id, job.details.input_params) == ("Microsoft", {"params": {"sweeps": 7}})
        assert not job.has_completed()
        backend.finish(job.id)
        assert not job.has_completed()
        await job.refresh()
        assert job.has_completed()
        assert job.details.status == JobStatus.Succeeded
        assert f"{job.details.status}" == "Succeeded"
        assert job.details.creation_time is not None
        assert job.details.end_execution_time is not None
        assert job.details.creation_time <= job.details.end_execution_time
        assert job.details.error_data is None

    async def test_a_job_can_be_made_first_and_submitted_later(self) -> None:
        workspace, backend = local()
        job = Job(workspace, workspace._request(three(), ParallelTempering(workspace, sweeps=7)))
        assert job.details.status == JobStatus.Waiting
        await job.submit()
        assert [request.job_id for request in backend.requests] == [job.id]
        assert (await job.get_results())["cost"] == -17.0

    async def test_a_failed_job_says_why_in_the_sdk_s_words(self) -> None:
        workspace, backend = local(held=True)
        job = await ParallelTempering(workspace).submit(three())
        backend.finish(job.id, JobError("InvalidInputData", "_AZQ107 no good"))
        with pytest.raises(JobFailed, match=r"^Cannot retrieve results as job execution failed\(status: Failed.error"):
            await job.get_results()
        assert job.details.error_data == JobError("InvalidInputData", "_AZQ107 no good")

    async def test_cancelling_a_job_leaves_the_argument_as_it_was(self) -> None:
        workspace, _ = local(held=True)
        job = await ParallelTempering(workspace).submit(three())
        cancelled = await workspace.cancel_job(job)
        assert (job.details.status, cancelled.details.status) == ("Executing", "Cancelled")
        await job.cancel()
        assert job.details.cancellation_time is not None
        with pytest.raises(RuntimeError, match=r"status: Cancelled.error: None"):
            await job.get_results()

    async def test_waiting_too_long_raises_and_leaves_the_job_alone(self, autojump_clock: Any) -> None:
        workspace, _ = local(held=True)
        job = await ParallelTempering(workspace).submit(three())
        with pytest.raises(TimeoutError, match=r"^The wait time has exceeded 7 seconds.$"):
            await job.wait_until_completed(timeout_secs=7)
        with pytest.raises(WaitTimeout, match=r"^The wait time has exceeded 300 seconds.$"):
            await job.get_results()
        await job.refresh()
        assert job.details.status == "Executing"

    async def test_waiting_is_quiet_unless_asked(self, autojump_clock: Any, capfd: pytest.CaptureFixture[str]) -> None:
        workspace, _ = local(held=True)
        job = await ParallelTempering(workspace).submit(three())
        with pytest.raises(WaitTimeout):
            await job.wait_until_completed(timeout_secs=100)
        assert capfd.readouterr() == ("", "")
        with pytest.raises(WaitTimeout):
            await job.wait_until_completed(timeout_secs=100, print_progress=True)
        assert capfd.readouterr() == ("", "...")

    async def test_optimizing_too_long_raises_and_cancels_the_job(self, autojump_clock: Any) -> None:
        workspace, backend = local(held=True)
        with pytest.raises(WaitTimeout, match=r"^The wait time has exceeded 300 seconds.$"):
            await ParallelTempering(workspace, timeout=1000).optimize(three())
        assert [record.status for record in backend.list()] == [Status.Cancelled]


CREATED = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)


class TestFilter:
    @pytest.fixture
    def job(self) -> Job:
        workspace, _ = local()
        solver = parse("microsoft.paralleltempering.cpu", {})
        job = Job(workspace, Request(Work((three(),), solver), name="Ship 12 of 20"))
        job._details = JobDetails(id="1", name="Ship 12 of 20", target="t", status="Succeeded", creation_time=CREATED)
        return job

    def test_no_filter_lets_everything_through(self, job: Job) -> None:
        assert job.matches_filter()

    @pytest.mark.parametrize(("pattern", "matches"), [("Ship", True), (r"\d+ of 20$", True), ("^12", False)])
    def test_names_are_searched(self, job: Job, pattern: str, matches: bool) -> None:
        assert job.matches_filter(name_match=pattern) is matches

    def test_status(self, job: Job) -> None:
        assert job.matches_filter(status=JobStatus.Succeeded)
        assert not job.matches_filter(status=JobStatus.Failed)

    @pytest.mark.parametrize(
        ("after", "matches"),
        [
            (CREATED, True),
            (CREATED + timedelta(seconds=1), False),
            (CREATED.astimezone(timezone(timedelta(hours=9))), True),
            ((CREATED + timedelta(seconds=1)).astimezone(timezone(timedelta(hours=-9))), False),
            (CREATED.astimezone().replace(tzinfo=None), True),
            ((CREATED + timedelta(seconds=1)).astimezone().replace(tzinfo=None), False),
            (CREATED.astimezone().date(), True),
            (CREATED.astimezone().date() + timedelta(days=1), False),
        ],
    )
    def test_times_of_day_and_time_zones_count(self, job: Job, after: date | datetime, matches: bool) -> None:
        assert job.matches_filter(created_after=after) is matches


class TestBatch:
    async def test_results_come_in_order_from_a_few_chunks_at_a_time(self) -> None:
        workspace, backend = local()
        problems = [three(n % 10) for n in range(5 * PROBLEMS_A_CHUNK + 3)]
        results = await workspace.solve_many(problems, ParallelTempering(workspace, seed=1))
        costs = [-17.0, -16.0, -15.0, -14.0, -15.0, -16.0, -17.0, -18.0, -19.0, -20.0]
        assert results.costs.tolist() == [costs[n % 10] for n in range(len(problems))]
        sizes = [len(request.work.problems) for request in backend.requests]
        assert sizes == [PROBLEMS_A_CHUNK] * 4 + [34, 17, 8, 4, 2, 1, 1]  # half of what is left, at most so many

    async def test_a_small_batch_keeps_every_worker_busy(self) -> None:
        workspace, backend = local()
        await workspace.solve_many([three(), three()], ParallelTempering(workspace))
        assert [len(request.work.problems) for request in backend.requests] == [1, 1]

    async def test_an_empty_batch_gives_no_results(self) -> None:
        workspace, backend = local()
        assert len(await workspace.solve_many([], ParallelTempering(workspace))) == 0
        assert backend.requests == []

    async def test_chunks_in_work_are_bounded_and_are_no_jobs(self, autojump_clock: Any) -> None:
        workspace, backend = local(held=True)
        problems = [three()] * (10 * PROBLEMS_A_CHUNK)
        with trio.move_on_after(1):
            await workspace.solve_many(problems, ParallelTempering(workspace))
        assert len(backend.requests) == 2 * backend.statistics().workers
        assert [record.status for record in backend.list()] == [Status.Cancelled] * len(backend.requests)
        assert await workspace.list_jobs() == []

    async def test_a_generator_is_read_as_far_as_there_is_work(self, autojump_clock: Any) -> None:
        workspace, _ = local(held=True)
        read = 0

        def endless() -> Iterator[Problem]:
            nonlocal read
            while True:
                read += 1
                yield three()

        with trio.move_on_after(1):
            await workspace.solve_many(endless(), ParallelTempering(workspace))
        assert 0 < read <= 2 * 2 * workspace._reach().statistics().workers * PROBLEMS_A_CHUNK

    async def test_a_generator_gives_the_results_of_a_list(self) -> None:
        workspace, _ = local()
        problems = [three(n % 10) for n in range(13)]
        results = await workspace.solve_many(iter(problems), ParallelTempering(workspace, seed=1))
        again = await workspace.solve_many(problems, ParallelTempering(workspace, seed=1))
        assert (results.costs == again.costs).all()

    async def test_a_failed_chunk_fails_the_batch_and_cancels_the_rest(self) -> None:
        workspace, backend = local(held=True)

        async def fail_the_first() -> None:
            while not backend.requests:
                await trio.lowlevel.checkpoint()
            backend.finish(backend.requests[0].job_id, JobError("InvalidInputData", "no good"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_the_first)
            with pytest.raises(JobFailed, match="no good"):
                await workspace.solve_many([three()] * 8, ParallelTempering(workspace))
        assert {record.status for record in backend.list()} == {Status.Failed, Status.Cancelled}
