"""Compiles the CPU engine for the wheel, one library per instruction set, all from one C++ file; adds the GPU sources.

The C++ is freestanding and its interface is C, so any compiler will do and one wheel serves every Python. It is the
system's ($CXX, c++, g++ or clang++); where there is none, pip fetches PyPI's `ziglang` for the time of the build.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNELS = Path("cuda")
SOURCE = KERNELS / "cpu" / "engine.cpp"
ENGINES = Path("gpuqio", "engines")

# machine -> library name -> architecture. The engine loads the last one that the processor can run.
ARCHITECTURES = {
    "x86_64": {"base": "x86-64", "v3": "x86-64-v3", "v4": "x86-64-v4"},
    "aarch64": {"base": "armv8-a"},
}

FLAGS = [
    "-std=c++17",
    "-O3",
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
    "-ffp-contract=off",  # a multiply-add fused by chance would give other bits than the next compiler's
    "-fno-math-errno",
    "-Wl,--as-needed",  # g++ would tie the library to libstdc++, of which it uses nothing
]


class CpuLibraries(BuildHookInterface[BuilderConfig]):
    def dependencies(self) -> list[str]:
        return [] if system_compiler() else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        machine = platform.machine()
        if sys.platform != "linux" or machine not in ARCHITECTURES:
            raise RuntimeError(
                f"gpuqio's CPU engine is built on Linux for {' and '.join(ARCHITECTURES)};"
                f" this is {sys.platform} on {machine}."
            )
        compiler = system_compiler()
        root = Path(self.root)
        # An editable install keeps what is newer than its sources. A wheel is always compiled afresh: a library that
        # lies here may be another compiler's, and the wheel's tag says which systems it runs on.
        build(root, machine, compiler, keep_new=version == "editable")
        build_data["artifacts"] += [f"/{ENGINES / library(name)}" for name in ARCHITECTURES[machine]]
        if version != "editable":  # the GPU's are compiled where they run; a checkout has them beside the package
            build_data["force_include"][str(root / KERNELS)] = "gpuqio/_cuda"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag(machine, compiler)}"


def system_compiler() -> list[str]:
    """The command of the compiler at hand; empty where there is none."""
    if named := os.environ.get("CXX"):
        return shlex.split(named)
    return next(([name] for name in ("c++", "g++", "clang++") if shutil.which(name)), [])


def library(name: str) -> str:
    return f"_cpu_{name}.so"


def platform_tag(machine: str, compiler: list[str]) -> str:
    """A system compiler links against this system's glibc; zig against the one of manylinux2014."""
    return sysconfig.get_platform().replace("-", "_").replace(".", "_") if compiler else f"manylinux2014_{machine}"


def command(machine: str, name: str, compiler: list[str]) -> list[str]:
    """The compiler's command line up to, not including, the source and the output."""
    architecture = ARCHITECTURES[machine][name]
    if compiler:
        return [*compiler, f"-march={architecture}", *FLAGS]
    zig = [sys.executable, "-m", "ziglang", "cc", "-x", "c++", "-target", f"{machine}-linux-gnu.2.17"]
    # zig spells the x86-64 levels as processors; armv8-a is what its aarch64 target means already.
    return [*zig, *([f"-mcpu={architecture.replace('-', '_')}"] if machine == "x86_64" else []), *FLAGS]


def build(root: Path, machine: str, compiler: list[str], *, keep_new: bool) -> None:
    """Compile the libraries of `machine` in place, side by side. Raises RuntimeError with the compiler's words."""
    sources = [root / "hatch_build.py", *(path for path in (root / KERNELS).rglob("*") if path.is_file())]
    newest = max(path.stat().st_mtime for path in sources)
    running = []
    for name in ARCHITECTURES[machine]:
        output = root / ENGINES / library(name)
        if keep_new and output.exists() and output.stat().st_mtime > newest:
            continue
        # Under another name first: a process that has the old library mapped keeps it.
        partial = output.with_suffix(f".{os.getpid()}.tmp")
        words = [*command(machine, name, compiler), str(root / SOURCE), "-o", str(partial), "-lm"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append((process, words, partial, output))
    failures = []
    for process, words, partial, output in running:
        said, _ = process.communicate()
        if process.returncode:
            partial.unlink(missing_ok=True)
            failures.append(f"{shlex.join(words)}\n{said}")
        else:
            partial.replace(output)
    if failures:
        raise RuntimeError(
            "gpuqio's CPU engine did not compile. It needs g++ 11, clang 12 or newer; set CXX to choose another"
            " compiler, or take all compilers off PATH to let pip fetch one (ziglang).\n" + "\n".join(failures)
        )
