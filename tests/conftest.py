"""What all tests share: the CPU engine unless a test says otherwise, the instance files, and property tests that draw
the same examples every time."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from gpuqio.errors import EngineUnavailable
from tests.flavours import run, space, spaces

__all__ = ["run", "space", "spaces"]  # fixtures

os.environ["GPUQIO_ENGINE"] = "cpu"

# A background job of a script inherits that Ctrl-C is ignored, and tests that press it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("gpuqio", derandomize=True, deadline=None)
settings.load_profile("gpuqio")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("instances") and "GPUQIO_INSTANCES" not in os.environ:
        pytest.skip("GPUQIO_INSTANCES does not name a folder of instance files")
    if item.get_closest_marker("azurite") and "GPUQIO_AZURITE" not in os.environ:
        pytest.skip("GPUQIO_AZURITE does not name an azurite-blob to run (npm install azurite@3.35.0)")
    if item.get_closest_marker("emulator") and not shutil.which("g++"):
        pytest.skip("the CUDA emulator needs g++")
    if item.get_closest_marker("cuda") and (reason := no_cuda()):
        if os.environ.get("GPUQIO_REQUIRE_CUDA") == "1":
            pytest.fail(f"GPUQIO_REQUIRE_CUDA is 1, but {reason}", pytrace=False)
        pytest.skip(reason)


@cache
def no_cuda() -> str:
    """Why the CUDA engine can't run here; empty where it can."""
    try:
        importlib.import_module("gpuqio.engines.cuda").CudaEngine()
    except (EngineUnavailable, ImportError) as error:
        return f"the CUDA engine can't run here: {error}"
    return ""


@pytest.fixture(scope="session")
def instances() -> Path:
    """The folder of public instance files; a test that asks for it is marked `instances`."""
    return Path(os.environ["GPUQIO_INSTANCES"])
