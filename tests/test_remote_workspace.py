"""Workspaces at a service: which one is meant, what is said of it, and what is kept quiet."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

import gpuqio
from gpuqio.dispatch import LocalOnly, Overflow, Race, RemoteOnly
from gpuqio.errors import AuthenticationFailed, InputError, InvalidParameter, JobNotFound, RemoteError
from gpuqio.optimization import ParallelTempering, Problem, Tabu, Term
from gpuqio.remote.protocol import API_VERSIONS
from gpuqio.remote.transport import open_client
from gpuqio.target import Target
from gpuqio.trio import Workspace
from tests.fake_azure import KEY, FakeAzure
from tests.fake_backend import FakeBackend
from tests.flavours import Aio, Blocking, Key, Trio, azure, with_place

RESOURCE_ID = "/subscriptions/0a1b/resourceGroups/group/providers/Microsoft.Quantum/Workspaces/space"
IDS: dict[str, Any] = {"subscription_id": "0a1b", "resource_group": "group", "name": "space"}
ACCOUNT = "AccountName=mine;AccountKey=cGxhbnRlZC1rZXk=;EndpointSuffix=core.windows.net;"
CONNECTION = (
    f"SubscriptionId=0a1b;ResourceGroupName=group;WorkspaceName=space;ApiKey={KEY};"
    "QuantumEndpoint=https://westus.quantum.azure.com/;"
)


def three() -> Problem:
    return Problem("three", [Term(c=-9, indices=[0]), Term(c=-3, indices=[1, 0]), Term(c=5, indices=[2, 0])])


def url(workspace: Any) -> str:
    return str(workspace._place.endpoint.url)


@pytest.mark.parametrize("ids", [{"resource_id": RESOURCE_ID}, {"resource_id": RESOURCE_ID.lower()}, IDS])
def test_ids_and_a_region_name_a_workspace(ids: dict[str, Any]) -> None:
    workspace = Workspace(**ids, location="West US")
    assert (workspace.subscription_id, workspace.resource_group, workspace.name) == ("0a1b", "group", "space")
    assert url(workspace) == "https://westus.quantum.azure.com"
    assert repr(workspace) == "<Workspace space>"


def test_an_endpoint_is_a_place_without_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    assert url(Workspace(**IDS, endpoint="http://127.0.0.1:8000/", credential=Key())) == "http://127.0.0.1:8000"
    monkeypatch.setenv("AZURE_QUANTUM_ENV", "canary")
    assert url(Workspace(**IDS, location="westus")) == "https://eastus2euap.quantum.azure.com"
    monkeypatch.setenv("AZURE_QUANTUM_ENV", "dogfood")
    assert url(Workspace(**IDS, location="westus")) == "https://westus.quantum-test.azure.com"
    monkeypatch.setenv("AZURE_QUANTUM_BASEURL", "https://example.org/quantum/")
    assert url(Workspace(**IDS, location="westus")) == "https://example.org/quantum"
    assert url(Workspace(**IDS, endpoint="https://other.org")) == "https://other.org"
    with pytest.raises(InputError, match="does not have an associated location"):
        Workspace(**IDS)
    with pytest.raises(InvalidParameter, match="endpoint"):
        Workspace(**IDS, endpoint="ftp://x")


@pytest.mark.parametrize("version", API_VERSIONS)
def test_every_version_of_the_service_is_spoken(run: Any, spaces: list[Any], version: str) -> None:
    service = FakeAzure(API_VERSIONS[version], polls=0)
    workspace = azure(run, spaces, service, api_version=version)
    assert run(ParallelTempering(workspace).optimize(three()))["cost"] == -17.0


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="api_version must be one of v1.0, 2022-09-12-preview"):
        Workspace(**IDS, location="westus", api_version="2021-01-01")


def test_a_connection_string_has_it_all(run: Any, spaces: list[Any]) -> None:
    workspace = run.module.Workspace.from_connection_string(CONNECTION, user_agent="me")
    service = FakeAzure(polls=0)
    with_place(workspace, open_client=lambda: open_client(service))
    spaces.append(workspace)
    assert run(Tabu(workspace).optimize(three()))["cost"] == -17.0
    with pytest.raises(InvalidParameter, match="lacks apikey") as caught:
        run.module.Workspace.from_connection_string(CONNECTION.replace("ApiKey", "Key"))
    assert KEY not in str(caught.value)


def test_only_who_has_nowhere_else_to_turn_is_patient() -> None:
    policies = {None: True, RemoteOnly(): True, Overflow(1.0): False, Race(): False}
    for policy, patient in policies.items():
        place = Workspace(**IDS, location="westus", dispatch=policy)._place
        assert place is not None
        assert place.patient is patient


@pytest.mark.parametrize("backend", ["argument", "environment"])
def test_local_wins_over_ids(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend == "environment":
        monkeypatch.setenv("GPUQIO_BACKEND", "local")
    with gpuqio.Workspace(**IDS, backend="local" if backend == "argument" else None) as workspace:
        assert ParallelTempering(workspace, sweeps=20).optimize(three()).report.engine == "cpu"


def test_jobs_of_a_service_are_found_whoever_submitted_them(run: Any, spaces: list[Any]) -> None:
    service = FakeAzure(polls=0)
    first, second = azure(run, spaces, service), azure(run, spaces, service)
    job = run(ParallelTempering(first, seed=1).submit(three()))
    assert job.details.container_uri is not None
    assert job.details.input_data_uri is not None
    found = run(second.get_job(job.id))
    assert run(found.get_results())["cost"] == -17.0
    assert found.details.input_params == {"params": {"seed": 1}}
    assert [other.details.name for other in run(second.list_jobs())] == ["three"]
    assert run(run(second.list_jobs())[0].get_results())["cost"] == -17.0
    with pytest.raises(JobNotFound):
        run(second.get_job("no-such"))
    with pytest.raises(InvalidParameter, match="has been submitted already"):
        run(found.submit())
    assert run(second.cancel_job(found)).details.status == "Succeeded"


def test_targets_and_quotas_are_the_service_s(run: Any, spaces: list[Any]) -> None:
    workspace = azure(run, spaces, FakeAzure())
    tabu = run(workspace.get_targets())
    assert isinstance(tabu, Tabu)
    assert (tabu.average_queue_time, tabu.current_availability) == (4, "Available")
    assert run(workspace.get_targets("microsoft.tabu.cpu")).workspace is workspace
    assert run(workspace.get_targets(provider_id="ionq")) == []
    run(Target(workspace, "microsoft.tabu.cpu").refresh())
    with pytest.raises(InvalidParameter, match="Cannot refresh the Target status"):
        run(Target(workspace, "ionq.qpu").refresh())
    assert run(workspace.get_quotas())[0]["limit"] == 20.0


async def test_a_target_that_is_no_solver_is_shown_too() -> None:
    workspace = Workspace(backend=(backend := FakeBackend()))
    backend.available = [replace(backend.available[0], target="ionq.qpu", provider_id="ionq", average_queue_time=60)]
    found = await workspace.get_targets()
    assert isinstance(found, Target)
    assert (found.name, found.provider_id, found.average_queue_time) == ("ionq.qpu", "ionq", 60)


def test_a_batch_is_solved_at_a_service(run: Any, spaces: list[Any]) -> None:
    workspace = azure(run, spaces, FakeAzure(polls=0))
    assert run(workspace.solve_many([three()] * 3, ParallelTempering(workspace))).costs.tolist() == [-17.0] * 3


@pytest.mark.parametrize("driver", [Blocking, Aio])  # whose calls are of one trio run
def test_closing_cancels_what_still_runs_there(driver: Any, spaces: list[Any]) -> None:
    run, service = driver(), FakeAzure(held=True)
    workspace = azure(run, spaces, service)
    run(ParallelTempering(workspace).submit(three()))
    run(workspace.close())
    assert service.unfinished == []


async def test_a_service_that_hangs_does_not_hold_up_the_end(autojump_clock: MockClock) -> None:
    service = FakeAzure(held=True)
    workspace = azure(Trio(), [], service)
    await ParallelTempering(workspace).submit(three())
    service.before = lambda _, request: httpx.Response(503)
    began = trio.current_time()
    with pytest.raises(RemoteError):
        await workspace.close()
    assert trio.current_time() - began <= 31


# Dispatch.


def test_a_policy_says_where_jobs_go(run: Any, spaces: list[Any]) -> None:
    remote = FakeBackend()
    workspace = run.module.Workspace(backend=remote, dispatch=RemoteOnly())
    here = run.module.Workspace(backend=remote, dispatch=LocalOnly())
    spaces += [workspace, here]
    assert run(ParallelTempering(workspace, sweeps=20, seed=1).optimize(three())).report.engine == "fake"
    assert run(ParallelTempering(here, sweeps=20, seed=1).optimize(three())).report.engine == "cpu"
    assert len(remote.requests) == 1


async def test_a_workspace_keeps_its_dispatcher_for_a_trio_run() -> None:
    workspace = Workspace(backend=FakeBackend(), dispatch=Overflow(1.0))
    assert workspace._reach() is workspace._reach()
    assert workspace._reach() is not Workspace(backend=FakeBackend(), dispatch=Overflow(1.0))._reach()


def test_dispatch_needs_somewhere_to_dispatch_to() -> None:
    with pytest.raises(InvalidParameter, match="names none"):
        Workspace(dispatch=Overflow(1.0))


# What is kept quiet, and what goes with a workspace.


def test_nothing_shows_a_credential(run: Any, spaces: list[Any]) -> None:
    class Planted:
        def __init__(self) -> None:
            self.key = "planted-secret"

    workspace = run.module.Workspace(**IDS, location="westus", credential=Planted(), storage=ACCOUNT, user_agent="me")
    assert (workspace.credentials.key, workspace.storage) == ("planted-secret", ACCOUNT)
    shown = [repr(workspace), repr(workspace._place), str(pickle.dumps(workspace))]
    assert not any(secret in text for text in shown for secret in ("planted-secret", "cGxhbnRlZC1rZXk", "planted-key"))
    again = pickle.loads(pickle.dumps(workspace))
    assert type(again) is type(workspace)
    assert (again.credentials, again.storage, again.name, again.user_agent) == (None, None, "space", "me")
    with pytest.raises(InvalidParameter) as caught:
        run.module.Workspace(**IDS, location="westus", storage="AccountKey=cGxhbnRlZC1rZXk=")
    assert "cGxhbnRlZC1rZXk" not in str(caught.value)


def test_a_wrong_key_is_refused_in_words(run: Any, spaces: list[Any]) -> None:
    workspace = azure(run, spaces, FakeAzure())
    with_place(workspace, credential=type("Wrong", (), {"key": "wrong-key"})())
    with pytest.raises(AuthenticationFailed) as caught:
        run(workspace.list_jobs())
    assert "wrong-key" not in str(caught.value)


def test_what_the_program_calls_itself_may_change(run: Any, spaces: list[Any]) -> None:
    service = FakeAzure()
    agents: list[str] = []
    workspace = azure(run, spaces, service)
    service.before = lambda _, request: agents.append(request.headers["user-agent"])
    run(workspace.get_quotas())
    workspace.append_user_agent("mine")
    run(workspace.get_quotas())
    assert [agent.split()[0] for agent in agents] == ["gpuqio", "mine"]


@pytest.mark.parametrize("driver", [Blocking, Aio])  # whose calls are of one trio run
def test_a_new_name_forgets_no_jobs(driver: Any, spaces: list[Any]) -> None:
    run = driver()
    workspace = azure(run, spaces, FakeAzure(held=True))
    job = run(Tabu(workspace, seed=1).submit(three()))
    workspace.append_user_agent("mine")
    run(workspace.close())
    assert run(workspace.get_job(job.id)).details.status == "Cancelled"
