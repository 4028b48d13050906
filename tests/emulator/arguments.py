"""A launch's arguments, held against the parameters that the C++ compiler has seen.

CuPy passes what it is given: a Python int as 64 bits, a float64 array where the kernel reads floats. On a GPU that is
garbage, sometimes in another argument. Here it is a TypeError.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tests.emulator.memory import Buffer, Memory, Region


class Parameter(NamedTuple):
    kind: str  # a NumPy kind, or P for a pointer to `element`
    element: str
    constant: bool
    nbytes: int
    element_nbytes: int  # 0: not known, as of void

    def __str__(self) -> str:
        return (
            f"{'const ' * self.constant}{_type(self.element, self.element_nbytes)}*"
            if self.kind == "P"
            else (_type(self.kind, self.nbytes))
        )


class Arguments(NamedTuple):
    values: list[ctypes.Array[ctypes.c_char]]
    regions: list[Region]  # of the arrays among them


def convert(kernel: str, parameters: Sequence[Parameter], given: Sequence[Any], memory: Memory | None) -> Arguments:
    """Raises TypeError for what a parameter can't take, ValueError for an address that is nobody's."""
    if len(parameters) != len(given):
        raise TypeError(f"{kernel} takes {len(parameters)} arguments, not {len(given)}")
    values, regions = [], []
    for number, (parameter, value) in enumerate(zip(parameters, given, strict=True)):
        where = f"argument {number} of {kernel}"
        if parameter.kind == "P":
            address, region = _pointer(where, parameter, value, memory)
            raw = np.uintp(address).tobytes()
            regions += [region] if region else []
        else:
            raw = _scalar(where, parameter, value)
        values.append(ctypes.create_string_buffer(raw, max(len(raw), 16)))
    return Arguments(values, regions)


def merged(regions: Sequence[Region]) -> list[Region]:
    """Sorted and apart. Where two overlap they become one: an array given twice, or a view of device memory."""
    apart: list[Region] = []
    for region in sorted(regions):
        if apart and region.begin < apart[-1].end:
            last = apart[-1]
            apart[-1] = Region(last.begin, max(last.end, region.end), last.writable or region.writable)
        else:
            apart.append(region)
    return apart


def _pointer(where: str, parameter: Parameter, value: Any, memory: Memory | None) -> tuple[int, Region | None]:
    if isinstance(value, Buffer):
        return value.address, None
    if isinstance(value, np.uint64):
        address = int(value)
        if address and not (memory and memory.holds(address)):
            raise ValueError(f"{where} is the address {address:#x}, which is not in the launch's memory")
        return address, None
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{where} is a {type(value).__name__}; {parameter} takes an array, a Buffer or a uint64 address"
        )
    if not value.flags.c_contiguous:
        raise TypeError(f"{where} is not contiguous")
    if not _points_to(parameter, value):
        raise TypeError(f"{where} is an array of {value.dtype}; the kernel takes {parameter}")
    if not (parameter.constant or value.flags.writeable):
        raise TypeError(f"{where} is read-only; the kernel takes {parameter}")
    address = value.ctypes.data
    return address, Region(address, address + value.nbytes, not parameter.constant) if value.nbytes else None


def _points_to(parameter: Parameter, value: np.ndarray[Any, Any]) -> bool:
    if not value.dtype.isnative:
        return False
    if parameter.element_nbytes == 0:
        return True
    if parameter.element == "V":  # a struct: its bytes, or records of its size
        raw = value.dtype == np.uint8 and value.nbytes % parameter.element_nbytes == 0
        return raw or (value.dtype.kind == "V" and value.dtype.itemsize == parameter.element_nbytes)
    return (value.dtype.kind, value.dtype.itemsize) == (parameter.element, parameter.element_nbytes)


def _scalar(where: str, parameter: Parameter, value: Any) -> bytes:
    if not isinstance(value, np.generic):
        raise TypeError(f"{where} is a {type(value).__name__}; the kernel takes {parameter}, as a NumPy scalar")
    if (value.dtype.kind, value.dtype.itemsize) != (parameter.kind, parameter.nbytes):
        raise TypeError(f"{where} is a {value.dtype}; the kernel takes {parameter}")
    return value.tobytes()


def _type(kind: str, nbytes: int) -> str:
    return (
        f"struct of {nbytes} bytes"
        if kind == "V" and nbytes
        else "void"
        if kind == "V"
        else np.dtype(f"{kind}{nbytes}").name
    )
