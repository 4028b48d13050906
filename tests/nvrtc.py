"""Test equipment: the kernels compiled for GPUs that are not here, and what ptxas and nvdisasm say of them.

Neither NVRTC nor nvdisasm needs a driver; both come from PyPI. Built kernels are kept in the temporary folder, by the
hash of all that went into them.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpuqio.engines.kernels import OPTIONS, source

__all__ = ["ARCHITECTURES", "Instruction", "Kernel", "Nvrtc", "Resources", "compiled", "missing"]

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
"""RTX 20, A100, RTX 30, RTX 40, H100, B200, RTX 50."""

WHEELS = {"nvidia-cuda-nvrtc": "lib/libnvrtc.so.*", "nvidia-cuda-nvdisasm": "bin/nvdisasm"}

_RESOURCES = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers([^\n]*)",
    re.DOTALL,
)
_SECTION = re.compile(r"\s*\.text\.(\w+):")
_LABEL = re.compile(r"(\.L\w+):")
_INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]+\*/\s+(@!?U?P\w+\s+)?([A-Z][\w.]*)\s*([^;]*);")
_TARGET = re.compile(r"`\((\.L\w+)\)")


@dataclass(frozen=True, slots=True)
class Resources:
    """A thread's registers; its stack and what was spilt to it, in bytes; a block's static shared memory, in bytes."""

    registers: int
    stack: int
    spill: int
    shared: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """One machine instruction: `opcode` with its modifiers (``LD.E.S8``), and the label it may jump to."""

    opcode: str
    operands: str
    predicated: bool
    target: str | None

    @property
    def name(self) -> str:
        return self.opcode.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Kernel:
    """One entry. `labels`: before which instruction each stands."""

    resources: Resources
    instructions: list[Instruction]
    labels: dict[str, int]


def missing() -> str:
    """Which wheel is not here, as a sentence; empty where both are."""
    for wheel in WHEELS:
        if _tool(wheel) is None:
            return f"{wheel} is not installed: pip install 'gpuqio[dev]' has it"
    return ""


def compiled(architecture: int, text: str | None = None) -> dict[str, Kernel]:
    """Every kernel of `text` (default: the engine's), built for ``sm_<architecture>`` with the engine's options."""
    text = source() if text is None else text
    options = [*OPTIONS, "-ftz=true", f"-arch=sm_{architecture}", "--ptxas-options=-v"]
    versions = [importlib.metadata.version(wheel) for wheel in WHEELS]
    name = hashlib.sha256("\0".join([text, *options, *versions]).encode()).hexdigest()
    folder = Path(tempfile.gettempdir(), "gpuqio-kernels")
    folder.mkdir(exist_ok=True)
    said, listing = folder / f"{name}.log", folder / f"{name}.sass"
    if not listing.exists():
        cubin, log = _build(text, options)
        said.write_text(log)
        partial = Path(tempfile.mkstemp(dir=folder)[1])
        partial.write_bytes(cubin)
        command = [str(_tool("nvidia-cuda-nvdisasm")), "-c", str(partial)]
        partial.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
        partial.replace(listing)
    return _read(said.read_text(), listing.read_text())


def _tool(wheel: str) -> Path | None:
    """The file of `wheel` that matters, where it is installed."""
    try:
        spec = importlib.util.find_spec("nvidia.cu13")
    except ModuleNotFoundError:
        return None
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    return next((path for place in places for path in Path(place).glob(WHEELS[wheel])), None)


class Nvrtc:
    """What the engine calls of `cupy.cuda.nvrtc`, and a cubin; in `log` is what the compiler said last."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(_tool("nvidia-cuda-nvrtc")))
        self.log = ""

    def getSupportedArchs(self) -> tuple[int, ...]:
        count = ctypes.c_int()
        self._library.nvrtcGetNumSupportedArchs(ctypes.byref(count))
        found = (ctypes.c_int * count.value)()
        self._library.nvrtcGetSupportedArchs(found)
        return tuple(found)

    def createProgram(self, code: str, name: str, headers: tuple[()], include_names: tuple[()]) -> int:
        program = ctypes.c_void_p()
        self._library.nvrtcCreateProgram(ctypes.byref(program), code.encode(), name.encode(), 0, None, None)
        assert program.value is not None
        return program.value

    def compileProgram(self, program: int, options: Sequence[str]) -> None:
        """Raises RuntimeError with the log where it does not compile."""
        words = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        failed = self._library.nvrtcCompileProgram(ctypes.c_void_p(program), len(options), words)
        self.log = self._fetch("ProgramLog", program).decode().rstrip("\0")
        if failed:
            raise RuntimeError(f"The kernels do not compile with {' '.join(options)}:\n{self.log}")

    def getPTX(self, program: int) -> bytes:
        return self._fetch("PTX", program).rstrip(b"\0")

    def getCUBIN(self, program: int) -> bytes:
        return self._fetch("CUBIN", program)

    def destroyProgram(self, program: int) -> None:
        self._library.nvrtcDestroyProgram(ctypes.byref(ctypes.c_void_p(program)))

    def _fetch(self, what: str, program: int) -> bytes:
        size = ctypes.c_size_t()
        getattr(self._library, f"nvrtcGet{what}Size")(ctypes.c_void_p(program), ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(self._library, f"nvrtcGet{what}")(ctypes.c_void_p(program), buffer)
        return buffer.raw


def _build(text: str, options: list[str]) -> tuple[bytes, str]:
    """The cubin of `text` and the compiler's log. Raises RuntimeError with the log where it does not compile."""
    nvrtc = Nvrtc()
    program = nvrtc.createProgram(text, "kernels.cu", (), ())
    try:
        nvrtc.compileProgram(program, options)
        return nvrtc.getCUBIN(program), nvrtc.log
    finally:
        nvrtc.destroyProgram(program)


def _read(log: str, listing: str) -> dict[str, Kernel]:
    kernels = {}
    for name, stack, stores, loads, registers, rest in _RESOURCES.findall(log):
        shared = re.search(r"(\d+) bytes smem", rest)
        spill = int(stores) + int(loads)
        resources = Resources(int(registers), int(stack), spill, int(shared[1]) if shared else 0)
        kernels[name] = Kernel(resources, [], {})
    current: Kernel | None = None
    for line in listing.splitlines():
        if found := _INSTRUCTION.match(line):
            assert current is not None
            target = _TARGET.search(found[3])
            predicated = found[1] is not None or found[2].startswith("BRA.U")
            current.instructions.append(Instruction(found[2], found[3], predicated, target[1] if target else None))
        elif found := _SECTION.match(line):
            current = kernels[found[1]]
        elif current is not None and (found := _LABEL.match(line)):
            current.labels[found[1]] = len(current.instructions)
    return kernels
