"""From CUDA source to a library: compiled by g++ once, kept in a folder by the hash of all that went into it.

The folder is `GPUQIO_EMULATOR_CACHE`, or one of this user's under the system's temporary one.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.emulator.errors import KernelError
from tests.emulator.source import MARK_BOUNDS, Entry, kernels, rewritten

RUNTIME = Path(__file__).parent / "runtime"
_HEAD = '#line 1 "kernel.cu"\n'

# How a kernel is compiled. The runtime is the same for all modes: it has the functions that each of them calls.
MODES = {
    "fast": ["-O2"],
    "race": ["-O1", "-fsanitize=thread", "--param=tsan-distinguish-volatile=1"],
    "asan": [
        "-O1",
        "-fsanitize=address",
        "--param=asan-instrumentation-with-call-threshold=0",
        "--param=asan-use-after-return=0",
    ],
    "ubsan": ["-O1", "-fsanitize=undefined,float-cast-overflow", "-fno-sanitize=vptr,return"],
}
_COMMON = [
    "-std=c++17",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-gnu-unique",  # else two libraries would share a template's shared arrays
    "-Wall",
]
_KERNEL = [
    "-g",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-fno-tree-loop-distribute-patterns",  # a loop turned into memset would escape the checks
    "-Wno-unknown-pragmas",
    "-Wno-unused",
    "-Wno-psabi",
]
# What NVRTC is told that matters here too; the rest (architecture, -fmad=false, ...) is left out.
_KNOWN_OPTIONS = ("-D", "-U", "-I", "-std=")

# As language.hpp defines them, for the preprocessor by itself.
_PREDEFINED = ["-D__CUDACC__=1", "-D__CUDACC_RTC__=1", "-D__CUDA_ARCH__=800", "-DCUDA_EMULATOR=1"]


def compiler() -> str:
    found = shutil.which("g++")
    if found is None:
        raise KernelError("the emulator needs g++: it builds on that compiler's sanitizers")
    return found


def cache() -> Path:
    """The folder of built libraries, made if need be. Code is loaded from it, so it must be this user's own."""
    named = os.environ.get("GPUQIO_EMULATOR_CACHE")
    folder = Path(named) if named else Path(tempfile.gettempdir(), f"gpuqio-emulator-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise KernelError(f"{folder} belongs to another user; set GPUQIO_EMULATOR_CACHE to a folder of your own")
    return folder


def build(code: str, options: Sequence[str], names: Sequence[str], mode: str) -> Path:
    """The library of this source in this mode, with a table of its `extern "C"` kernels and of those that are named."""
    options = [option for option in options if option.startswith(_KNOWN_OPTIONS)]
    flags = [*_COMMON, *_KERNEL, *MODES[mode], *options]
    runtime = _runtime()
    # The preprocessor's output has all that is included, so a change of a header is a change of the hash.
    preprocessed = _run([compiler(), "-E", "-x", "c++", *_PREDEFINED, *options, MARK_BOUNDS, "-"], _HEAD + code)
    how = [Path(__file__).with_name(name).read_text() for name in ("build.py", "source.py")]

    def compile_to(target: Path) -> None:
        source, obj = target.with_name("kernel.cu"), target.with_suffix(".o")
        source.write_text(_HEAD + rewritten(code) + _table(kernels(preprocessed), names))
        header = ["-include", str(RUNTIME / "language.hpp"), "-x", "c++"]
        _run([compiler(), *flags, *header, "-c", str(source), "-o", str(obj)])
        _run([compiler(), "-shared", str(obj), str(runtime), "-o", str(target)])

    return _kept(f"{_hash(code, preprocessed, *flags, *names, str(runtime), *how)}.so", compile_to)


def shared_arrays(library: Path) -> list[tuple[int, int]]:
    """The offsets in the library at which its `__shared__` arrays begin and end.

    In CUDA a variable inside a function is static only if it is shared or constant, and constants are not writable.
    """
    listed = _run(["nm", "--print-size", str(library)])
    found = []
    for line in listed.splitlines():
        match line.split():
            case [address, size, "b" | "B" | "d" | "D" | "u" | "V" | "v", name] if _is_static_of_kernel(name):
                found.append((int(address, 16), int(address, 16) + int(size, 16)))
    return sorted(found)


def resolve(library: Path, places: Sequence[str]) -> dict[str, str]:
    """The source lines of places in the code; an inlined one is followed by those it was inlined into."""
    if not places:
        return {}
    printed = _run(["addr2line", "-a", "-i", "-s", "-e", str(library), *places])
    lines: dict[str, list[str]] = {}
    for line in printed.splitlines():
        if line.startswith("0x"):
            chain = lines.setdefault(f"{int(line, 16):x}", [])
        else:
            chain.append(line.split(" (")[0])
    return {place: " in ".join(chain) for place, chain in lines.items()}


def _table(entries: Sequence[Entry], names: Sequence[str]) -> str:
    rows = [f'    EMULATOR_KERNEL("{entry.name}", {entry.most_threads}, {entry.expression}),' for entry in entries]
    rows += [f'    EMULATOR_KERNEL("{name}", emulator::MOST_THREADS, {name}),' for name in names]
    declared = 'extern "C" __attribute__((visibility("default"))) const emulator::Kernel emulator_kernels[] = {'
    return "\n".join(["", '#line 1 "the table of kernels"', declared, *rows, "    {}};", ""])


@functools.cache
def _runtime() -> Path:
    sources = sorted(RUNTIME.glob("*.cpp"))
    flags = [*_COMMON, "-O2"]
    key = _hash(*(path.name + path.read_text() for path in sorted(RUNTIME.glob("*.?pp"))), *flags, compiler())

    def compile_to(target: Path) -> None:
        objects = [target.with_name(f"{path.stem}.o") for path in sources]
        commands = [[compiler(), *flags, "-c", str(a), "-o", str(b)] for a, b in zip(sources, objects, strict=True)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, commands))
        _run([compiler(), "-r", *map(str, objects), "-o", str(target)])

    return _kept(f"runtime-{key}.o", compile_to)


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """The file of this name, made if it is not there: under another name first, so that nobody meets half of it."""
    path = cache() / name
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            partial = Path(folder, name)
            make(partial)
            partial.replace(path)
    return path


def _is_static_of_kernel(name: str) -> bool:
    """Not of the runtime, nor of the standard library within it."""
    return name.startswith("_ZZ") and "8emulator" not in name and not name.startswith(("_ZZNS", "_ZZNKS", "_ZZS"))


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]


def _run(command: list[str], text: str | None = None) -> str:
    spoken = {**os.environ, "LC_ALL": "C"}  # tests read what the compiler says
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=spoken)
    if done.returncode:
        raise KernelError(f"{command[0]} says:\n{done.stderr}")
    return done.stdout
