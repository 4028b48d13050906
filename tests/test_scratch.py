"""The local storage: a folder that goes when its process does, and not when a child of it does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpuqio.scheduler.scratch import scratch_storage


def test_all_local_backends_share_one_storage() -> None:
    assert scratch_storage() is scratch_storage()


@pytest.mark.slow  # another interpreter
@pytest.mark.parametrize("forks", [False, True])
def test_the_folder_is_there_until_its_process_ends(forks: bool) -> None:
    program = (
        "import os, sys, trio\n"
        "from gpuqio.backend import Blob\n"
        "from gpuqio.scheduler.scratch import scratch_storage\n"
        "async def main():\n"
        "    storage = scratch_storage()\n"
        "    await storage.upload(await storage.container('abc'), 'x', Blob(b'1'))\n"
        "trio.run(main)\n"
        "root = scratch_storage().files.root\n"
        "if sys.argv[1] == 'True':\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        sys.exit()\n"
        "    os.waitpid(child, 0)\n"
        "print(root, root.exists())\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(forks)], capture_output=True, text=True, check=True)
    folder, there = done.stdout.split()
    assert there == "True"
    assert not Path(folder).exists()
    assert os.path.basename(folder).startswith("gpuqio-")
