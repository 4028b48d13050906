"""The command as a shell sees it: output, errors, exit codes, and what an interrupt leaves."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import gpuqio
from gpuqio.cli import main
from gpuqio.engines import cpu
from gpuqio.engines.base import StopFlag, Work
from gpuqio.errors import EngineUnavailable, InvalidProblem
from gpuqio.named_solvers import NAMES, SOLVERS, chosen
from gpuqio.solvers import TARGETS
from gpuqio.solvers.wire import OTHER_NAMES

SHIP_LOADING = str(Path(__file__).parents[1] / "examples" / "ship_loading.json")
FOREVER = str(2**31 - 1)  # sweeps


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Output:
    """What was printed since the last look."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def rows(self) -> dict[str, str]:
        """The table on standard output; asserts that standard error is empty."""
        printed, complaints = self._capsys.readouterr()
        assert complaints == ""
        return {line[:16].rstrip(): line[16:] for line in printed.splitlines()}

    def complaint(self) -> str:
        """Standard error; asserts that nothing was printed."""
        printed, complaints = self._capsys.readouterr()
        assert printed == ""
        return complaints

    def text(self) -> str:
        return self._capsys.readouterr().out


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> Output:
    return Output(capsys)


def test_a_problem_file_is_solved(out: Output) -> None:
    assert main(["solve", SHIP_LOADING, "--seed", "3"]) == 0
    rows = out.rows()
    assert rows["cost"] == "-2052"
    assert len(re.findall(r"\b\d:-?1\b", rows["configuration"])) == 10
    assert rows["solver"] == "microsoft.paralleltempering-parameterfree.cpu"
    assert "cut" not in rows


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        ([], "microsoft.paralleltempering-parameterfree.cpu"),
        (["--solver", "parallel-tempering", "--sweeps", "100"], "microsoft.paralleltempering.cpu"),
        (["--replicas", "5"], "microsoft.paralleltempering.cpu"),
        (["--solver", "sa"], "microsoft.simulatedannealing-parameterfree.cpu"),
        (["--solver", "simulated-annealing", "--restarts", "4"], "microsoft.simulatedannealing.cpu"),
        (["--solver", "pa", "-p", "population=100", "-p", "seed=4"], "microsoft.populationannealing.cpu"),
        (["-p", "cost_limit=0"], "microsoft.paralleltempering-parameterfree.cpu"),
        (["--solver", "ssmc", "-p", "step_limit=200"], "microsoft.substochasticmontecarlo.cpu"),
    ],
)
def test_tunables_choose_the_target(arguments: list[str], target: str, out: Output) -> None:
    seed = [] if any("seed" in argument for argument in arguments) else ["--seed", "3"]
    assert main(["solve", SHIP_LOADING, *seed, *arguments]) == 0
    assert out.rows()["solver"] == target


@pytest.mark.parametrize("name", NAMES)
def test_every_solver_finds_the_optimum(name: str, out: Output) -> None:
    assert main(["solve", SHIP_LOADING, "--solver", name, "--seed", "3"]) == 0
    rows = out.rows()
    assert rows["cost"] == "-2052"
    assert rows["solver"] == NAMES[name].free_target


def test_help_has_a_line_for_each_solver(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["solve", "--help"])
    lines = capsys.readouterr().out.splitlines()
    for solver in SOLVERS:
        assert any(line.split("  ")[1:2] == [", ".join(solver.names)] and solver.line in line for line in lines)


def test_every_target_can_be_named() -> None:
    assert {target for solver in SOLVERS for target in (solver.target, solver.free_target)} == set(TARGETS)


@pytest.mark.parametrize(("solver", "parameter"), [(s.names[0], p) for s in SOLVERS for p in s.parameters])
def test_every_parameter_is_read(solver: str, parameter: str, out: Output) -> None:
    """No parameter takes this value, so one that is taken has not been read."""
    assert main(["solve", SHIP_LOADING, "--solver", solver, "-p", parameter + '={"a": "b"}']) == 2
    assert out.complaint().startswith(f"gpuqio: {OTHER_NAMES.get(parameter, parameter)} ")


@pytest.mark.parametrize(
    ("solver", "parameter", "echo"),
    [
        (
            "ssmc",
            'alpha={"type": "linear", "initial": 1, "final": 0.5}',
            {"type": "linear", "initial": 1, "final": 0.5},
        ),
        ("sbm", 'algo="1.5"', "1.5"),
        ("sbm", "heated=true", True),
        ("pticm", "scaling_type=NO_SCALING", "NO_SCALING"),
        ("pr", "timeout=2.5", "2500"),  # as 1QBit wrote it: milliseconds, as text
    ],
)
def test_values_are_json_or_text(solver: str, parameter: str, echo: object, out: Output) -> None:
    assert main(["solve", SHIP_LOADING, "--solver", solver, "-p", parameter, "--seed", "3", "--json"]) == 0
    result = json.loads(out.text())
    assert result["parameters" if solver == "ssmc" else "input_params"][parameter.split("=")[0]] == echo


