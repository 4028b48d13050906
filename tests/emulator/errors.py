"""The one error of the emulator's own. Wrong arguments are a TypeError or a ValueError."""

from __future__ import annotations


class KernelError(RuntimeError):
    """A kernel that does not compile, can't be launched so, or does what it must not; the text names source lines."""
