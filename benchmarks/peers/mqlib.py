"""MQLib's heuristics for MAX-CUT and QUBO, a C++ program that runs for as long as it is told.

    git clone https://github.com/MQLib/MQLib && make -C MQLib bin/MQLib CXXFLAGS='-Iinclude -std=c++11 -O3'
    export GPUQIO_MQLIB=$PWD/MQLib/bin/MQLib

Its time is what it measures itself, without the start of the process and the reading of the file.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchmarks.instances import Instance
from benchmarks.peers.base import Run, Settings, Solver
from benchmarks.peers.ising import ising

__all__ = ["Burer", "Palubeckis"]

ANSWER = re.compile(r'",[^,]*,([^,]*),\[([^\]]*)\]')
"""Its last field, the cut and the second of each new best, has more digits than the one for the best of all."""
SEEDS = 1 << 16


class Model(NamedTuple):
    """The file of its MAX-CUT, kept as long as this is; the cost is the sum of the weights less twice the cut."""

    folder: tempfile.TemporaryDirectory[str]
    path: Path
    weight: float


class Burer(Solver):
    """BURER2002: rank-two relaxation, for sparse MAX-CUT."""

    name: ClassVar[str] = "MQLib BURER2002"
    heuristic: ClassVar[str] = "BURER2002"
    unit = "ms"
    shapes = ("-",)

    def missing(self) -> str:
        path = os.environ.get("GPUQIO_MQLIB", "")
        return "" if path and Path(path).is_file() else "GPUQIO_MQLIB names no executable"

    def load(self, instance: Instance) -> Model:
        """MAX-CUT of the couplings; a further vertex carries the fields."""
        model = ising(instance)
        n = model.num_variables
        edges = list(zip(model.rows.tolist(), model.columns.tolist(), model.couplings.tolist(), strict=True))
        edges += [(i, n, field) for i, field in enumerate(model.fields.tolist()) if field]
        vertices = n + bool(model.fields.any())
        folder = tempfile.TemporaryDirectory(prefix="gpuqio-mqlib-")
        path = Path(folder.name) / "maxcut.txt"
        lines = [f"{vertices} {len(edges)}", *(f"{i + 1} {j + 1} {w:.17g}" for i, j, w in edges)]
        path.write_text("\n".join(lines) + "\n")
        return Model(folder, path, model.offset + float(model.couplings.sum() + model.fields.sum()))

    def anneal(self, instance: Instance, model: Model, settings: Settings, *, costs: bool = True) -> Run:
        """One run a read."""
        runs = [self._run(model, settings.sweeps / 1000, settings.seed * 1000 + r) for r in range(settings.reads)]
        took = sum(seconds for _, seconds in runs)
        return Run(np.array([cost for cost, _ in runs]), took, took)

    def solve_all(self, instances: Any, settings: Settings, cores: int = 1) -> Run:
        runs = [self.anneal(instance, self.load(instance), settings) for instance in instances]
        took = sum(run.wall for run in runs)
        return Run(np.array([run.costs.min() for run in runs]), took, took)

    def _run(self, model: Model, seconds: float, seed: int) -> tuple[float, float]:
        """The lowest cost, and how long it says it ran."""
        command = [os.environ["GPUQIO_MQLIB"], "-fM", str(model.path), "-h", self.heuristic]
        command += ["-r", str(seconds), "-s", str(seed % SEEDS), "-nv"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        match = ANSWER.search(said)
        if match is None:
            raise RuntimeError(f"MQLib said {said!r}.")
        cut = max((float(entry.partition(":")[0]) for entry in match[2].split(";") if entry), default=0.0)
        return model.weight - 2 * cut, float(match[1])


class Palubeckis(Burer):
    """PALUBECKIS2006: iterated tabu search, for QUBO."""

    name: ClassVar[str] = "MQLib PALUBECKIS2006"
    heuristic: ClassVar[str] = "PALUBECKIS2006"
