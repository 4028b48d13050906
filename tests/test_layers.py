"""The shape of the package: imports point one way, and each outside library has its doors.

Read from the source, so that an import inside a function counts too. A new module must take its place in the table.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import gpuqio

PACKAGE = Path(gpuqio.__file__).parent

# From the ground up: a module may import from its own line and those above it. A package's name covers its modules.
LAYERS = [
    ["errors"],
    ["terms"],
    ["term_store"],
    ["archives", "configurations", "evaluation", "matrices", "npz", "qio_json", "result", "shapes", "varints"],
    ["qio_protobuf"],
    ["problem_forms"],
    ["problem"],
    ["batch", "batch_result", "formats"],
    ["pack"],
    ["solvers"],
    ["named_solvers"],
    ["engines"],
    ["backend"],
    ["blob_files"],
    ["remote", "scheduler", "storage"],
    ["dispatch"],
    ["facade"],
    ["trio"],
    ["portal"],
    ["aio", "blocking", "server"],
    ["job", "optimization", "target"],
    ["__init__"],
    ["cli"],
    ["__main__"],
]

# An outside library -> the modules that may import it; numpy may go anywhere. Two of the standard library's are
# watched too: inside, trio is the way to run things at once, and these are other ways.
DOORS = {
    "asyncio": ["aio"],
    "azure": ["remote"],
    "cupy": ["engines"],
    "httpx": ["remote"],
    "hypercorn": ["server"],
    "msgspec": ["blob_files", "qio_json", "remote", "result", "server"],
    "outcome": ["scheduler"],
    "starlette": ["server"],
    "threading": ["engines", "portal", "scheduler", "trio"],
    "tqdm": ["cli"],
    "trio": ["cli", "dispatch", "facade", "portal", "remote", "scheduler", "server", "storage", "trio"],
}

RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import; `from gpuqio import x` counts as `gpuqio.x`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} line {node.lineno}: imports are absolute here"
            assert node.module is not None
            names = {f"gpuqio.{alias.name}" for alias in node.names}
            found |= names if node.module == "gpuqio" else {node.module}
    return found


def owner(module: str) -> str:
    return module.split(".")[0]


def test_the_table_names_what_there_is_and_nothing_else() -> None:
    assert {owner(module) for module in MODULES} == set(RANK)
    assert len(RANK) == sum(map(len, LAYERS))


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    inside = [name.partition(".")[2] for name in imports(MODULES[module]) if owner(name) == "gpuqio"]
    up = [name for name in inside if RANK.get(owner(name), RANK["__init__"]) > RANK[owner(module)]]
    assert up == [], f"{module} imports from above itself"


@pytest.mark.parametrize("module", MODULES)
def test_outside_libraries_come_in_by_their_doors(module: str) -> None:
    outside = {owner(name) for name in imports(MODULES[module])} - {"gpuqio", "numpy"}
    watched = {name for name in outside if name in DOORS or name not in sys.stdlib_module_names}
    assert [name for name in watched if owner(module) not in DOORS.get(name, [])] == []
