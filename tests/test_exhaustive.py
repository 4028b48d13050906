"""Exhaustive search: the same bits on every engine, the optima that counting by hand finds, and the proof it gives."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio import Result, StopReason, Workspace, optimization
from gpuqio.engines import kernels, reference
from gpuqio.engines.base import Work
from gpuqio.engines.cpu import CpuEngine
from gpuqio.engines.native import Ensemble, advance, instruction_sets, library
from gpuqio.errors import InvalidParameter, InvalidProblem
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import Exhaustive, ParallelTempering, SimulatedAnnealing, parse
from gpuqio.solvers.base import Solver, Trial
from gpuqio.solvers.exhaustive import enumeration
from gpuqio.solvers.stage import Stage
from gpuqio.terms import Term
from tests.emulated import Job
from tests.strategies import grouped_problems, problems
from tests.test_cuda_kernels import assert_same as assert_same_on_device
from tests.test_cuda_kernels import grouped, run

ENGINE = CpuEngine()


class Never:
    def is_set(self) -> bool:
        return False


def solve(problem: Problem, solver: Solver) -> Result:
    run = ENGINE.start(Work((problem,), solver))
    while not run.finished:
        ENGINE.advance([run], 1.0, Never())
    (result,) = ENGINE.outcome(run, None)
    return result


def spins(n: int, seed: int, largest: int = 9) -> Problem:
    random = np.random.default_rng(seed)
    matrix = np.triu(random.integers(-largest, largest + 1, (n, n)), 1)
    return Problem.from_arrays(matrix, random.integers(-3, 4, n), problem_type=ProblemType.ising)


def klocal(n: int, seed: int, kind: ProblemType) -> Problem:
    random = np.random.default_rng(seed)
    problem = Problem("k-local", problem_type=kind)
    for _ in range(2 * n):
        members = random.choice(n, int(random.integers(1, 5)), replace=False)
        problem.add_term(c=int(random.integers(-3, 4)), indices=members.tolist())
    return problem


def ring(n: int) -> Problem:
    return Problem("ring", [Term(c=-1, indices=[i, (i + 1) % n]) for i in range(n)], problem_type=ProblemType.ising)


def squares(n: int, seed: int) -> Problem:
    random = np.random.default_rng(seed)
    problem = klocal(n, seed, ProblemType.pubo)
    problem.add_slc_term([*((int(w), i) for i, w in enumerate(random.integers(-9, 9, n))), (5, None)], 2)
    return problem


def even(n: int, seed: int, squared: bool = False) -> Problem:
    """Spins in pairs and fours, and in a square without a constant if asked for: opposite states cost the same."""
    random = np.random.default_rng(seed)
    members = [random.choice(n, size, replace=False).tolist() for size in (2, 4) * n if size <= n]
    terms = [Term(c=int(random.integers(1, 5)) * (-1) ** i, indices=m) for i, m in enumerate(members)]
    terms.append(Term(c=3, indices=[]))
    problem = Problem("even", terms, problem_type=ProblemType.ising)
    if squared:
        problem.add_slc_term([(int(w), i) for i, w in enumerate(random.integers(1, 9, n))], 2)
    return problem


def needle(n: int) -> Problem:
    """All bits 1 is the optimum, -n; any other state is the lower the fewer bits are set."""
    terms = [Term(c=1, indices=[i]) for i in range(n)] + [Term(c=-2 * n, indices=list(range(n)))]
    return Problem("needle", terms, problem_type=ProblemType.pubo)


def by_hand(problem: Problem) -> tuple[float, set[tuple[int, ...]]]:
    """The lowest cost, and the configurations that have it, term by term."""
    variables = problem.variables.tolist()
    values = (1, -1) if problem.problem_type.spins else (0, 1)
    cost = {v: problem.evaluate(dict(zip(variables, v, strict=True))) for v in product(values, repeat=len(variables))}
    return min(cost.values()), {v for v, c in cost.items() if c == min(cost.values())}


def assert_same(expected: reference.Outcome, chains: Ensemble) -> None:
    np.testing.assert_array_equal(chains.bits(), expected.bits)
    np.testing.assert_array_equal(chains.best_bits(), expected.best_bits)
    np.testing.assert_array_equal(chains.energies, expected.energies)
    np.testing.assert_array_equal(chains.best_energies, expected.best_energies)
    np.testing.assert_array_equal(chains.log, expected.log)
    assert (chains.flips, chains.sweeps) == (expected.flips, expected.sweeps)
    assert chains.lowest == expected.best_energies.min()


# --- the same on every engine -------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    problem=problems(max_variables=10) | grouped_problems(),
    listed=st.sampled_from([0, 1, 3]),
    slices=st.lists(st.integers(1, 3), max_size=3),
    data=st.data(),
)
def test_native_equals_reference(problem: Problem, listed: int, slices: list[int], data: st.DataObject) -> None:
    layout = pack(problem, windows=False)
    if layout.num_variables == 0:
        return
    stage = enumeration(layout, data.draw(st.integers(0, 2**63 - 1)), listed)
    bits = st.lists(st.integers(0, 1), min_size=layout.num_variables, max_size=layout.num_variables)
    first = data.draw(st.none() | bits)
    start = None if first is None else np.array(first, np.uint8)
    expected = reference.run(layout, stage, None if start is None else start.astype(np.int64))
    for build in instruction_sets():
        chains = Ensemble(layout, stage, start, lib=library(build))
        for sweeps in [*slices, stage.sweeps]:
            advance([chains], [sweeps])
        assert_same(expected, chains)


LAYOUTS = {
    "exhaustive_neighbour": pack(spins(14, 1), windows=False),
    "exhaustive_neighbour wide": pack(spins(13, 2, 10**7), windows=False),  # gains of 27 bits, energies of 32
    "exhaustive_neighbour few": pack(spins(3, 3), windows=False),
    "exhaustive_parity": pack(klocal(13, 4, ProblemType.ising)),
    "exhaustive_grouped": grouped(13, 6, ProblemType.ising),
    "exhaustive_grouped bits": grouped(4, 7, ProblemType.pubo),
    "exhaustive_neighbour mirrored": pack(ring(13), windows=False),
    "exhaustive_parity mirrored": pack(even(13, 8)),
    "exhaustive_grouped mirrored": pack(even(9, 9, squared=True)),
    "exhaustive_product": pack(klocal(13, 5, ProblemType.pubo)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_several_sweeps_equal_the_reference_and_a_goal_stops_both(name: str) -> None:
    stage = enumeration(LAYOUTS[name], 7, 4)
    whole = reference.run(LAYOUTS[name], stage)
    for goal in (None, int(np.sort(whole.best_energies)[20 % len(whole.best_energies)])):
        chains = Ensemble(LAYOUTS[name], stage, goal=goal)
        advance([chains], [1])
        advance([chains], [1000])
        assert_same(reference.run(LAYOUTS[name], stage, goal=goal), chains)


def emulate(mode: str, layout: Layout, stage: Stage, initial: npt.NDArray[np.uint8] | None, **how: Any) -> None:
    """Run a stage on the emulator, in two slices, and compare all it leaves with the CPU engine's."""
    job = Job(layout, stage, initial)
    (found,) = run(mode, [job], [1, stage.sweeps], **how)
    assert_same_on_device(job, found)


