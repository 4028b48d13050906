"""Squared sums: kept as they are, exact in 64 bits, solved by the moves of every engine."""

from __future__ import annotations

import itertools
import tracemalloc
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio import Workspace
from gpuqio.engines import reference
from gpuqio.engines.base import Work
from gpuqio.engines.cpu import CpuEngine
from gpuqio.engines.native import Ensemble, advance
from gpuqio.engines.streams import threshold
from gpuqio.errors import InvalidProblem
from gpuqio.optimization import ParallelTempering, SimulatedAnnealing
from gpuqio.pack import Canonical, Layout, Strategy, canonical, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import PathRelinking, TabuSearch
from gpuqio.solvers.base import Solver
from gpuqio.solvers.explain import explain
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import temperature_range
from gpuqio.terms import SlcTerm, Term
from tests.strategies import grouped_problems
from tests.test_trajectory import BUILDS, assert_same, run_native, stages

Linear = tuple[float, int | None]


def grouped(*groups: tuple[float, list[Linear]], kind: ProblemType = ProblemType.ising) -> Problem:
    problem = Problem("grouped", problem_type=kind)
    for c, linear in groups:
        problem.add_slc_term(linear, c)
    return problem


def partition(weights: list[int], c: float = 1) -> Problem:
    return grouped((c, [(w, i) for i, w in enumerate(weights)]))


def all_states(form: Canonical) -> Any:
    return np.array(list(itertools.product((1, -1) if form.is_ising else (0, 1), repeat=form.num_variables)), np.int8)


def integer_energies(layout: Layout, states: Any) -> Any:
    bits = (1 - states) // 2 if layout.problem.is_ising else states
    return reference.outcome.energies(layout, bits.astype(np.int64))


@given(problem=grouped_problems(), random=st.randoms(use_true_random=False))
def test_the_order_of_groups_and_of_their_terms_does_not_matter(problem: Problem, random: Random) -> None:
    terms = [t if isinstance(t, Term) else SlcTerm(random.sample(t.terms, len(t.terms)), t.c) for t in problem.terms]
    groups = [SlcTerm(random.sample(g.terms, len(g.terms)), g.c) for g in problem.terms_slc]
    shuffled = Problem("q", random.sample(terms, len(terms)), problem_type=problem.problem_type)
    shuffled.add_terms(random.sample(groups, len(groups)))
    one, other = canonical(problem), canonical(shuffled)
    assert one.constant == other.constant
    for name in ("coefficients", "constants", "offsets", "members", "weights"):
        np.testing.assert_array_equal(getattr(one.groups, name), getattr(other.groups, name))


@given(problem=grouped_problems(max_variables=4))
def test_the_canonical_problem_costs_the_same(problem: Problem) -> None:
    form = canonical(problem)
    groups = form.groups
    for state in itertools.islice(all_states(form).tolist(), 16):
        total = Fraction(form.constant)
        for rows, coefficients in zip(form.members, form.coefficients, strict=True):
            for row, c in zip(rows.tolist(), coefficients.tolist(), strict=True):
                total += Fraction(c) * int(np.prod([state[i] for i in row]))
        scale = sum(float(np.abs(c).sum()) for c in form.coefficients) + abs(form.constant)
        scale += float((np.abs(groups.coefficients) * groups.spans**2).sum())
        for group, (c, constant) in enumerate(zip(groups.coefficients, groups.constants, strict=True)):
            mine = slice(*groups.offsets[group : group + 2])
            pairs = zip(groups.members[mine].tolist(), groups.weights[mine].tolist(), strict=True)
            total += (
                Fraction(float(c)) * (Fraction(float(constant)) + sum(Fraction(w) * state[i] for i, w in pairs)) ** 2
            )
        exact = problem.evaluate(dict(zip(form.variables.tolist(), state, strict=True)))
        assert abs(float(total) - exact) <= 1e-12 * scale


def test_equal_sums_merge_whatever_their_scale_and_zeros_go_but_their_variables_stay() -> None:
    form = canonical(
        grouped(
            (1, [(2, 5), (-4, 9), (0, 7), (6, None)]),
            (3, [(2, 9), (-1, 5), (-3, None)]),  # minus a half of it
            (0, [(1, 11)]),
            (5, [(2, None)]),
            (2, [(1, 5), (1, 12)]),
            (-2, [(1, 12), (1, 5)]),
        )
    )
    assert form.variables.tolist() == [5, 7, 9, 11, 12]
    assert form.constant == 20
    assert form.groups.members.tolist() == [0, 2]
    assert form.groups.weights.tolist() == [0.5, -1]  # the largest of all, 6, became 1.5
    assert form.groups.constants.tolist() == [1.5]
    assert form.groups.coefficients.tolist() == [1 * 16 + 3 * 4]
    assert (form.degree, form.num_terms) == (2, 2)


