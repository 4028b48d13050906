"""The benchmarks on tiny problems with our own solvers, so that they keep working; and the sums that they rest on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import (
    bench_cores,
    bench_problems,
    bench_quality_time,
    bench_scale,
    bench_tts,
    bench_updates,
    instances,
    plots,
)
from benchmarks.instances import Instance, brute_force
from benchmarks.peers import OURS, PEERS, Settings, Solver, ours, suited
from benchmarks.peers.base import costs_of
from benchmarks.peers.ising import ising
from benchmarks.tuning import Tuned, lengths, reads_for, tune_for_share

SPINS = instances.sk(10, 1)
BITS = instances.random_qubo(10, 0.6, 1)
TRIPLES = instances.planted_xorsat(9, 1)
LOOSE = Instance("loose", "ising", 6, np.array([1.0, -2.0]), np.array([[0, 2], [2, 4]]))  # half are in no term
BETAS = {"ising": (0.2, 6.0), "pubo": (0.002, 0.2)}


def settings_for(solver: Solver, instance: Instance) -> Settings:
    sweeps = {"ms": 5, "steps": 200}.get(solver.unit, 64)
    return Settings(sweeps, 3 if solver.unit == "ms" else 48, BETAS[instance.kind], solver.shapes[0], seed=3)


def check(solver: Solver, instance: Instance) -> None:
    """Both ways of solving end at the optimum, and no cost is below it."""
    optimum, _ = brute_force(instance)
    settings = settings_for(solver, instance)
    run = solver.anneal(instance, solver.prepared(instance), settings)
    assert len(run.costs) == settings.reads
    assert run.costs.min() == pytest.approx(optimum, abs=1e-9)
    assert solver.solve(instance, settings).costs == pytest.approx([optimum], abs=1e-9)


@pytest.mark.parametrize("instance", [SPINS, BITS, TRIPLES, LOOSE], ids=lambda instance: instance.name)
@pytest.mark.parametrize("solver", OURS, ids=lambda solver: solver.name)
def test_ours_solve_through_the_interface_of_the_peers(solver: Solver, instance: Instance) -> None:
    check(solver, instance)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("instance", [SPINS, BITS, TRIPLES, LOOSE], ids=lambda instance: instance.name)
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_the_peers_solve_too(peer: Solver, instance: Instance) -> None:
    if why := peer.missing():
        pytest.skip(why)
    if not suited([peer], instance):
        pytest.skip("takes other terms")
    check(peer, instance)


def test_a_batch_of_ours_has_the_costs_of_its_problems() -> None:
    some = [instances.sk(10, seed) for seed in range(3)]
    settings = settings_for(OURS[0], SPINS)
    assert OURS[0].solve_all(some, settings).costs == pytest.approx([brute_force(one)[0] for one in some])


@pytest.mark.parametrize("instance", [SPINS, BITS], ids=lambda instance: instance.name)
def test_the_ising_form_has_the_same_costs(instance: Instance) -> None:
    model = ising(instance)
    spins = 1 - 2 * np.random.default_rng(1).integers(0, 2, (20, 10), dtype=np.int8)
    pairs = 0.5 * np.einsum("ri,ij,rj->r", spins, model.matrix(), spins)
    costs = pairs + spins @ model.fields + model.offset
    assert costs == pytest.approx(costs_of(instance, model.values(spins)), abs=1e-9)
    with pytest.raises(ValueError, match="terms of 3 variables"):
        ising(TRIPLES)


def test_a_peer_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent(ours.Annealing):
        name = "absent"
        packages = ("no_such_package", "no_such.part")

    assert Absent().missing() == "no_such_package, no_such.part not installed"
    monkeypatch.delenv("GPUQIO_MQLIB", raising=False)
    assert "GPUQIO_MQLIB" in PEERS[-1].missing()


def test_schedules() -> None:
    assert Settings(3, 1, (1.0, 4.0)).schedule.tolist() == pytest.approx([1, 2, 4])
    assert Settings(3, 1, (1.0, 4.0), "linear").schedule.tolist() == pytest.approx([1, 2.5, 4])
    assert Settings(1, 1, (1.0, 4.0)).schedule.tolist() == [4]


def test_the_reads_that_a_share_takes() -> None:
    assert reads_for(np.array([0.5, 0.5]), 0.99) == 7  # 1 - 2^-7 is the first above 0.99
    assert reads_for(np.array([1.0]), 0.99) == 1
    assert reads_for(np.array([1.0, 0.0]), 0.99) is None
    assert reads_for(np.array([1.0, 0.1]), 0.5) == 1


def test_lengths_are_powers_of_two_from_the_shortest() -> None:
    assert lengths(OURS[0], 20) == [2, 4, 8, 16]
    assert lengths(OURS[2], 40) == [16, 32]
    assert [lengths(peer, 40) for peer in PEERS if peer.unit == "descents"] == [[1]]


def test_the_search_finds_settings_that_solve_the_calibration_set() -> None:
    some = [instances.sk(8, seed) for seed in range(3)]
    optima = np.array([brute_force(one)[0] for one in some])
    tuned = tune_for_share(OURS[0], some, optima, Settings(1, 1, (0.3, 6.0)), 8, 0.0)
    assert tuned is not None
    assert tuned.settings.sweeps in (2, 4, 8)
    assert tuned.settings.shape == "linear"
    assert tune_for_share(OURS[0], some, optima - 1, Settings(1, 1, (0.3, 6.0)), 8, 0.0) is None


def test_time_to_solution_is_what_its_formula_says() -> None:
    reads = bench_tts.Reads([np.array([-3.0, -2.0, -2.0, -3.0])], cpu=0.4)
    assert reads.hits(-3.0) == 2
    assert reads.tts(-3.0, 1) == pytest.approx(0.1 * math.log(0.01) / math.log(0.5))
    assert reads.tts(-3.0, 32) == pytest.approx(0.1 * 32)
    assert reads.tts(-2.0, 1) == pytest.approx(0.1)  # every read is a hit
    assert reads.tts(-4.0, 1) == math.inf
    assert reads.tts(-4.0, 1, least_hits=0.5) == pytest.approx(0.1 * math.log(0.01) / math.log(1 - 0.5 / 4))


def test_updates() -> None:
    row = bench_updates.compare(SPINS, (0.3, 6.0), [OURS[1]], 0.0, 1)
    assert 0 < row["acceptance"] < 1
    assert row["peers"][OURS[1].name]["ratio"] == row["ratio"]


def test_problems() -> None:
    family = bench_problems.Family(lambda seed: instances.sk(8, seed), (0.3, 6.0))
    extent = bench_problems.Extent(3, 5, 8, 0.0, 60.0, 0.0)
    row, other = bench_problems.run_family("tiny", family, [OURS[1]], extent, [1])
    assert (row["problems"], row["solved"], row["ratio"], row["best peer"]) == (5, 1.0, 1.0, False)
    assert (other["problems"], other["solved"], other["best peer"]) == (5, 1.0, True)


def test_cores() -> None:
    J = bench_cores.tensor("SK n = 16", 2 * bench_cores.DIFFERENT)
    assert (J[: bench_cores.DIFFERENT] == J[bench_cores.DIFFERENT :]).all()
    assert (J[1] == instances.sk(16, 1).dense()).all()
    assert bench_cores.seconds("SK n = 16", bench_cores.Load(bench_cores.DIFFERENT, 2, 2), 1) > 0
    assert all(load.problems % (2 * bench_cores.DIFFERENT) == 0 for load in bench_cores.LOADS.values())


def test_one_that_falls_short_gets_more_reads() -> None:
    tuned = {OURS[0]: Tuned(Settings(4, 8), 1.0)}
    short = bench_problems.Measured([np.array([-1.0, -2.0])], [1.0], [1.0])
    enough = bench_problems.Measured([np.array([-2.0, -2.0])], [1.0], [1.0])
    best = [np.array([-2.0, -1.0])]
    asked: list[Any] = []

    def again(solvers: list[Solver]) -> dict[Solver, bench_problems.Measured]:
        asked.append(solvers)
        return {OURS[0]: enough}

    assert bench_problems.settle(tuned, {OURS[0]: short}, best, again)
    assert (asked, tuned[OURS[0]].settings.reads, best[0].tolist()) == ([[OURS[0]]], 10, [-2.0, -2.0])
    assert not bench_problems.settle(tuned, {OURS[0]: enough}, best, again)


def test_optima_of_long_runs_are_those_of_brute_force() -> None:
    some = [instances.random_qubo(17, 0.5, seed) for seed in range(2)]
    found = bench_problems.optima(some, BETAS["pubo"], Settings(64, 32))
    assert found.tolist() == [brute_force(one)[0] for one in some]


def test_time_to_solution_of_a_family_in_two_forms() -> None:
    class PairsOnly(ours.Tempering):
        name = "pairs only"
        most_degree = 2

    family = bench_tts.Family(
        lambda seed: instances.planted_xorsat(7, seed), ((0.3, 3.0),), lambda seed: instances.quadratic_xorsat(7, seed)
    )
    *_, results = bench_tts.run_family(family, [PairsOnly()], 2, bench_tts.Budget(0.0, 0.0))
    rows = bench_tts.table("tiny", results)
    assert [row["form"] for row in rows] == ["xorsat-7"] * 3 + ["xorsat-pairs-7"]
    assert {row["target"] for row in rows} == {"planted"}
    assert min(row["ratio"] for row in rows if row["ratio"] is not None) <= 1


def test_targets_that_are_not_planted_come_from_long_runs() -> None:
    found = bench_tts.initial_targets([SPINS], (0.3, 6.0), [Settings(64, 32), Settings(64, 4), Settings(64, 32)])
    assert found[0] == pytest.approx(brute_force(SPINS)[0])


def test_quality_in_equal_time() -> None:
    case = bench_quality_time.Case(SPINS, (0.3, 6.0))
    rows = bench_quality_time.compare(case, [OURS[1]], 0.0, [1])
    given = [row["length"] for row in rows if row["length"] is not None]
    assert given == list(bench_quality_time.LENGTHS["sweeps"])
    assert min(row["gap %"] for row in rows) == 0
    reached = [bench_quality_time.Reached(cost, 0.1) for cost in (-1.0, -3.0)]
    row = bench_quality_time.measure("x", 5, reached)
    assert (row["mean"], row["spread"], row["best"]) == (-2, 1, -3)


@pytest.mark.parametrize("topic", bench_scale.TOPICS)
def test_a_point_of_each_curve(topic: str) -> None:
    sizes = {"sparse": 60, "dense": 12, "batch": 3}
    row = bench_scale.point(topic, sizes[topic], "gpuqio")
    assert row["terms"] == {"sparse": 360, "dense": 66, "batch": 360}[topic]
    assert row["mean cost"] < 0
    assert row["peak MiB"] > 0
    assert "seconds" not in bench_scale.point(topic, sizes[topic], "nothing")


def test_what_the_plots_read_off_the_rows(tmp_path: Path) -> None:
    updates = [{"instance": "sk", "peers": {"OpenJij SA": {"ratio": 5.0}}}]
    assert plots.updates(updates).groups == {"sk": {"OpenJij SA": 5.0}}
    solved: dict[str, Any] = {"problem": "SK", "cores": 2, "solver": "OpenJij SA", "solved": 0.99, "ratio": 4.0}
    rows = [solved, solved | {"solver": "PySA PT", "solved": 0.98}, solved | {"solver": "gpuqio x", "ratio": 1.0}]
    assert plots.problems(rows).groups == {"SK, 2 cores": {"OpenJij SA": 4.0}}
    both = {"problem": "SK", "cores": 2, "workers, times one core": 1.9, "processes, times one core": 1.8}
    assert plots.cores([both]).groups == {"SK": {"workers": 1.9, "processes": 1.8}}
    timed: list[dict[str, Any]] = [
        {"family": "SK", "solver": "OpenJij SA", "ratio": 3.0},
        {"family": "SK", "solver": "PySA PT", "ratio": None},
    ]
    assert plots.time_to_solution(timed).groups == {"SK": {"OpenJij SA": 3.0}}
    worse: dict[str, Any] = {"instance": "bqp", "seconds": 1.0, "solver": "OpenJij SA", "above our best %": 0.2}
    better = worse | {"above our best %": 0.1}
    assert plots.quality([worse, better]).groups == {"bqp, 1 s": {"OpenJij SA": 0.1}}
    grown: dict[str, Any] = {"grows": "n", "size": 10, "solver": "gpuqio", "seconds": 0.5, "peak MiB": 40}
    assert plots.scale([grown, {"solver": "nothing"}]).panels == {
        ("n", "s"): {"gpuqio": [(10, 0.5)]},
        ("n", "MiB"): {"gpuqio": [(10, 40)]},
    }
    for part in ("tts_a", "tts_b"):
        (tmp_path / f"{part}.json").write_text(json.dumps({"rows": [{"part": part}]}))
    assert plots.rows_of("tts_*.json", tmp_path) == [{"part": "tts_a"}, {"part": "tts_b"}]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_pictures_are_the_same_bytes_for_the_same_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    bars = plots.Bars("title", "gpuqio : peer", {"one": {"OpenJij SA": 3.0, "PySA PT": 0.5}})
    curves = plots.Curves("title", {("n", "s"): {"gpuqio": [(1, 1), (10, 3)]}, ("n", "MiB"): {"gpuqio": [(1, 9)]}})
    for name, picture in (("bars", bars), ("curves", curves)):
        for place in ("first", "second"):
            plots.draw(picture, tmp_path / f"{name}-{place}.svg")
        assert (tmp_path / f"{name}-first.svg").read_bytes() == (tmp_path / f"{name}-second.svg").read_bytes()


def test_every_peer_has_a_colour() -> None:
    assert {peer.name for peer in PEERS} == set(plots.SOLVER_COLOURS)


def test_names_are_unique() -> None:
    names = [solver.name for solver in (*OURS, *PEERS)]
    assert len(set(names)) == len(names)