@pytest.mark.parametrize("name", NAMES)
def test_a_timeout_is_in_seconds_for_all(name: str) -> None:
    assert chosen(name, {"timeout": 7.5})[1].timeout == 7.5


def test_the_same_seed_prints_the_same(out: Output) -> None:
    seen = []
    for seed in ("3", "3", "4"):
        assert main(["solve", SHIP_LOADING, "--sweeps", "50", "--seed", seed]) == 0
        rows = out.rows()
        seen.append((rows["configuration"], rows["work"]))
    assert seen[0] == seen[1] != seen[2]


def test_json_is_the_qio_result(out: Output) -> None:
    assert main(["solve", SHIP_LOADING, "--sweeps", "100", "--solutions", "3", "--seed", "3", "--json"]) == 0
    result = json.loads(out.text())
    assert set(result) == {"version", "configuration", "cost", "parameters", "solutions"}
    assert result["cost"] == -2052
    assert result["parameters"]["seed"] == 3
    assert result["parameters"]["sweeps"] == 100
    assert 1 < len(result["solutions"]) <= 3


def test_further_solutions_are_listed(out: Output) -> None:
    assert main(["solve", SHIP_LOADING, "--solutions", "2", "--seed", "3"]) == 0
    assert re.match(r"-2052 at 0:", out.rows()["also"])


def test_a_rudy_file_has_its_cut(tmp_path: Path, out: Output) -> None:
    square = tmp_path / "square.txt"
    square.write_text("4 5\n1 2 1\n2 3 1\n3 4 1\n1 4 1\n1 3 -2\n")
    assert main(["solve", str(square), "--format", "rudy", "--seed", "3"]) == 0
    rows = out.rows()
    assert rows["cut"] == "4"


def test_a_gzipped_file_is_solved_too(tmp_path: Path, out: Output) -> None:
    packed = tmp_path / "problem.json.gz"
    packed.write_bytes(gzip.compress(Path(SHIP_LOADING).read_bytes()))
    assert main(["solve", str(packed), "--seed", "3"]) == 0
    assert out.rows()["cost"] == "-2052"


def test_a_long_configuration_is_abbreviated(tmp_path: Path, out: Output) -> None:
    ring = tmp_path / "ring.txt"
    ring.write_text("70 70\n" + "".join(f"{i + 1} {(i + 1) % 70 + 1} 1\n" for i in range(70)))
    assert main(["solve", str(ring), "--format", "rudy", "--seed", "3", "--sweeps", "200"]) == 0
    configuration = out.rows()["configuration"]
    assert configuration.endswith(" and 6 more (--json shows all)")
    assert len(re.findall(r"\b\d+:-?1\b", configuration)) == 64


def test_info_says_what_computes(monkeypatch: pytest.MonkeyPatch, out: Output) -> None:
    monkeypatch.setenv("GPUQIO_THREADS", "3")
    assert main(["info"]) == 0
    engine = cpu.CpuEngine()
    assert out.rows() == {
        "gpuqio": gpuqio.__version__,
        "engine": engine.name,
        "device": engine.device,
        "workers": "3",
        "why": "The CPU was asked for.",
    }


def test_an_engine_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, out: Output) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main(["solve", SHIP_LOADING, "--engine", "cuda"]) == 1
    assert "pip install 'gpuqio[cuda13]'" in out.complaint()
    assert main(["solve", SHIP_LOADING, "--engine", "gpu"]) == 2
    assert "engine must be 'auto', 'cpu', 'cuda'" in out.complaint()


