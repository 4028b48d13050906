"""Public names: what each namespace exports, and that programs written for the SDK find what they import."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gpuqio
from gpuqio.optimization import HardwarePlatform
from tests.sdk_facts import NAMES

ROOT = Path(__file__).parent.parent

# The SDK's names that this version has, by the namespace that replaces theirs.
SDK = {f"gpuqio.{space}".rstrip("."): names for space, names in NAMES.items()}

# What they export besides.
OURS = {
    "gpuqio": "BatchResult Explanation ProblemBatch Report Result Solution StopReason explain",
    "gpuqio.optimization": "Exhaustive",
    "gpuqio.aio.optimization": "Exhaustive Term SlcTerm TermBase GroupType HardwarePlatform",
    "gpuqio.aio.target.solvers": "HardwarePlatform",
    "gpuqio.trio": "Workspace Job JobStatus StreamingProblem",
    "gpuqio.dispatch": (
        "Account Breaker Budget DispatchBackend DispatchStatistics LocalOnly Overflow Place Policy Race RemoteOnly "
        "Spent View"
    ),
}

NAMESPACES = sorted(SDK.keys() | OURS.keys())


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_namespace_exports_what_is_listed_here_and_each_name_exists(namespace: str) -> None:
    module = importlib.import_module(namespace)
    assert sorted(module.__all__) == sorted(SDK.get(namespace, "").split() + OURS.get(namespace, "").split())
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_public_classes_name_a_place_that_programs_import_from(namespace: str) -> None:
    module = importlib.import_module(namespace)
    classes = [value for name in module.__all__ if isinstance(value := getattr(module, name), type)]
    private = [cls for cls in classes if cls.__module__.split(".")[1:2] in (["facade"], ["blocking"])]
    assert private == []
    assert [cls for cls in classes if getattr(sys.modules[cls.__module__], cls.__name__) is not cls] == []


def test_the_same_class_goes_by_one_name_in_all_namespaces() -> None:
    homes: dict[str, set[object]] = {}
    for namespace in NAMESPACES:
        for name in importlib.import_module(namespace).__all__:
            homes.setdefault(name, set()).add(getattr(importlib.import_module(namespace), name))
    assert {name for name, found in homes.items() if len(found) > 1} == {"Workspace", "Job", "StreamingProblem"}


def test_public_values_survive_a_pickle() -> None:
    details = gpuqio.JobDetails(id="1", name="n", target="t", status="Waiting")
    assert pickle.loads(pickle.dumps(details)) == details
    assert pickle.loads(pickle.dumps(HardwarePlatform.CPU)) is HardwarePlatform.CPU


def test_the_version_is_the_package_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert gpuqio.__version__ == project["version"]


@pytest.mark.slow  # another interpreter
def test_importing_starts_no_thread_and_loads_no_native_library() -> None:
    program = (
        "import threading, gpuqio, gpuqio.aio, gpuqio.trio, gpuqio.optimization\n"
        "from pathlib import Path\n"
        "print(threading.active_count(), '_cpu_' in Path('/proc/self/maps').read_text())"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("1 False\n", "")


@pytest.mark.slow  # another interpreter
def test_importing_the_package_alone_loads_no_other() -> None:
    """So that a program which only asks for the version, or a help text, starts at once."""
    program = "import sys, gpuqio; print({'numpy', 'trio', 'cupy', 'httpx'} & sys.modules.keys(), gpuqio.Workspace)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("set() <class 'gpuqio.Workspace'>\n", "")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gpuqio' has no attribute 'Workspaces'"):
        getattr(gpuqio, "Workspaces")  # noqa: B009