def test_a_group_without_variables_leaves_an_ordinary_problem() -> None:
    problem = grouped((2, [(3, None)]))
    problem.add_term(c=-1, indices=[0, 1])
    layout = pack(problem)
    assert layout.strategy is Strategy.LANE_NEIGHBOUR
    assert (layout.problem.constant, layout.groups) == (18, None)


@given(problem=grouped_problems(max_variables=5))
def test_integers_stand_for_the_costs_to_the_stated_resolution(problem: Problem) -> None:
    layout = pack(problem)
    fixed = layout.fixed
    if not len(layout.problem.groups):
        return
    states = all_states(layout.problem)
    energies = integer_energies(layout, states)
    assert int(np.abs(energies).max()) < 2**60
    assert int(energies.max()) - int(energies.min()) < 2**60
    assert int(fixed.groups.spans.max()) < 2**30
    costs = problem.evaluate_states(layout.problem.variables, states)
    roundings = layout.problem.num_terms + 2 * len(layout.problem.groups)
    scale = float(np.abs(costs).max()) + abs(layout.problem.constant)
    assert np.abs(energies * fixed.unit + layout.problem.constant - costs).max() <= (
        1e-13 * scale + fixed.resolution * roundings
    )


def test_integers_are_exact_and_real_numbers_keep_29_bits() -> None:
    random = np.random.default_rng(1)
    weights = random.integers(1, 2**16, 5000).tolist()
    assert pack(partition(weights)).fixed.resolution == 0
    assert pack(partition(weights, 0.375)).fixed.resolution == 0
    real = pack(grouped((1, [(w, i) for i, w in enumerate(random.normal(size=50).tolist())])))
    assert int(real.fixed.groups.spans[0]) > 2**28
    largest = float(real.problem.groups.coefficients[0] * real.problem.groups.spans[0] ** 2)
    assert 0 < real.fixed.resolution < 2**-28 * largest
    # A coefficient that is no binary fraction leaves small integer weights as they are.
    tenth = pack(grouped((0.1, [(w, i) for i, w in enumerate([3, 5, 7, 9])]))).fixed
    assert tenth.groups.weights.tolist() == [3, 5, 7, 9]
    assert 0 < tenth.resolution < 1e-13


def test_extreme_numbers_neither_overflow_nor_vanish() -> None:
    wide = pack(grouped((1e-300, [(1e150, 0), (1e-300, 1), (3e149, 2)]), (1e300, [(1e-160, 1), (2e-160, 2)])))
    assert wide.problem.groups.coefficients.max() > 0.1
    energies = integer_energies(wide, all_states(wide.problem))
    assert len(np.unique(energies)) == 2  # (x0 + 0.3 x2)^2 is all that counts
    tiny = pack(grouped((1e-200, [(1e-40, 0), (3e-40, 1)])))
    assert len(np.unique(integer_energies(tiny, all_states(tiny.problem)))) == 2


@settings(max_examples=60)
@given(problem=grouped_problems(), stage=stages(), slices=st.lists(st.integers(1, 3), max_size=3), data=st.data())
def test_native_equals_reference(problem: Problem, stage: Stage, slices: list[int], data: st.DataObject) -> None:
    layout = pack(problem)
    bits = st.lists(st.integers(0, 1), min_size=layout.num_variables, max_size=layout.num_variables)
    first = data.draw(st.none() | bits)
    start = None if first is None else np.array(first, np.uint8)
    if layout.num_variables == 0:
        return
    expected = reference.run(layout, stage, None if start is None else start.astype(np.int64))
    for build in BUILDS:
        assert_same(expected, run_native(layout, stage, slices, build, start))


@pytest.mark.parametrize("kind", [ProblemType.ising, ProblemType.pubo])
def test_rises_of_all_magnitudes_meet_the_reference_at_all_temperatures(kind: ProblemType) -> None:
    """Weights over 9 decades, temperatures over 24: thresholds from 0 to the cut, energies up to 2^59."""
    random = np.random.default_rng(5)
    weights = np.rint(10.0 ** np.linspace(0, 8.3, 40) * random.choice([-1, 1], 40)).tolist()
    problem = grouped((1, [(w, i) for i, w in enumerate(weights)]), kind=kind)
    problem.add_term(c=3, indices=[0, 1, 2])
    layout = pack(problem)
    assert layout.fixed.is_exact
    for stage in (
        Stage(40, 12, np.concatenate(([0], np.geomspace(1e-22, 10, 11))), False, 3),
        Stage(24, 6, np.concatenate(([0], np.geomspace(1e-20, 1, 11))), True, 4),
    ):
        expected = reference.run(layout, stage)
        for build in BUILDS:
            assert_same(expected, run_native(layout, stage, [1], build))


def test_at_beta_0_every_rise_passes() -> None:
    layout = pack(partition([3 * 2**26, 1, 5]))
    chains = Ensemble(layout, Stage(4096, 1, np.zeros(1), False, 1))
    advance([chains], [1])
    assert chains.flips == 3 * 4096
    words = np.array([0xFFFFFFFF, 0], np.uint32)  # u at its largest and at its smallest
    assert threshold(words, np.float32(2.0**90), layout.rise_bits).tolist() == [2**62, 2**62]


