"""What the kernels may cost: the committed figures, and how new ones are made.

    python -m tests.kernel_budget --update

measures all kernels for all architectures and writes kernel_budget.json; do so when a change is meant to cost what it
costs, and say why in the commit. Without `--update` it prints what differs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from gpuqio.engines.kernels import THREADS
from tests.kernel_costs import occupancy, unit_costs
from tests.nvrtc import ARCHITECTURES, Kernel, compiled, missing
from tests.sass import Flow, is_call

__all__ = ["COMMAND", "Figures", "budget", "differences", "faults", "survey"]

PATH = Path(__file__).with_suffix(".json")
COMMAND = "python -m tests.kernel_budget --update"
FORBIDDEN = {
    "LDL": "local memory",
    "STL": "local memory",
    "MUFU": "an approximate function: a division by a variable, or an exp, log or root",
    "FFMA": "a fused multiply-add, whose bits no CPU build has",
    "CALL": "a call: a library function or a division that was not inlined",
}
DOUBLE = ("DADD", "DFMA", "DMUL", "DMNMX", "DSETP", "DMMA")

Figures = dict[str, dict[str, dict[str, int]]]
"""Architecture, kernel, figure."""


def survey() -> tuple[Figures, list[str]]:
    """The figures of all kernels, and all faults. Architectures are compiled side by side."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(ARCHITECTURES)), mp_context=spawn) as pool:
        measured = dict(zip(ARCHITECTURES, pool.map(_measure, ARCHITECTURES), strict=True))
    figures = {f"sm_{architecture}": kernels for architecture, (kernels, _) in measured.items()}
    return figures, [fault for _, found in measured.values() for fault in found]


def _measure(architecture: int) -> tuple[dict[str, dict[str, int]], list[str]]:
    kernels = compiled(architecture)
    figures = {name: _figures(architecture, name, kernel) for name, kernel in sorted(kernels.items())}
    return figures, [f"sm_{architecture} {name}: {fault}" for name, k in kernels.items() for fault in faults(k)]


def _figures(architecture: int, name: str, kernel: Kernel) -> dict[str, int]:
    r = kernel.resources
    return {
        "registers": r.registers,
        "shared": r.shared,
        "warps": occupancy(architecture, THREADS, r.registers, r.shared),
        "instructions": sum(instruction.name != "NOP" for instruction in kernel.instructions),
        **unit_costs(name, kernel),
    }


def faults(kernel: Kernel) -> list[str]:
    """What no kernel may have, whatever the budget says."""
    found = []
    if kernel.resources.stack:
        found.append(f"a stack of {kernel.resources.stack} bytes: an array indexed at run time, or too many registers")
    if kernel.resources.spill:
        found.append(f"{kernel.resources.spill} bytes of registers spilt")
    # Up to Ampere a warp whose lanes have diverged calls a helper, so a call counts where a converged warp meets it.
    names = {i.name for i in kernel.instructions if i.name != "CALL"}
    names |= {i.name for i in Flow(kernel).reachable if is_call(i)}
    found += [f"{name} ({meaning})" for name, meaning in FORBIDDEN.items() if name in names]
    double = sorted({i.opcode for i in kernel.instructions if i.name in DOUBLE or "F64" in i.opcode})
    return found + [f"{opcode} (double precision)" for opcode in double]


def budget() -> Figures:
    """The committed figures."""
    figures: Figures = json.loads(PATH.read_text())
    return figures


def differences(allowed: Figures, measured: Figures) -> list[str]:
    """One sentence a figure that is not the allowed one; those of growth, or of warps lost, first."""
    grown: list[str] = []
    shrunk: list[str] = []
    for architecture in sorted(allowed.keys() | measured.keys()):
        old, new = allowed.get(architecture, {}), measured.get(architecture, {})
        for kernel in sorted(old.keys() | new.keys()):
            before, after = old.get(kernel, {}), new.get(kernel, {})
            for figure in sorted(before.keys() | after.keys()):
                a, b = before.get(figure), after.get(figure)
                if a == b:
                    continue
                worse = a is None or b is None or (b < a if figure == "warps" else b > a)
                place = grown if worse else shrunk
                place.append(f"{architecture} {kernel}: {figure} {a} -> {b}{'' if worse else ' (better)'}")
    return grown + shrunk


def _spelt(figures: Figures) -> str:
    """JSON with a line a kernel, so that a change shows."""
    blocks = []
    for architecture, kernels in figures.items():
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in kernels.items())
        blocks.append(f" {json.dumps(architecture)}: {{\n{lines}\n }}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the figures to kernel_budget.json")
    update = parser.parse_args().update
    if reason := missing():
        parser.error(reason)
    figures, found = survey()
    for line in (*found, *differences(budget() if PATH.exists() else {}, figures)):
        print(line)
    if update and not found:
        PATH.write_text(_spelt(figures))
        print("written to", PATH)


if __name__ == "__main__":
    main()
