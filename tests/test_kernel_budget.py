"""The compile gate: every kernel for every architecture, without a GPU, against the committed budget."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpuqio.engines import kernels
from tests import nvrtc
from tests.kernel_budget import COMMAND, Figures, budget, differences, faults, survey
from tests.kernel_costs import occupancy
from tests.sass import Flow

needs_compiler = pytest.mark.skipif(bool(nvrtc.missing()), reason=nvrtc.missing())


@pytest.fixture(scope="module")
def measured() -> tuple[Figures, list[str]]:
    return survey()


@needs_compiler
@pytest.mark.slow
def test_no_kernel_spills_calls_divides_or_fuses(measured: tuple[Figures, list[str]]) -> None:
    assert measured[1] == []


@needs_compiler
@pytest.mark.slow
def test_every_kernel_costs_what_the_budget_says(measured: tuple[Figures, list[str]]) -> None:
    found = differences(budget(), measured[0])
    assert not found, "\n".join(["", *found, f"If that is meant: {COMMAND}"])


PLANTED = {
    "MUFU": "int* p, int n { p[0] = p[1] / n; }",
    "FFMA": "float* p, int n { p[0] = __fmaf_rn(p[1], p[2], p[3]); }",
    "double precision": "double* p, int n { p[0] = p[1] + p[2]; }",
    "a stack": "int* p, int n { int a[64]; for (int i = 0; i < n; ++i) a[p[i] & 63] ^= p[n + i]; p[0] = a[n & 63]; }",
    "CALL": "unsigned long long* p, int n { p[0] = p[1] / p[2]; }",
}


@needs_compiler
@pytest.mark.parametrize("architecture", [75, 90])
@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, architecture: int) -> None:
    arguments, body = PLANTED[fault].split(" {", 1)
    text = f'extern "C" __global__ void planted({arguments}) {{{body}'
    assert any(fault in found for found in faults(nvrtc.compiled(architecture, text)["planted"]))


@needs_compiler
def test_a_kernel_that_does_not_compile_says_why() -> None:
    with pytest.raises(RuntimeError, match=r'identifier "oops" is undefined'):
        nvrtc.compiled(90, 'extern "C" __global__ void k(int* p) { p[0] = oops; }')


class Loaded:
    """A `cupy.RawModule` of a file: the driver would read it here."""

    def __init__(self, path: str) -> None:
        self._path = path

    def compile(self) -> None:
        self.text = Path(self._path).read_text()


@needs_compiler
@pytest.mark.slow
def test_a_gpu_newer_than_the_compiler_gets_ptx_of_its_newest() -> None:
    compiler = nvrtc.Nvrtc()
    newest = max(compiler.getSupportedArchs())
    cupy = SimpleNamespace(cuda=SimpleNamespace(nvrtc=compiler), RawModule=Loaded)
    text = kernels._compile(cupy, str(newest + 1)).text
    assert re.findall(r"^\.target (\w+)$", text, re.MULTILINE) == [f"sm_{newest}"]
    entries = re.findall(r"^\.visible \.entry (\w+)\(", text, re.MULTILINE)
    assert sorted(entries) == sorted(budget()["sm_90"])
    assert re.search(r"mul\S*\.ftz\.f32", text)
    assert "fma." not in text


@pytest.mark.parametrize(
    ("architecture", "threads", "registers", "shared", "warps"),
    [  # worked out by hand from the tables of the CUDA C++ Programming Guide
        (75, 128, 64, 16, 32),
        (80, 128, 64, 16, 32),
        (80, 128, 32, 0, 64),
        (86, 128, 40, 0, 48),
        (90, 128, 128, 16, 16),
        (90, 256, 65, 0, 24),
        (86, 128, 64, 65552, 4),
        (90, 128, 64, 65552, 12),
        (75, 1024, 64, 0, 32),
    ],
)
def test_occupancy(architecture: int, threads: int, registers: int, shared: int, warps: int) -> None:
    assert occupancy(architecture, threads, registers, shared) == warps


def test_growth_comes_first_and_a_gain_is_told_too() -> None:
    old: Figures = {"sm_90": {"a": {"flip": 30, "registers": 60, "warps": 16}, "b": {"flip": 5}}}
    new: Figures = {"sm_90": {"a": {"flip": 29, "registers": 61, "warps": 12}, "c": {"flip": 5}}}
    assert differences(old, old) == []
    assert differences(old, new) == [
        "sm_90 a: registers 60 -> 61",
        "sm_90 a: warps 16 -> 12",
        "sm_90 b: flip 5 -> None",
        "sm_90 c: flip None -> 5",
        "sm_90 a: flip 30 -> 29 (better)",
    ]


def assembled(*lines: str) -> nvrtc.Kernel:
    """A kernel of lines such as ``a:``, ``LD``, ``@BRA a`` (where a condition holds) and ``EXIT``."""
    kernel = nvrtc.Kernel(nvrtc.Resources(1, 0, 0, 0), [], {})
    for line in lines:
        if line.endswith(":"):
            kernel.labels[line[:-1]] = len(kernel.instructions)
        else:
            opcode, _, target = line.removeprefix("@").partition(" ")
            kernel.instructions.append(nvrtc.Instruction(opcode, target, line.startswith("@"), target or None))
    return kernel


def test_a_turn_takes_the_shortest_way_that_does_the_work() -> None:
    flow = Flow(assembled("a:", "@BRA c", "b:", "LD", "@BRA b", "c:", "MOV", "MOV", "@BRA a", "EXIT"))
    inner, outer = flow.loops
    assert inner.body < outer.body

    def names(wanted: int) -> list[str]:
        counted = flow.turn(outer, 0, lambda n, i: min(n + (i.name == "LD"), wanted), lambda n: n == wanted)
        return [instruction.name for instruction in counted]

    assert names(0) == ["BRA", "MOV", "MOV", "BRA"]
    assert names(2) == ["BRA", "LD", "BRA", "LD", "BRA", "MOV", "MOV", "BRA"]
    assert flow.turn(outer, 0, lambda _, i: None if i.name == "MOV" else 0, lambda _: True) == []


def test_a_diverged_warps_way_round_is_not_counted() -> None:
    kernel = assembled("a:", "BRA.DIV c", "BRA.CONV b", "CALL", "b:", "VOTE", "@BRA a", "EXIT", "c:", "MUFU", "BRA b")
    assert [i.opcode for i in Flow(kernel).reachable] == ["BRA.DIV", "BRA.CONV", "VOTE", "BRA", "EXIT"]
