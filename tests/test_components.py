"""Problems that fall apart: the parts are what they should be, and solved as if each were alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuqio import Workspace, explain
from gpuqio.engines.base import Work
from gpuqio.engines.cpu import CpuEngine
from gpuqio.optimization import Exhaustive, ParallelTempering, Problem, ProblemType, SimulatedAnnealing, Tabu
from gpuqio.pack import apart, canonical, reduced
from gpuqio.pack.components import component_labels
from gpuqio.result import StopReason
from gpuqio.solvers import parse
from gpuqio.terms import SlcTerm, Term
from tests import strategies
from tests.test_cuda_engine import FREE_SA, agree, cupy, engine  # noqa: F401
from tests.test_reduce import all_bits, costs

KINDS = [ProblemType.ising, ProblemType.pubo]


def regular(size: int, degree: int, seed: int) -> list[Term]:
    """Whole couplings on a graph of `degree` permutations, so that nearly all have twice as many neighbours."""
    random = np.random.default_rng(seed)
    pairs = np.concatenate([np.stack((np.arange(size), random.permutation(size)), axis=1) for _ in range(degree)])
    ring = np.stack((np.arange(size), (np.arange(size) + 1) % size), axis=1)  # in one piece
    pairs = np.concatenate((ring, pairs[pairs[:, 0] != pairs[:, 1]]))
    couplings = random.choice([-3, -2, -1, 1, 2, 3], len(pairs)).tolist()
    return [Term(c=c, indices=pair) for c, pair in zip(couplings, pairs.tolist(), strict=True)]


def klocal(size: int, seed: int) -> list[Term]:
    """Terms of up to four variables, some of them twice, a constant, and a ring of pairs."""
    random = np.random.default_rng(seed)
    members = [
        random.choice(size, int(random.integers(0, min(size, 4) + 1)), replace=False).tolist() for _ in range(2 * size)
    ]
    members += [*members[:3], *([i, (i + 1) % size] for i in range(size))]
    return [Term(c=int(random.integers(1, 5)) * (-1) ** i, indices=m) for i, m in enumerate(members)]


def shifted(terms: Sequence[Term], by: int, stride: int = 1) -> list[Term]:
    return [Term(c=term.c, indices=[by + stride * i for i in term.ids]) for term in terms]


def beside(*parts: Sequence[Term], kind: ProblemType = ProblemType.ising) -> Problem:
    """The parts with variables that take turns, like i, i + k, i + 2 k of k parts."""
    terms = [term for i, part in enumerate(parts) for term in shifted(part, i, len(parts))]
    return Problem("", terms, problem_type=kind)


def alone(terms: Sequence[Term], kind: ProblemType = ProblemType.ising) -> Problem:
    return Problem("", list(terms), problem_type=kind)


def lowest(problem: Problem) -> float:
    """By trying all, term by term."""
    whole = canonical(problem)
    return float(costs(whole, all_bits(whole.num_variables)).min())


@pytest.mark.slow
@given(st.one_of(strategies.sparse_problems(12, 10), strategies.problems(12), strategies.grouped_problems(8)))
def test_labels_are_those_of_a_walk_and_parts_add_up_to_the_whole(problem: Problem) -> None:
    whole = canonical(problem)
    groups = whole.groups
    together = [row.tolist() for members in whole.members for row in members]
    together += [m.tolist() for m in np.split(groups.members, groups.offsets[1:-1])]
    expected = list(range(whole.num_variables))
    for _ in range(whole.num_variables):
        for row in together:
            least = min((expected[v] for v in row), default=0)
            for v in row:
                expected[v] = least
    labels = component_labels(whole)
    assert labels.tolist() == expected
    for most in (2, 3, 100):
        parts = apart(whole, labels, most)
        assert len(parts) == min(most, len(set(expected)))
        bits = all_bits(whole.num_variables)
        total = np.full(len(bits), 0.0 if len(parts) == 1 else whole.constant)
        for part in parts:
            total += costs(part.problem, bits[:, part.places])
        np.testing.assert_allclose(total, costs(whole, bits), rtol=1e-12, atol=1e-9)


@pytest.mark.slow
@given(strategies.problems(10, integers=True))
def test_a_part_is_the_canonical_form_of_its_terms(problem: Problem) -> None:
    whole = canonical(problem)
    for part in apart(whole, component_labels(whole)):
        terms = [Term(c=1, indices=[])] + [
            Term(c=float(c), indices=whole.variables[row].tolist())
            for members, coefficients in zip(whole.members, whole.coefficients, strict=True)
            for row, c in zip(members, coefficients, strict=True)
            if row[0] in part.places
        ]
        afresh = canonical(Problem("", terms, problem_type=problem.problem_type))
        assert len(part.problem.members) == len(afresh.members)
        for mine, theirs in zip(part.problem.members, afresh.members, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        for one, other in zip(part.problem.coefficients, afresh.coefficients, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(5, 4, 6), (9, 5, 10), (11, 9, 3)])
def test_small_parts_are_enumerated_and_the_sum_is_the_optimum(kind: ProblemType, sizes: tuple[int, ...]) -> None:
    """Up to 8 variables in packing, more by a kernel."""
    parts = [klocal(size, seed) for seed, size in enumerate(sizes)]
    problem = beside(*parts, kind=kind)
    with Workspace() as workspace:
        for make in (SimulatedAnnealing, ParallelTempering, Tabu):
            result = make(workspace, seed=1).optimize(problem)
            assert result.cost == sum(lowest(alone(part, kind)) for part in parts)
            assert result.cost == problem.evaluate(result.configuration)
            assert result.proven_optimal
            assert result.report.components == sum(size > 8 for size in sizes)
            assert result["parameters"]["reduce"] is True
        one = SimulatedAnnealing(workspace, seed=1, reduce=False).optimize(problem)
    assert (one.report.components, one.report.removed) == (1, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_with_squared_sums(kind: ProblemType) -> None:
    parts = [klocal(6, 1), klocal(5, 2), klocal(4, 3)]
    problem = beside(*parts, kind=kind)
    terms = [Term(c=c, indices=[3 * i]) for i, c in enumerate((1, 2, -3, 4))] + [Term(c=5, indices=[])]
    problem.terms_slc = [SlcTerm(terms, c=2)]
    square = alone(parts[0], kind)
    square.terms_slc = [SlcTerm([Term(c=t.c, indices=[i // 3 for i in t.ids]) for t in terms], c=2)]
    with Workspace() as workspace:
        result = SimulatedAnnealing(workspace, seed=1).optimize(problem)
    assert result.cost == lowest(square) + sum(lowest(alone(part, kind)) for part in parts[1:])
    assert result.report.removed == 9


def test_a_lone_tiny_component_is_left_to_the_solver_beside_bare_variables_too() -> None:
    problem = alone([*klocal(6, 1), Term(c=1, indices=[50]), Term(c=-1, indices=[50])])
    with Workspace() as workspace:
        result = SimulatedAnnealing(workspace, seed=1).optimize(problem)
    assert (result.report.removed, result.report.components) == (1, 1)
    assert result.proven_optimal
    assert result["parameters"]["sweeps"] >= 64


def test_costs_of_more_digits_than_whole_numbers_have_are_not_tried_in_packing() -> None:
    ends = [Term(c=2.0**70 if i else 1.0 + j, indices=[i, j]) for j in range(4) for i in range(j)]
    assert reduced(canonical(beside(ends, ends))).removed == 0
    fits = [Term(c=c * 2.0**-900, indices=term.ids) for term, c in zip(ends, range(1, 7), strict=True)]
    mixed = canonical(beside(ends, fits))
    reduction = reduced(mixed)
    assert reduction.kept.tolist() == [0, 2, 4, 6]
    found = reduction.restored(all_bits(4))[:, 1::2]
    part = canonical(alone(fits))
    assert (costs(part, found) == lowest(alone(fits))).all()


@pytest.mark.slow
@pytest.mark.parametrize("make", [SimulatedAnnealing, ParallelTempering, Tabu])
def test_each_part_is_solved_as_if_it_were_alone_and_the_parameters_repeat_it(make: Any) -> None:
    parts = [regular(40, 2, 1), regular(30, 2, 2), regular(12, 2, 3), regular(30, 2, 4)]
    problem = beside(*parts)
    with Workspace() as workspace:
        joined = make(workspace, seed=7).optimize(problem)
        repeated = make(workspace, **joined["parameters"]).optimize(problem)
        singly = [make(workspace, seed=7).optimize(alone(part)) for part in parts]
    assert joined.report.components == explain(problem).components == 4
    assert joined["parameters"] == {"seed": 7, "timeout": 5.0, "reduce": True}
    assert joined.cost == sum(result.cost for result in singly)
    for place, result in enumerate(singly):
        if place != 2:  # enumerated: another of equals, maybe
            np.testing.assert_array_equal(joined.states[0, joined.variables % 4 == place], result.states[0])
    assert joined.report.stop_reason is StopReason.CONVERGED
    assert not joined.proven_optimal
    assert (joined.report.replicas, joined.report.sweeps) == (singly[0].report.replicas, singly[0].report.sweeps)
    np.testing.assert_array_equal(repeated.states, joined.states)


def test_a_solver_with_parameters_takes_apart_when_asked() -> None:
    parts = [regular(40, 2, 1), regular(30, 2, 2)]
    problem = beside(*parts)
    given: dict[str, Any] = {"sweeps": 30, "restarts": 5, "seed": 3, "reduce": True}
    with Workspace() as workspace:
        joined = SimulatedAnnealing(workspace, **given).optimize(problem)
        singly = [SimulatedAnnealing(workspace, **given).optimize(alone(part)) for part in parts]
        again = SimulatedAnnealing(workspace, **joined["parameters"]).optimize(problem)
    assert joined["parameters"] == given
    assert joined.report.components == 2
    assert joined.report.flips == sum(result.report.flips for result in singly)
    assert joined.report.stop_reason is StopReason.COMPLETED
    assert joined.cost == sum(result.cost for result in singly)
    np.testing.assert_array_equal(again.states, joined.states)


def test_a_cost_limit_is_of_the_whole() -> None:
    problem = beside(regular(40, 2, 1), regular(30, 2, 2))
    with Workspace() as workspace:
        best = SimulatedAnnealing(workspace, seed=1).optimize(problem)
        limited = SimulatedAnnealing(workspace, seed=1, cost_limit=best.cost).optimize(problem)
    assert limited.report.stop_reason is StopReason.COST_LIMIT
    assert (limited.report.components, limited.cost) == (1, best.cost)


def test_exhaustive_search_of_many_parts() -> None:
    parts = [regular(14, 2, seed) for seed in range(5)]
    problem = beside(*parts)
    with Workspace() as workspace:
        result = Exhaustive(workspace, reduce=True).optimize(problem)
        singly = [Exhaustive(workspace).optimize(alone(part)) for part in parts]
    assert result.cost == sum(each.cost for each in singly)
    assert result.proven_optimal
    assert (len(result.variables), result.report.components) == (70, 5)


def test_rounded_coefficients_prove_nothing() -> None:
    parts = [[Term(c=t.c * np.pi / (i + 1), indices=t.ids) for i, t in enumerate(regular(10, 2, s))] for s in (1, 2)]
    with Workspace() as workspace:
        result = SimulatedAnnealing(workspace, seed=1).optimize(beside(*parts))
    assert result.report.resolution > 0
    assert result.report.components == 2
    assert not result.proven_optimal
    assert result.cost == pytest.approx(sum(lowest(alone(part)) for part in parts), abs=1e-9)


def test_what_is_cut_short_has_a_state_of_every_part() -> None:
    problem = beside(regular(40, 2, 1), regular(15, 2, 2), klocal(6, 3))
    cpu = CpuEngine()
    run = cpu.start(Work((problem,), parse(FREE_SA, {"seed": 1})))
    (cut,) = cpu.outcome(run, StopReason.TIMEOUT)
    assert cut.states.shape == (1, 61)
    assert cut.cost == problem.evaluate(cut.configuration)
    assert cut.report.stop_reason is StopReason.TIMEOUT
    assert cut.report.components == 2


def test_the_initial_configuration_is_dealt_to_the_parts() -> None:
    problem = beside(regular(40, 2, 1), regular(30, 2, 2))
    given: dict[str, Any] = {"sweeps": 2, "beta_start": 1e9, "beta_stop": 2e9, "seed": 2, "reduce": True}
    with Workspace() as workspace:
        best = ParallelTempering(workspace, seed=1).optimize(problem)
        problem.init_config = best.configuration
        kept = SimulatedAnnealing(workspace, **given).optimize(problem)
    assert kept.report.components == 2
    assert kept.cost == best.cost


@pytest.mark.emulator
def test_the_cuda_engine_has_the_same_results(engine: Any) -> None:  # noqa: F811
    batch = [
        beside(regular(30, 2, 1), regular(12, 2, 2)),
        beside(klocal(10, 3), klocal(9, 4), klocal(5, 5), kind=ProblemType.pubo),
        alone(regular(9, 2, 6)),
    ]
    assert agree(engine, *batch, target=FREE_SA.replace("-parameterfree", ""), sweeps=20, seed=5, reduce=True)


@pytest.mark.parametrize("parts", [1, 2])
def test_what_a_run_says_on_its_way_is_the_cost_it_brings(parts: int) -> None:
    problem = beside(*(klocal(30, seed) for seed in range(parts)))
    solver = parse("microsoft.simulatedannealing.cpu", {"sweeps": 10**6, "restarts": 4, "seed": 1, "reduce": True})
    machine = CpuEngine()
    run = machine.start(Work((problem,), solver))
    machine.advance([run], 0.001, threading.Event())
    assert not run.finished
    said = run.lowest_cost
    (result,) = machine.outcome(run, StopReason.CANCELLED)
    assert result.report.components == parts
    assert said == result.cost
