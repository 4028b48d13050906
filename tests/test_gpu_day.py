"""On a real GPU: the CUDA engine's results are the CPU engine's, bit for bit.

Skipped, with the reason, where there is none; with GPUQIO_REQUIRE_CUDA=1 that is a failure. compute-sanitizer runs
these too: `python -m benchmarks.gpu` says how.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
import pytest

from gpuqio.engines.base import Work
from gpuqio.engines.cpu import CpuEngine
from gpuqio.pack import Strategy, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.result import Result
from gpuqio.solvers import parse
from gpuqio.terms import Term

pytestmark = pytest.mark.cuda

PT, SA = "microsoft.paralleltempering.cpu", "microsoft.simulatedannealing.cpu"


@pytest.fixture(scope="module")
def cuda() -> Any:
    return importlib.import_module("gpuqio.engines.cuda").CudaEngine()


def solve(
    engine: Any, problems: list[Problem], target: str, seconds: float = 10.0, **params: Any
) -> tuple[Result, ...]:
    run = engine.start(Work(tuple(problems), parse(target, params)))
    while not run.finished:
        engine.advance([run], seconds, threading.Event())
    results: tuple[Result, ...] = engine.outcome(run, None)
    return results


def assert_same(problems: list[Problem], ours: tuple[Result, ...], theirs: tuple[Result, ...]) -> None:
    for problem, a, b in zip(problems, ours, theirs, strict=True):
        np.testing.assert_array_equal(a.states, b.states, err_msg=problem.name)
        np.testing.assert_array_equal(a.costs, b.costs, err_msg=problem.name)
        assert a.parameters == b.parameters
        for figure in ("sweeps", "flips", "exchanges", "replicas", "strategy", "stop_reason"):
            assert getattr(a.report, figure) == getattr(b.report, figure), (problem.name, figure)


def dense(n: int, kind: str) -> Problem:
    random = np.random.default_rng(n)
    weights = {
        "8 bits": lambda: random.integers(-30, 31, (n, n)).astype(np.float64),
        "16 bits": lambda: random.integers(-4000, 4001, (n, n)).astype(np.float64),
        "32 bits": lambda: random.normal(size=(n, n)),
    }[kind]()
    return Problem.from_arrays(np.triu(weights, 1), name=f"dense {n}, {kind}", problem_type=ProblemType.ising)


def sparse(n: int, members: int, problem_type: ProblemType) -> Problem:
    random = np.random.default_rng(n * members)
    terms = [
        Term(c=float(random.integers(-5, 6)), indices=random.choice(n, members, replace=False).tolist())
        for _ in range(3 * n)
    ]
    return Problem(f"{members} of {n}, {problem_type.name}", terms, problem_type=problem_type)


@pytest.mark.parametrize("target", [PT, SA])
@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "32 bits"])
@pytest.mark.parametrize("n", [31, 64, 96, 100, 160, 192, 224, 256, 300, 700])
def test_dense(cuda: Any, n: int, kind: str, target: str) -> None:
    problem = dense(n, kind)
    assert pack(problem).strategy is Strategy.WINDOW
    given: dict[str, Any] = {"sweeps": 30, "seed": 7, "restarts": 2}
    assert_same([problem], solve(cuda, [problem], target, **given), solve(CpuEngine(), [problem], target, **given))


@pytest.mark.parametrize("target", [PT, SA])
@pytest.mark.parametrize("problem_type", [ProblemType.ising, ProblemType.pubo])
@pytest.mark.parametrize(("n", "members"), [(9, 2), (130, 2), (700, 2), (50, 3), (200, 5)])
def test_sparse_and_k_local(cuda: Any, n: int, members: int, problem_type: ProblemType, target: str) -> None:
    problem = sparse(n, members, problem_type)
    given: dict[str, Any] = {"sweeps": 30, "seed": 7, "restarts": 3}
    assert_same([problem], solve(cuda, [problem], target, **given), solve(CpuEngine(), [problem], target, **given))


def test_a_mixed_batch_in_slices(cuda: Any) -> None:
    problems = [dense(n, "32 bits") for n in (40, 65, 128, 400)]
    problems += [sparse(n, k, ProblemType.pubo) for n in (20, 90) for k in (2, 4)]
    problems *= 8
    given: dict[str, Any] = {"sweeps": 12, "seed": 3, "replicas": 7}
    sliced = solve(cuda, problems, PT, seconds=1e-3, **given)
    assert_same(problems, sliced, solve(CpuEngine(), problems, PT, **given))


def test_the_parameter_free_search_takes_the_same_steps(cuda: Any) -> None:
    target = "microsoft.paralleltempering-parameterfree.cpu"
    for problem in (dense(48, "8 bits"), sparse(60, 3, ProblemType.ising)):
        goal = float(solve(CpuEngine(), [problem], PT, sweeps=2000, seed=1)[0].cost)
        given: dict[str, Any] = {"seed": 5, "timeout": 3600, "cost_limit": goal}
        ours, theirs = (solve(engine, [problem], target, **given) for engine in (cuda, CpuEngine()))
        assert_same([problem], ours, theirs)


def test_a_start_and_a_goal(cuda: Any) -> None:
    plain = dense(70, "8 bits")
    start = {v: 1 - 2 * (v % 2) for v in plain.variables.tolist()}
    problem = Problem("given start", list(plain.terms), init_config={str(v): s for v, s in start.items()})
    goal = float(solve(CpuEngine(), [problem], PT, sweeps=50, seed=2)[0].cost) + 10.0
    for target in (PT, SA):
        given: dict[str, Any] = {"sweeps": 50, "seed": 2, "cost_limit": goal}
        ours, theirs = (solve(engine, [problem], target, **given) for engine in (cuda, CpuEngine()))
        assert_same([problem], ours, theirs)
