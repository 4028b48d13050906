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

_DIRECTIVE = re.compile(r"^#.*$", re.MULTILINE)
_SCOPE = re.compile(r'\bnamespace\s+([\w:]+)\s*\{|(extern\s+"C")\s*\{|(\{)|(\})')
_KERNEL = re.compile(
    r'(extern\s+"C"\s+)?(?:@([^@]*)@\s*)?\b__global__\s+(?:\w+\s+)*?void\s+(?:@([^@]*)@\s*)?(\w+)\s*\('
)


class Entry(NamedTuple):
    name: str
    expression: str  # the name with its namespaces
    most_threads: str  # a C++ expression


def rewritten(code: str) -> str:
    """The source as C++; no line moves."""
    return _EXTERN_C.sub("", _DYNAMIC.sub(r"EMULATOR_DYNAMIC_SHARED(\1, \2)", code))


def kernels(preprocessed: str) -> list[Entry]:
    """The `extern "C"` kernels: those that can be asked for by their bare names."""
    text = _DIRECTIVE.sub("", preprocessed)
    found = []
    for match in _KERNEL.finditer(text):
        scopes = _scopes(text, match.start())
        if match[1] or 'extern "C"' in scopes:
            namespaces = [scope for scope in scopes if scope not in ("{", 'extern "C"')]
            found.append(Entry(match[4], "::".join([*namespaces, match[4]]), match[2] or match[3] or "1024"))
    return found


def _scopes(text: str, end: int) -> list[str]:
    """What is open at a place in the source, outermost first."""
    scopes: list[str] = []
    for match in _SCOPE.finditer(text, 0, end):
        if match[4]:
            scopes.pop()
        else:
            scopes.append(match[1] or ('extern "C"' if match[2] else "{"))
    return scopes
