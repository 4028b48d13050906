"""What is done to CUDA source before g++ sees it: two declarations are rewritten, and its kernels are listed."""

from __future__ import annotations

import re
from typing import NamedTuple

# `extern __shared__ T name[]`: C++ has no array whose size the caller brings.
_DYNAMIC = re.compile(
    r"extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\([^)]*\)\s*)?(\w[\w:<>\s]*?)\s+(\w+)\s*\[\s*\]"
)
# A kernel is static here, which excludes extern "C". It is found by its name all the same.
_EXTERN_C = re.compile(r'extern\s+"C"\s+(?=(?:__launch_bounds__\s*\([^;{}]*?\)\s*)?__global__\b)')

# Given to the preprocessor alone, so that the bounds can be told from the parentheses around them.
MARK_BOUNDS = "-D__launch_bounds__(N, ...)=@N@"
_KERNEL = re.compile(r"(?:@([^@]*)@\s*)?\b__global__\s+(?:\w+\s+)*?void\s+(?:@([^@]*)@\s*)?(\w+)\s*\(")
_AFTER_TEMPLATE = re.compile(r"\btemplate\s*<[^;{}]*\Z")


class Entry(NamedTuple):
    name: str
    most_threads: str  # a C++ expression


def rewritten(code: str) -> str:
    """The source as C++; no line moves."""
    return _EXTERN_C.sub("", _DYNAMIC.sub(r"EMULATOR_DYNAMIC_SHARED(\1, \2)", code))


def kernels(preprocessed: str) -> list[Entry]:
    """The kernels that are no templates, in the order of the source."""
    text = re.sub(r"^#.*$", "", preprocessed, flags=re.MULTILINE)
    found = {
        match[3]: Entry(match[3], match[1] or match[2] or "1024")
        for match in _KERNEL.finditer(text)
        if not _AFTER_TEMPLATE.search(text, 0, match.start())
    }
    return list(found.values())
