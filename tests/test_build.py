"""The build hook, through the interface that pip uses, with a compiler that only notes how it was called."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import zipfile
from pathlib import Path

import hatchling.build
import pytest

import gpuqio
import hatch_build
from gpuqio.engines import kernels

ROOT = Path(__file__).parents[1]
MACHINE = platform.machine()
LIBRARIES = {f"gpuqio/engines/_cpu_{name}.so" for name in hatch_build.ARCHITECTURES[MACHINE]}

COMPILER = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
while [ "$1" != -o ]; do shift; done
echo "made by $0" > "$2"
"""
BROKEN = """#!/bin/sh
echo "engine.cpp:1: no such level: x86-64-v3"
exit 1
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of that shape, with as little in it as builds."""
    root = tmp_path / "project"
    (root / "gpuqio" / "engines").mkdir(parents=True)
    (root / "gpuqio" / "__init__.py").touch()
    (root / "cuda" / "cpu").mkdir(parents=True)
    (root / hatch_build.SOURCE).touch()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, root)
    monkeypatch.chdir(root)
    return root


def install_compiler(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder / name


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_a_wheel_has_one_library_for_each_instruction_set(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", f"{install_compiler(tmp_path / 'bin', 'c++', COMPILER)} --fast")
    wheel = hatchling.build.build_wheel(str(tmp_path))
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        assert {name for name in archive.namelist() if name.endswith(".so")} == LIBRARIES
    assert wheel.startswith(f"gpuqio-{gpuqio.__version__}-py3-none-linux_")
    commands = calls(tmp_path / "bin")
    assert len(commands) == len(LIBRARIES)
    for command, level in zip(sorted(commands), sorted(hatch_build.ARCHITECTURES[MACHINE].values()), strict=True):
        assert f"--fast -march={level} -std=c++17 " in command
        assert "-ffp-contract=off" in command
        assert "-ffast-math" not in command


def test_a_wheel_has_the_kernels_sources(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(install_compiler(tmp_path / "bin", "c++", COMPILER)))
    shutil.rmtree(project / "cuda")
    shutil.copytree(ROOT / "cuda", project / "cuda")
    wheel = hatchling.build.build_wheel(str(tmp_path))
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        packed = {name.removeprefix("gpuqio/_cuda/") for name in archive.namelist() if name.startswith("gpuqio/_cuda/")}
        assert packed == {str(path.relative_to(ROOT / "cuda")) for path in (ROOT / "cuda").rglob("*") if path.is_file()}
        archive.extractall(tmp_path / "installed")
    engines = tmp_path / "installed" / "gpuqio" / "engines"
    monkeypatch.setattr(kernels, "__file__", str(engines / "kernels.py"))
    assert kernels.source.__wrapped__() == kernels.source()


def test_an_editable_install_compiles_in_place_and_only_what_is_old(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", str(install_compiler(tmp_path / "bin", "c++", COMPILER)))
    hatchling.build.build_editable(str(tmp_path))
    assert all((project / name).read_text().startswith("made by") for name in LIBRARIES)
    assert {path.name for path in (project / "gpuqio" / "engines").iterdir()} == {Path(name).name for name in LIBRARIES}
    first = len(calls(tmp_path / "bin"))
    newest = max((project / name).stat().st_mtime_ns for name in LIBRARIES)

    hatchling.build.build_editable(str(tmp_path))
    assert len(calls(tmp_path / "bin")) == first

    header = project / "cuda" / "warp.cuh"
    header.touch()
    os.utime(header, ns=(newest + 1, newest + 1))
    hatchling.build.build_editable(str(tmp_path))
    assert len(calls(tmp_path / "bin")) == 2 * first

    hatchling.build.build_wheel(str(tmp_path))  # its tag speaks of the compiler at hand, so it takes nothing on trust
    assert len(calls(tmp_path / "bin")) == 3 * first


def test_a_compiler_on_the_path_is_found(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    install_compiler(tmp_path / "bin", "clang++", COMPILER)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert hatch_build.system_compiler() == ["clang++"]
    assert not [name for name in hatchling.build.get_requires_for_build_wheel() if "zig" in name]


def test_without_a_compiler_zig_is_asked_for(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hatchling.build.get_requires_for_build_wheel() == ["ziglang"]
    assert "ziglang" in hatchling.build.get_requires_for_build_editable()
    assert hatchling.build.get_requires_for_build_sdist() == []
    assert hatch_build.platform_tag("x86_64", []) == "manylinux2014_x86_64"
    zig = [sys.executable, "-m", "ziglang", "cc", "-x", "c++", "-target"]
    v3 = hatch_build.command("x86_64", "v3", [])
    assert v3 == [*zig, "x86_64-linux-gnu.2.17", "-mcpu=x86_64_v3", *hatch_build.FLAGS]
    assert hatch_build.command("aarch64", "base", []) == [*zig, "aarch64-linux-gnu.2.17", *hatch_build.FLAGS]


def test_a_failure_says_what_ran_what_it_said_and_what_to_do(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = install_compiler(tmp_path / "bin", "c++", BROKEN)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(RuntimeError, match=r"did not compile.* set CXX to choose another compiler") as error:
        hatchling.build.build_wheel(str(tmp_path))
    assert f"{broken} -march=" in str(error.value)
    assert "no such level: x86-64-v3" in str(error.value)
    assert not list((project / "gpuqio" / "engines").iterdir())


def test_another_system_is_refused_by_name(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(RuntimeError, match=r"x86_64 and aarch64; this is linux on riscv64"):
        hatchling.build.build_wheel(str(tmp_path))
