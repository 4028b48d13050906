"""Which engine computes: names, what is missing where it is, and that nothing else runs in its stead."""

from __future__ import annotations

import subprocess
import sys

import pytest
import trio

from gpuqio import Workspace
from gpuqio.engines.choice import choose, engine_name
from gpuqio.errors import EngineUnavailable, InvalidParameter
from gpuqio.optimization import ParallelTempering, Problem, ProblemType, Term
from gpuqio.scheduler.local import local_backend
from tests.stand_in_cupy import StandIn, installed

pytestmark = pytest.mark.emulator

PROBLEM = Problem("p", [Term(c=1, indices=[0, 1]), Term(c=2, indices=[1])], problem_type=ProblemType.ising)


@pytest.mark.parametrize(
    ("given", "full"),
    [("auto", "auto"), ("cpu", "cpu"), ("cuda", "cuda"), ("cuda:0", "cuda:0"), ("cuda:12", "cuda:12")],
)
def test_names(given: str, full: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_name(given) == full
    monkeypatch.setenv("GPUQIO_ENGINE", given)
    assert engine_name(None) == full
    assert engine_name("cpu") == "cpu"


def test_automatic_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUQIO_ENGINE")
    assert engine_name(None) == "auto"


@pytest.mark.parametrize("name", ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:٣", "cuda:1000", "cpu:0", 1])
def test_a_name_of_nothing_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidParameter, match=r"engine must be 'auto', .* found engine=") as caught:
        Workspace(engine=name)
    assert (caught.value.field, caught.value.value) == ("engine", name)


def test_a_bad_variable_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUQIO_ENGINE", "tpu")
    with pytest.raises(InvalidParameter, match="GPUQIO_ENGINE must be .* found GPUQIO_ENGINE='tpu'"):
        Workspace()


def test_without_cupy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(EngineUnavailable, match=r"CUDA needs CuPy.*pip install 'gpuqio\[cuda13\]'"):
        choose("cuda:0")


def test_without_a_driver_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, StandIn(devices=0))
    with pytest.raises(EngineUnavailable, match="finds no NVIDIA driver and GPU that it can use.*nvidia-smi"):
        choose("cuda:0")


def test_a_gpu_too_many_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, StandIn(devices=2))
    assert choose("cuda:1").engines[0].device == "cuda:1 Stand-in (sm_86)"
    with pytest.raises(EngineUnavailable, match="There is no cuda:2 on this machine. It has cuda:0 to cuda:1."):
        choose("cuda:2")


def test_a_gpu_that_cannot_be_used_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = installed(monkeypatch, StandIn())
    cupy.fail_allocation(1)
    with pytest.raises(EngineUnavailable, match="cuda:0 is there, but can't be used: MemoryError: .* bytes"):
        choose("cuda:0")


def test_automatic_takes_the_gpu_if_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    choice = choose("auto")
    assert (choice.name, choice.engines[0].name) == ("cpu", "cpu")
    assert choice.reason.startswith("No GPU can be used. CUDA needs CuPy")
    cupy = installed(monkeypatch, StandIn())
    choice = choose("auto")
    assert (choice.name, choice.engines[0].name) == ("cuda:0", "cuda")
    cupy.fail_allocation(1)
    assert "can't be used: MemoryError" in choose("auto").reason


def test_each_engine_has_a_backend_in_a_trio_run(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, StandIn(devices=2))

    async def use() -> None:
        cpu, both, second = local_backend("cpu"), local_backend("cuda"), local_backend("cuda:1")
        assert len({id(backend) for backend in (cpu, both, second)}) == 3
        assert local_backend("auto") is both
        assert local_backend() is cpu
        assert (both.statistics().workers, second.statistics().workers) == (6, 3)

    trio.run(use)


def test_a_machines_only_gpu_has_one_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, StandIn())

    async def use() -> None:
        assert local_backend("cuda") is local_backend("cuda:0") is local_backend("auto")

    trio.run(use)


def test_all_gpus_that_can_be_used_are(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = installed(monkeypatch, StandIn(devices=3))
    assert [engine.device[:6] for engine in choose("cuda").engines] == ["cuda:0", "cuda:1", "cuda:2"]
    cupy.fail_allocation(2)
    choice = choose("auto")
    assert [engine.device[:6] for engine in choice.engines] == ["cuda:0", "cuda:2"]
    assert choice.name == "cuda"
    assert choice.reason.startswith("A GPU can be used. cuda:1 is there, but can't be used: MemoryError")
    cupy.fail_allocation(1, 2, 3)
    with pytest.raises(EngineUnavailable, match="cuda:0 is there, but can't be used"):
        choose("cuda")


def test_automatic_and_the_cpu_share_a_backend_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)

    async def use() -> None:
        assert local_backend("auto") is local_backend("cpu")

    trio.run(use)


def test_a_result_says_what_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, StandIn())
    with Workspace(engine="cuda") as workspace:
        report = ParallelTempering(workspace, sweeps=3, replicas=2, seed=1).optimize(PROBLEM).report
        assert (report.engine, report.device) == ("cuda", "cuda:0 Stand-in (sm_86)")
    with Workspace(engine="cpu") as workspace:
        assert ParallelTempering(workspace, sweeps=3, replicas=2, seed=1).optimize(PROBLEM).report.engine == "cpu"


def test_a_job_for_a_gpu_never_runs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with Workspace(engine="cuda") as workspace, pytest.raises(EngineUnavailable, match="CUDA needs CuPy"):
        ParallelTempering(workspace, sweeps=3, seed=1).optimize(PROBLEM)


def test_importing_the_package_does_not_import_cupy() -> None:
    code = "import sys, gpuqio, gpuqio.optimization, gpuqio.cli, gpuqio.engines.cuda; print('cupy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
