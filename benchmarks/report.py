"""Where figures go: committed JSON with the machine, the date and the versions that made them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gpuqio

__all__ = ["save"]

RESULTS = Path(__file__).parent / "results"


def save(name: str, rows: list[dict[str, Any]], packages: tuple[str, ...] = ()) -> Path:
    """Write `rows` to ``results/<name>.json`` with what made them; returns the path."""
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": _machine(packages), "rows": rows}, indent=1) + "\n")
    return path


def _machine(packages: tuple[str, ...]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": _commit(),
        "gpuqio": gpuqio.__version__,
        **{name: _version(name) for name in ("numpy", *packages)},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    command = ["git", "-C", str(RESULTS), "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
