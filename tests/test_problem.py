"""Problem: building, fixing variables, checking, and the samples' known optima."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio.errors import InvalidProblem, InvalidTerm
from gpuqio.problem import ContentType, Problem, ProblemType
from gpuqio.terms import GroupType, SlcTerm, Term
from tests.strategies import configurations, grouped_problems, problems

SPINS = (-1, 1)
NAN = float("nan")


def optimum(problem: Problem) -> float:
    values = SPINS if problem.problem_type.spins else (0, 1)
    states = np.array(list(itertools.product(values, repeat=problem.num_variables)), np.int8)
    return float(problem.evaluate_states(problem.variables, states).min())


# Building


def test_a_problem_is_built_from_terms() -> None:
    problem = Problem("p", [Term(c=1, indices=[0]), Term(c=0.5, indices=[3, 0])])
    problem.add_term(c=2, indices=[])
    problem.add_terms([Term(c=3, indices=[1])])
    problem.terms += [Term(c=4, indices=[2])]
    problem.terms.append(Term(c=5, indices=[4]))
    assert [term.c for term in problem.terms] == [1, 0.5, 2, 3, 4, 5]
    assert problem.term_arrays().ids.tolist() == [0, 3, 0, 1, 2, 4]
    assert problem.term_arrays() is problem.term_arrays()
    assert problem.variables.tolist() == [0, 1, 2, 3, 4]
    assert problem.problem_type is ProblemType.ising
    assert repr(problem) == "<Problem 'p': ising, 5 variables, 6 terms>"
    problem.terms = [Term(c=1, indices=[9])]
    assert problem.variables.tolist() == [9]
    problem.terms = Problem("", [Term(c=7, indices=[1])]).terms
    assert problem.terms == [Term(c=7, indices=[1])]


@pytest.mark.parametrize("name", [None, ""])
def test_a_problem_without_a_name_gets_one(name: str | None) -> None:
    assert Problem(name).name == "Optimization problem"


def test_types_have_the_sdks_values() -> None:
    assert {kind.name: kind.value for kind in ProblemType} == {
        "pubo": "0",
        "ising": "1",
        "pubo_grouped": "2",
        "ising_grouped": "3",
    }
    assert ContentType.json.value == "application/json"


def test_grouped_terms_make_the_type_grouped() -> None:
    slc = SlcTerm([Term(c=1, indices=[0]), Term(c=2, indices=[])], c=3)
    problem = Problem("", [Term(c=1, indices=[0]), slc])
    assert problem.problem_type is ProblemType.ising_grouped
    assert problem.terms_slc == [slc]
    assert len(problem.terms) == 1
    assert problem.is_grouped

    others = [Problem("", problem_type=ProblemType.pubo) for _ in range(4)]
    others[0].add_terms(slc.terms, GroupType.squared_linear_combination, c=3)
    others[1].add_slc_term([(1, 0), (2, None)], c=3)
    others[2].add_slc_term(slc.terms, c=3)
    others[3].terms = [slc]
    for other in others:
        assert other.terms_slc == [slc]
        assert other.problem_type is ProblemType.pubo_grouped
    with pytest.raises(InvalidTerm, match="a pair"):
        others[0].add_slc_term([1])
    assert "1 grouped" in repr(problem)


def test_a_variable_stands_once_in_an_ising_term() -> None:
    square = Term(c=1, indices=[4, 2, 4])
    for build in (
        lambda: Problem("", [Term(c=1, indices=[0]), square]),
        lambda: Problem("", problem_type=ProblemType.ising_grouped).terms.append(square),
        lambda: Problem("").add_term(c=1, indices=[4, 2, 4]),
    ):
        with pytest.raises(InvalidTerm, match="Duplicated ids detected in term!") as caught:
            build()
        assert caught.value.code == "AZQ101"
        assert caught.value.value == [4, 2, 4]
    pubo = Problem("", [square], problem_type=ProblemType.pubo)
    assert pubo.evaluate({4: 1, 2: 1}) == 1
    with pytest.raises(InvalidTerm):
        pubo.problem_type = ProblemType.ising
    assert pubo.problem_type is ProblemType.pubo


def test_what_is_refused_leaves_the_problem_as_it_was() -> None:
    problem = Problem("", [Term(c=1, indices=[0])])
    for bad in ([Term(c=1, indices=[1]), Term(c=1, indices=[2, 2])], [Term(c=1, indices=[1]), "x"]):
        with pytest.raises(InvalidTerm):
            problem.add_terms(bad)  # type: ignore[arg-type]
        with pytest.raises(InvalidTerm):
            problem.terms = bad  # type: ignore[assignment]
    assert problem.terms == [Term(c=1, indices=[0])]
    with pytest.raises(InvalidProblem, match="problem_type must be a ProblemType; found 'ising'"):
        Problem("", problem_type="ising")  # type: ignore[arg-type]


def test_a_problem_pickles() -> None:
    problem = Problem("p", [Term(c=1, indices=[0, 2])], init_config={"0": 1, "2": 1})
    again = pickle.loads(pickle.dumps(problem))
    assert again.to_json() == problem.to_json()
    again.add_term(c=1, indices=[5])
    assert len(problem.terms) == 1


# Fixing variables


@given(st.data())
@settings(max_examples=25)
def test_fixing_variables_keeps_costs(data: st.DataObject) -> None:
    problem = data.draw(st.one_of(problems(integers=True), grouped_problems()))
    configuration = data.draw(configurations(problem))
    fixed = {i: value for i, value in configuration.items() if data.draw(st.booleans())}
    if not fixed:
        return
    before = problem.to_json()
    reduced = problem.set_fixed_variables({str(i): value for i, value in fixed.items()})
    assert problem.to_json() == before
    assert not set(reduced.variables.tolist()) & set(fixed)
    assert reduced.problem_type is problem.problem_type
    assert reduced.evaluate(configuration) == pytest.approx(problem.evaluate(configuration), rel=1e-12, abs=1e-6)


def test_fixing_merges_constants_and_keeps_the_rest() -> None:
    terms = [Term(c=4, indices=[]), Term(c=3, indices=[1, 0]), Term(c=5, indices=[0]), Term(c=0, indices=[2])]
    problem = Problem("p", terms, init_config={0: 1, 1: 1, 2: -1})
    reduced = problem.set_fixed_variables({0: -1})
    assert reduced.terms == [Term(c=-3, indices=[1]), Term(c=0, indices=[2]), Term(c=-1, indices=[])]
    assert [type(term.c) for term in reduced.terms] == [int, int, int]
    assert reduced.init_config == {1: 1, 2: -1}
    assert reduced.name == "p"
    gone = Problem("", terms[1:3]).set_fixed_variables({0: 0, 7: 1})
    assert gone.terms == []


def test_fixing_nothing_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"^Error: fixed_variables is empty - please specify at least one fixed var"):
        Problem("", [Term(c=1, indices=[0])]).set_fixed_variables({})
    with pytest.raises(InvalidProblem, match=r"fixed_variables\[0\]"):
        Problem("", [Term(c=1, indices=[0])]).set_fixed_variables({0: NAN})
    with pytest.raises(InvalidProblem, match="make a coefficient infinite"):
        Problem("", [Term(c=1e300, indices=[0])]).set_fixed_variables({0: 1e300})


# Looking at it


def test_get_terms() -> None:
    slc = SlcTerm([Term(c=1, indices=[0])])
    terms = [Term(c=1, indices=[0]), Term(c=2, indices=[]), Term(c=3, indices=[1, 0]), Term(c=4, indices=[1])]
    problem = Problem("", [*terms, slc])
    assert problem.get_terms(0) == [terms[0], terms[2], slc]
    assert problem.get_terms(7) == []
    with pytest.raises(InvalidProblem, match=r"^There are currently no terms in this problem\."):
        Problem("").get_terms(0)


def test_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Problem.NUM_VARIABLES_LARGE, Problem.NUM_TERMS_LARGE) == (2500, 1e6)
    monkeypatch.setattr(Problem, "NUM_VARIABLES_LARGE", 3)
    monkeypatch.setattr(Problem, "NUM_TERMS_LARGE", 4)
    pairs = [Term(c=1, indices=[0, 1])] * 4
    assert not Problem("", pairs).is_large()  # variables are few
    assert not Problem("", [Term(c=1, indices=[i]) for i in range(3)]).is_large()  # terms are few
    assert Problem("", [*pairs, Term(c=1, indices=[2])]).is_large()
    assert Problem("", [SlcTerm([Term(c=1, indices=[i]) for i in range(4)])]).is_large()


def test_initial_configurations_are_checked_at_use() -> None:
    ising = Problem("", [Term(c=1, indices=[0, 4])], init_config={"0": np.int8(1), 4: -1})  # type: ignore[dict-item]
    assert ising.init_config == {0: 1, 4: -1}
    ising.check()
    pubo = Problem("", [Term(c=1, indices=[0, 4])], init_config={0: 1, 4: 0}, problem_type=ProblemType.pubo)
    pubo.check()
    for config, field in (
        ({0: 1}, "init_config[4]"),
        ({0: 1, 4: 1, 5: 1}, "init_config[5]"),
        ({0: 0, 4: 1}, "init_config[0]"),
        ({0: True, 4: 1}, "init_config[0]"),
        ({0: 1, 4: "1"}, "init_config[4]"),
    ):
        ising.init_config = config  # type: ignore[assignment]
        with pytest.raises(InvalidProblem) as caught:
            ising.check()
        assert (caught.value.field, caught.value.code) == (field, "AZQ104")
    ising.init_config = {}
    ising.check()
    pubo.init_config = {0: -1, 4: 1}
    with pytest.raises(InvalidProblem, match=r"init_config\[0\] must be 0 or 1; found -1"):
        pubo.check()


# The edges


def test_an_empty_problem_is_refused_at_use() -> None:
    with pytest.raises(InvalidProblem, match=r"^The problem has no terms\."):
        Problem("").check()
    assert Problem("").evaluate({}) == 0
    assert Problem("").num_variables == 0


def test_a_problem_of_constants() -> None:
    problem = Problem("", [Term(c=1.5), Term(c=2, indices=[])])
    problem.check()
    assert problem.evaluate({}) == 3.5
    assert problem.evaluate_states(np.zeros(0, np.int64), np.zeros((2, 0), np.int8)).tolist() == [3.5, 3.5]


def test_coefficients_that_are_all_zero_keep_their_variables() -> None:
    problem = Problem("", [Term(c=0, indices=[3]), Term(c=0.0, indices=[8, 1])])
    problem.check()
    assert problem.variables.tolist() == [1, 3, 8]
    assert problem.evaluate({1: 1, 3: 1, 8: 1}) == 0
    assert problem.evaluate_states(problem.variables, np.ones((2, 3), np.int8)).tolist() == [0, 0]


def test_one_variable_and_disconnected_ones() -> None:
    assert optimum(Problem("", [Term(c=3, indices=[7])])) == -3
    assert optimum(Problem("", [Term(c=3, indices=[7]), Term(c=-1, indices=[1]), Term(c=2, indices=[3, 4])])) == -6


def test_coefficients_of_any_size() -> None:
    terms = [Term(c=1e300, indices=[0]), Term(c=1e-300, indices=[1]), Term(c=-1e300, indices=[2]), Term(c=5e-324)]
    problem = Problem("", terms)
    problem.check()
    assert problem.evaluate({0: 1, 1: 1, 2: 1}) == 1e-300
    assert problem.evaluate_states(problem.variables, np.ones((1, 3), np.int8)).tolist() == [1e-300]
    huge = Problem("", [Term(c=1e308, indices=[0]), Term(c=1e308, indices=[1])])
    for use in (huge.check, lambda: huge.evaluate({0: 1, 1: 1})):
        with pytest.raises(InvalidProblem, match="beyond a float64"):
            use()


def test_a_term_of_forty_variables() -> None:
    problem = Problem("", [Term(c=2, indices=range(40))])
    problem.check()
    assert problem.evaluate(dict.fromkeys(range(40), -1)) == 2
    states = np.ones((2, 40), np.int8)
    states[1, 17] = -1
    assert problem.evaluate_states(np.arange(40), states).tolist() == [2, -2]


def test_unsorted_and_like_terms_add_up() -> None:
    problem = Problem("", [Term(c=1, indices=[9, 2]), Term(c=2, indices=[2, 9]), Term(c=4, indices=[9, 2])])
    assert len(problem.terms) == 3
    assert problem.evaluate({2: 1, 9: -1}) == -7


def test_huge_ids_cost_no_memory() -> None:
    ids = [2**63 - 1, 2**62, 5]
    problem = Problem("", [Term(c=1, indices=ids), Term(c=2, indices=ids[:1])])
    assert problem.variables.tolist() == sorted(ids)
    assert problem.evaluate(dict.fromkeys(ids, -1)) == -3
    assert problem.set_fixed_variables({2**62: -1}).variables.tolist() == [5, 2**63 - 1]
    assert problem.get_terms(2**62) == [Term(c=1, indices=ids)]
    pairs = Problem.from_arrays(([ids[0]], [5], [1.0]))
    assert pairs.variables.tolist() == [5, ids[0]]


# Problems of the samples whose optimum is known


def ship_loading(weights: list[int]) -> list[Term]:
    pairs = itertools.permutations(range(len(weights)), 2)
    return [Term(c=weights[i] * weights[j], indices=[i, j]) for i, j in pairs]


def secret_santa() -> list[Term]:
    terms = []
    for i, j in ((0, 1), (2, 3), (4, 5), (2, 4), (0, 5), (1, 3)):  # (x_i + x_j - 1)^2
        terms += [Term(c=1, indices=[i, i]), Term(c=1, indices=[j, j]), Term(c=2, indices=[i, j])]
        terms += [Term(c=-2, indices=[i]), Term(c=-2, indices=[j]), Term(c=1, indices=[])]
    return terms


GETTING_STARTED = [
    Term(c=c, indices=ids)
    for c, ids in ((-9, [0]), (-3, [1, 0]), (5, [2, 0]), (9, [2, 1]), (2, [3, 0]), (-4, [3, 1]), (4, [3, 2]))
]


@pytest.mark.parametrize(
    ("terms", "kind", "cost"),
    [
        (ship_loading([1, 5, 9, 21, 35, 5, 3, 5, 10, 11]), ProblemType.ising, -2052),
        (secret_santa(), ProblemType.pubo, 0),
        (GETTING_STARTED, ProblemType.ising, -32),
        (GETTING_STARTED, ProblemType.pubo, -14),
        (GETTING_STARTED[1:], ProblemType.pubo, -5),
        (GETTING_STARTED[:3], ProblemType.ising, -17),
    ],
)
def test_samples_have_their_known_optimum(terms: list[Term], kind: ProblemType, cost: float) -> None:
    assert optimum(Problem("", terms, problem_type=kind)) == cost


def test_factored_and_expanded_ship_loading_differ_by_a_constant() -> None:
    weights = [2, 5, 9, 21, 35, 5, 3, 5, 10, 11, 23, 13, 8, 7, 12, 19, 22, 54, 33]
    factored = Problem("")
    factored.add_slc_term([(w, i) for i, w in enumerate(weights)])
    expanded = Problem("", ship_loading(weights))
    states = np.random.default_rng(4).choice(np.array(SPINS, np.int8), (50, len(weights)))
    difference = factored.evaluate_states(factored.variables, states) - expanded.evaluate_states(
        expanded.variables, states
    )
    assert difference.tolist() == [7861] * 50
