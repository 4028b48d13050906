"""The storage of this machine: a folder of this process, made when something is first put there, gone with it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from gpuqio.backend import Storage
from gpuqio.storage import FolderStorage

__all__ = ["scratch_storage"]


def scratch_storage() -> Storage:
    """The storage that all local backends of this process share; a child process that was forked has its own."""
    return _storage_of(os.getpid())


@cache
def _storage_of(pid: int) -> FolderStorage:
    folder = Path(tempfile.mkdtemp(prefix="gpuqio-"))
    atexit.register(_remove, folder, pid)
    return FolderStorage(folder)


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a child inherits the parent's registrations, and must leave its folder alone
        shutil.rmtree(folder, ignore_errors=True)