@pytest.mark.emulator
@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("order", ["forward", "random"])
def test_each_entry_walks_the_cpus_path(name: str, order: str) -> None:
    layout, stage = LAYOUTS[name], enumeration(LAYOUTS[name], 3, 2)
    assert kernels.move_launch(layout, stage.move).name == name.split()[0]
    initial = np.arange(layout.num_variables).astype(np.uint8) % np.uint8(2) if order == "random" else None
    emulate("fast", layout, stage, initial, order=order, seed=3)


@pytest.mark.emulator
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["race", "asan", "ubsan"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_each_entry_is_clean(name: str, mode: str) -> None:
    how: dict[str, Any] = {"order": "random", "seed": 5, "preempt": 50} if mode == "race" else {}
    emulate(mode, LAYOUTS[name], enumeration(LAYOUTS[name], 3, 2), None, **how)


# --- optima, and their number -------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(problem=problems(max_variables=6, integers=True), limit=st.integers(1, 10))
def test_the_optima_are_those_found_by_hand(problem: Problem, limit: int) -> None:
    result = solve(problem, Exhaustive(seed=1, all_optima=True))
    lowest, optima = by_hand(problem)
    assert result.cost == lowest
    assert result.proven_optimal
    if 0 < len(result.variables) == len(problem.variables):  # no variable vanished with its terms
        assert {tuple(state) for state in result.states.tolist()} == optima
        assert result.report.statistics["optima"] == len(result.solutions) == len(optima)
    few = solve(problem, Exhaustive(seed=1, number_of_solutions=limit))
    assert (few.cost, few.report.statistics) == (lowest, {})
    assert len(few.costs) <= limit


def test_more_optima_than_are_listed_are_counted() -> None:
    free = Problem("", [Term(c=1, indices=[0]), Term(c=1, indices=list(range(1, 13)))], problem_type=ProblemType.pubo)
    result = solve(free, Exhaustive(seed=1, all_optima=True))
    assert (result.report.statistics["optima"], len(result.solutions), set(result.costs)) == (2**12 - 1, 1024, {0.0})
    assert len({state.tobytes() for state in result.states}) == 1024


def test_the_largest_problem_has_its_two_ground_states() -> None:
    """Of which one is seen, in half of the configurations."""
    result = solve(ring(26), Exhaustive(all_optima=True))
    assert (result.cost, result.report.flips) == (-26.0, 2**25 - 2**7)
    assert sorted(result.states.tolist()) == [[-1] * 26, [1] * 26]


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("n", [2, 3, 6, 7, 8, 9])
def test_of_opposite_states_that_cost_the_same_one_is_tried_and_both_are_returned(n: int, squared: bool) -> None:
    for seed in range(4):
        problem = even(n, seed, squared)
        result = solve(problem, Exhaustive(seed=1, all_optima=True))
        lowest, optima = by_hand(problem)
        assert (result.cost, result.proven_optimal) == (lowest, True)
        assert result.report.flips == 2 ** (n - 1) - 2 ** min(n - 1, 7)
        if len(result.variables) == len(problem.variables) == n:
            assert {tuple(state) for state in result.states.tolist()} == optima
            assert result.report.statistics["optima"] == len(result.states) == len(optima)
        two = solve(problem, Exhaustive(seed=1, number_of_solutions=2))
        assert two.costs.tolist() == [lowest, lowest]
        assert (two.states[0] != two.states[1]).any()


def test_a_field_a_triple_a_constant_in_a_square_and_bits_have_no_mirror() -> None:
    assert pack(even(6, 1, squared=True)).problem.is_symmetric
    for extra in ([0], [0, 1, 2]):
        problem = even(6, 1)
        problem.add_term(1, extra)
        assert not pack(problem).problem.is_symmetric
    problem = even(6, 1)
    problem.add_slc_term([(3, 0), (5, 1), (1, None)], 2)
    assert not pack(problem).problem.is_symmetric
    assert not pack(Problem("", list(even(6, 1).terms), problem_type=ProblemType.pubo)).problem.is_symmetric


def test_a_larger_problem_is_refused_with_advice() -> None:
    with pytest.raises(InvalidProblem, match="at most 26 variables; found 27. Take ParallelTempering") as caught:
        ENGINE.start(Work((spins(27, 1),), Exhaustive()))
    assert caught.value.value == 27


def test_all_optima_must_be_a_truth_value() -> None:
    with pytest.raises(InvalidParameter, match="all_optima must be True or False; found all_optima='yes'"):
        parse("gpuqio.exhaustive", {"all_optima": "yes"})


# --- proof --------------------------------------------------------------------------------------------------------


def test_rounded_coefficients_are_no_proof() -> None:
    matrix = np.triu(np.random.default_rng(1).normal(size=(8, 8)), 1)
    rounded = Problem.from_arrays(matrix, problem_type=ProblemType.ising)
    for solver in (Exhaustive(seed=1), SimulatedAnnealing(seed=1)):
        result = solve(rounded, solver)
        assert result.report.resolution > 0
        assert not result.proven_optimal
    assert solve(rounded, Exhaustive(seed=1)).report.stop_reason is StopReason.COMPLETED


def test_what_stops_early_proves_nothing() -> None:
    problem = spins(20, 3)
    run = ENGINE.start(Work((problem,), Exhaustive(seed=1)))
    (cut,) = ENGINE.outcome(run, StopReason.TIMEOUT)
    assert not cut.proven_optimal
    assert cut.cost == problem.evaluate(cut.configuration)
    limited = solve(problem, Exhaustive(seed=1, cost_limit=0.0))
    assert limited.report.stop_reason is StopReason.COST_LIMIT
    assert not limited.proven_optimal


@pytest.mark.parametrize("solver", [SimulatedAnnealing(seed=5), ParallelTempering(seed=5)])
@pytest.mark.parametrize(
    "problem", [spins(12, 1), klocal(11, 2, ProblemType.ising), klocal(11, 3, ProblemType.pubo), squares(10, 4)]
)
def test_a_parameter_free_search_proves_what_it_found(
    solver: SimulatedAnnealing | ParallelTempering, problem: Problem
) -> None:
    found = solve(problem, solver)
    assert found.proven_optimal
    assert found.cost == solve(problem, Exhaustive()).cost
    given = dict(found.parameters)
    assert "sweeps" in given
    again = solve(problem, parse(solver.target.replace("-parameterfree", ""), given))
    np.testing.assert_array_equal(again.states, found.states)
    assert not again.proven_optimal


@pytest.mark.parametrize("kind", [SimulatedAnnealing, ParallelTempering])
def test_where_the_search_fails_the_proof_answers_and_the_search_itself_repeats_it(
    kind: type[SimulatedAnnealing | ParallelTempering],
) -> None:
    found = solve(needle(18), kind())
    assert found.proven_optimal
    assert (found.cost, set(found.configuration.values())) == (-18.0, {1})
    assert set(found.parameters) == {"seed"}
    np.testing.assert_array_equal(solve(needle(18), kind(**found.parameters)).states, found.states)


def trial(stage: Stage, lowest: int) -> Trial:
    none = np.zeros(0, np.int64)
    return Trial(stage, lowest, 1, none, none)


def test_a_search_that_missed_the_optimum_goes_on_until_it_has_it() -> None:
    plan = SimulatedAnnealing(seed=0).plan(pack(needle(12)), 0)
    first = plan.first()
    proof = plan.after(trial(first, lowest=0))
    assert proof is not None
    assert proof.move.kind.name == "EXHAUSTIVE"
    second = plan.after(trial(proof, lowest=-12))
    assert second is not None
    assert second.sweeps == 2 * first.sweeps
    assert plan.after(trial(second, lowest=-12)) is None
    assert plan.parameters(second)["sweeps"] == second.sweeps


def test_large_problems_and_given_parameters_take_no_proof() -> None:
    assert not solve(spins(23, 1), SimulatedAnnealing(seed=1)).proven_optimal
    assert not solve(spins(8, 1), SimulatedAnnealing(seed=1, sweeps=100)).proven_optimal


def test_the_solver_of_a_workspace() -> None:
    with Workspace(engine="cpu") as workspace:
        solver = optimization.Exhaustive(workspace, all_optima=True)
        result = solver.optimize(spins(10, 4))
        assert solver.provider_id == "gpuqio"
        assert [type(t) for t in [workspace.get_targets("gpuqio.exhaustive")]] == [optimization.Exhaustive]
    assert result.proven_optimal
    assert result["parameters"] == {"all_optima": True, "seed": result.parameters["seed"]}
    assert len(result["solutions"]) == result.report.statistics["optima"]
