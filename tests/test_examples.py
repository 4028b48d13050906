"""The how-to program prints the costs that Microsoft's page promised, in all three flavours."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COSTS = [-17.0, -16.0, -15.0, -14.0, -15.0, -16.0, -17.0, -18.0, -19.0, -20.0]


@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["aio", "trio", "blocking"])
def test_the_howto_prints_the_promised_costs_and_nothing_else(flavour: str) -> None:
    program = ROOT / "examples" / f"howto_{flavour}.py"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        capture_output=True,
        text=True,
        timeout=60,  # the solver's own timeout is 100: it must end by itself long before
        env={**os.environ, "PYTHONPATH": path},
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert ast.literal_eval(done.stdout) == COSTS
