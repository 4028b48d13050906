"""What all tests share: the CPU engine unless a test says otherwise, the instance files, and property tests that draw
the same examples every time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["GPUQIO_ENGINE"] = "cpu"

settings.register_profile("gpuqio", derandomize=True, deadline=None)
settings.load_profile("gpuqio")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("instances") and "GPUQIO_INSTANCES" not in os.environ:
        pytest.skip("GPUQIO_INSTANCES does not name a folder of instance files")


@pytest.fixture(scope="session")
def instances() -> Path:
    """The folder of public instance files; a test that asks for it is marked `instances`."""
    return Path(os.environ["GPUQIO_INSTANCES"])
