"""README keeps its word: its programs run and print what it says, its commands work, its links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from gpuqio.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PROGRAMS = [
    pytest.param(text, output, id=f"program {index}")
    for index, ((kind, text), (_, output)) in enumerate(pairwise(BLOCKS))
    if kind == "python"
]
COMMANDS = [
    line.rpartition("&& ")[2]
    for kind, text in BLOCKS
    if kind == "sh"
    for line in text.splitlines()
    if "gpuqio " in line
]
SERVING = [command for command in COMMANDS if command.startswith("gpuqio serve")]
COMMANDS = [command for command in COMMANDS if command not in SERVING]


def test_each_program_is_followed_by_its_output() -> None:
    kinds = [kind for kind, _ in BLOCKS]
    assert kinds.count("python") == kinds.count("text") == len(PROGRAMS)
    assert all(after == "text" for before, after in pairwise(kinds) if before == "python")


def test_the_first_screen_has_a_program_of_ten_lines() -> None:
    assert README.index("```text") < README.index("**not**") < README.index("## Install")
    assert README[: README.index("## Install")].count("\n") < 40


@pytest.mark.parametrize(("program", "output"), PROGRAMS)
def test_a_program_prints_what_readme_says(program: str, output: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    assert printed.getvalue() == output


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    name, *arguments = shlex.split(command)
    assert name == "gpuqio"
    assert main(arguments) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("command", SERVING)
def test_a_command_that_would_go_on_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests/test_server_process.py` runs it."""
    monkeypatch.setattr("gpuqio.cli._serve", lambda options: 0 if isinstance(options.data, Path) else 1)
    assert main(shlex.split(command)[1:]) == 0


def test_the_commands_are_the_ones_that_ci_runs() -> None:
    assert "pip install -e '.[test]' && pytest\n" in README
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).exists()