def test_info_says_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch, out: Output) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setenv("GPUQIO_ENGINE", "auto")
    assert main(["info"]) == 0
    rows = out.rows()
    assert rows["engine"] == "cpu"
    assert rows["why"].startswith("No GPU can be used. CUDA needs CuPy")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"cost_function": {"version": "1.0", "type": "ising", "terms": [{"c": "one", "ids": [0]}]}}', r"terms\[0\]"),
        ('{"cost_function": ', r""),
        ("", r""),
    ],
)
def test_a_bad_file_is_refused_in_one_line(content: str, said: str, tmp_path: Path, out: Output) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content)
    assert main(["solve", str(file)]) == 2
    complaint = out.complaint()
    assert re.match(f"gpuqio: .+{said}", complaint)
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sweeps", "-1"], "sweeps"),
        (["--timeout", "-1"], "timeout"),
        (["--solutions", "0"], "number_of_solutions"),
        (["--solver", "sa", "--replicas", "3"], "--solver sa has no parameter replicas; it has .*sweeps, restarts"),
        (["--solver", "sbm", "--sweeps", "3"], "--solver sbm has no parameter sweeps; it has .*steps, loops"),
        (["-p", "sweps=3"], "--solver pt has no parameter sweps; it has .*sweeps"),
        (["-p", "spelling={}"], "--solver pt has no parameter spelling"),
        (["-p", "sweeps=many"], "sweeps must be a whole number; found sweeps='many'"),
        (["-p", "sweeps=1.5"], "sweeps must be a whole number; found sweeps=1.5"),
        (["-p", "sweeps=3", "--sweeps", "3"], "sweeps is given twice"),
        (["--solver", "sbm", "-p", "maxout=0"], "maxout"),
        (["--solver", "pr", "--timeout", "-1"], "timeout value must be non-negative; found timeout=-1"),
        (["--solver", "pticm", "-p", "goal=ALL"], "goal must be"),
        (["--solver", "pa", "-p", "beta={"], "beta must have a type"),
    ],
)
def test_a_bad_parameter_is_refused_in_one_line(arguments: list[str], said: str, out: Output) -> None:
    assert main(["solve", SHIP_LOADING, *arguments]) == 2
    assert re.fullmatch(f"gpuqio: .*{said}.*\n", out.complaint())


def test_a_missing_file_is_bad_input(tmp_path: Path, out: Output) -> None:
    missing = tmp_path / "none.json"
    assert main(["solve", str(missing)]) == 2
    assert out.complaint() == f"gpuqio: {missing}: No such file or directory\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["solve"],
        ["solve", "x", "--seed", "few"],
        ["solve", "x", "--solver", "z"],
        ["solve", "x", "-p", "sweeps"],
        ["solve", "x", "-p", "=3"],
    ],
)
def test_a_bad_command_line_is_bad_input(arguments: list[str], out: Output) -> None:
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert "usage: gpuqio" in out.complaint()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RuntimeError("the engine is broken"), 1, "gpuqio: The job failed. RuntimeError: the engine is broken\n"),
        (InvalidProblem("terms[3].c is too large."), 2, "gpuqio: terms[3].c is too large.\n"),
    ],
)
def test_a_job_that_fails_is_told_by_whose_fault(
    error: Exception, code: int, said: str, monkeypatch: pytest.MonkeyPatch, out: Output
) -> None:
    class Failing(cpu.CpuEngine):
        def start(self, work: Work) -> Any:
            raise error

    monkeypatch.setattr(cpu, "CpuEngine", Failing)
    assert main(["solve", SHIP_LOADING]) == code
    assert out.complaint() == said


def test_a_machine_that_cannot_is_told(monkeypatch: pytest.MonkeyPatch, out: Output) -> None:
    def unavailable() -> None:
        raise EngineUnavailable("The CPU engine's library is missing.")

    monkeypatch.setattr(cpu, "CpuEngine", unavailable)
    assert main(["solve", SHIP_LOADING]) == 1
    assert out.complaint() == "gpuqio: The CPU engine's library is missing.\n"


class Interrupted(cpu.CpuEngine):
    """Ctrl-C is pressed in the middle of the first slices, twice in each."""

    def advance(self, runs: Sequence[Any], seconds: float, stop: StopFlag) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        super().advance(runs, seconds, stop)
        os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_prints_the_best_so_far(monkeypatch: pytest.MonkeyPatch, out: Output) -> None:
    monkeypatch.setattr(cpu, "CpuEngine", Interrupted)
    assert main(["solve", SHIP_LOADING, "--sweeps", FOREVER, "--seed", "3"]) == 130
    rows = out.rows()
    assert rows["cost"] == "-2052"
    assert rows["stopped"].startswith("The job was cancelled")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_before_the_job_has_nothing_to_show(monkeypatch: pytest.MonkeyPatch, out: Output) -> None:
    def interrupted(path: str, form: str | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gpuqio.cli.read_problem", interrupted)
    assert main(["solve", SHIP_LOADING]) == 130
    assert out.complaint() == "gpuqio: interrupted, with nothing to show\n"


@pytest.mark.parametrize(("arguments", "shown"), [([], r"solving \d\d:\d\d"), (["--timeout", "90"], r"at most 90 s")])
def test_a_terminal_shows_progress(
    arguments: list[str], shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["solve", SHIP_LOADING, "--sweeps", "50", "--seed", "3", *arguments]) == 0
    assert re.search(shown, terminal.getvalue())
    assert "solving" not in capsys.readouterr().out


def run_info(output: int) -> tuple[int, str]:
    """Exit code and standard error of ``gpuqio info`` in a process that writes to `output`."""
    ran = subprocess.run(
        [sys.executable, "-m", "gpuqio", "info"], stdout=output, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(output)
    return ran.returncode, ran.stderr


def test_output_that_nobody_reads_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert run_info(writer) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_told() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    assert run_info(full) == (1, "gpuqio: The result can't be written: No space left on device.\n")