def test_a_grouped_problem_is_its_expansion() -> None:
    """The same rises and the same words: the same path as the plain problem with the square written out."""
    weights, constant = [3, -5, 2, 7, 1, -4], 3
    plain = Problem("expanded", problem_type=ProblemType.pubo)
    for i, j in itertools.combinations(range(6), 2):
        plain.add_term(c=4 * weights[i] * weights[j], indices=[i, j])
    for i, w in enumerate(weights):
        plain.add_term(c=2 * w * w + 4 * w * constant, indices=[i])
    both = (
        pack(plain),
        pack(grouped((2, [*((w, i) for i, w in enumerate(weights)), (constant, None)]), kind=plain.problem_type)),
    )
    stage = Stage(40, 9, np.linspace(0, 0.05, 9), False, 8)
    one, other = (reference.run(layout, stage) for layout in both)
    np.testing.assert_array_equal(one.bits, other.bits)
    assert one.flips == other.flips
    assert temperature_range(both[0])[0] == pytest.approx(temperature_range(both[1])[0])


def test_states_come_as_often_as_boltzmann_says() -> None:
    """16 states, 4096 chains, 40 sweeps apart enough: chi squared of 15 degrees is 15 +- 5.5; bound at 5 sigma."""
    problem = grouped((1, [(1, 0), (2, 1), (-3, 2), (1, 3), (1, None)]), kind=ProblemType.pubo)
    problem.add_term(c=1.5, indices=[0, 3])
    layout = pack(problem)
    chains = Ensemble(layout, Stage(4096, 40, np.full(40, 0.4), False, 2))
    advance([chains], [40])
    states = all_states(layout.problem)
    weights = np.exp(-0.4 * problem.evaluate_states(layout.problem.variables, states))
    wanted = 4096 * weights / weights.sum()
    counts = np.bincount(chains.bits() @ [8, 4, 2, 1], minlength=16)
    assert ((counts - wanted) ** 2 / wanted).sum() < 15 + 5 * 5.5


def test_five_thousand_variables_take_little_memory() -> None:
    """The square written out has 12.5 million terms: 200 MB and more."""
    weights = np.random.default_rng(0).integers(1, 2**16, 5000).tolist()
    problem = partition(weights)
    tracemalloc.start()
    layout = pack(problem)
    chains = Ensemble(layout, Stage(64, 200, np.geomspace(1e-12, 1e-6, 64), True, 1), goal=1)
    advance([chains], [200])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6
    assert chains.lowest == sum(weights) % 2


@pytest.mark.parametrize("solver", [ParallelTempering, SimulatedAnnealing])
@pytest.mark.parametrize("parameters", [{}, {"sweeps": 300}])
def test_solvers_take_them(solver: Any, parameters: dict[str, int]) -> None:
    """Three of seven numbers with the sum 20, the second among them."""
    numbers = [9, 5, 7, 3, 8, 11, 2]
    problem = grouped((10, [*((w, i) for i, w in enumerate(numbers)), (-20, None)]), kind=ProblemType.pubo)
    problem.add_slc_term([*((1, i) for i in range(7)), (-3, None)], 10)
    problem.add_term(c=-1, indices=[1])
    with Workspace() as workspace:
        result = solver(workspace, seed=1, **parameters).optimize(problem)
    assert result["cost"] == -1
    assert result.report.strategy == "lane-grouped"
    assert result.report.resolution == 0
    chosen = [w for i, w in enumerate(numbers) if result["configuration"][str(i)]]
    assert (sum(chosen), len(chosen), 5 in chosen) == (20, 3, True)


def test_a_start_is_honoured() -> None:
    problem = partition([4, 3, 2, 1])
    problem.init_config = {0: 1, 1: -1, 2: -1, 3: 1}
    with Workspace() as workspace:
        result = ParallelTempering(workspace, sweeps=1, replicas=2, seed=1, cost_limit=0).optimize(problem)
    assert result["configuration"] == {"0": 1, "1": -1, "2": -1, "3": 1}
    assert result.report.sweeps == 0


def test_explain_says_that_sums_are_kept() -> None:
    said = explain(partition([1, 2, 3]))
    assert said.strategy is Strategy.LANE_GROUPED
    assert "1 squared sums" in said.reason
    assert (said.locality, said.num_terms, said.resolution) == (2, 3, 0)
    assert said.hottest > said.coldest > 0


@pytest.mark.parametrize("solver", [TabuSearch(), PathRelinking()], ids=lambda solver: type(solver).__name__)
def test_solvers_whose_moves_cannot_walk_them_refuse_them_before_anything_runs(solver: Solver) -> None:
    work = Work((partition([3, 1, 4]),), solver)
    with pytest.raises(InvalidProblem, match=f"problem type ising_grouped: {type(solver).__name__} takes no") as caught:
        CpuEngine().start(work)
    assert (caught.value.field, caught.value.value, caught.value.code) == ("terms_slc", 1, "AZQ103")
