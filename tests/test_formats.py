"""Problem files: what they mean, what is recognised, what is refused and on which line."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest

from gpuqio.errors import InputError, InvalidFile
from gpuqio.formats import FORMATS, read_problem
from gpuqio.problem import Problem, ProblemType
from gpuqio.terms import Term

RUDY = "3 2 J\n1 2 3\n3 2 -2\n"
SPARSE = "3 3\n1 1 -5\n1 3 4\n2 2 1\n"
QBSOLV = "c a comment\nc\np qubo 0 4 2 1\n0 0 1.5\n3 3 -2\n0 3 4\n"
DIMACS = "c a comment\np cnf 4 4\n1 -2 3 0 -1\n2 0\n4 -4 0 -3 0\n%\n0\n"
KLOCAL = "# a comment\n4 2\n0 1 2 -1\n1 2 3 0.5\n"


def read(folder: Path, name: str, text: str | bytes, format: str | None = None) -> Problem:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_problem(path, format)


def test_rudy_is_minus_the_cut(tmp_path: Path) -> None:
    problem = read(tmp_path, "small.rud", RUDY)
    assert problem.problem_type is ProblemType.ising
    assert problem.name == "small"
    for spins in itertools.product((-1, 1), repeat=3):
        cut = 3 * (spins[0] != spins[1]) - 2 * (spins[1] != spins[2])
        assert problem.evaluate(dict(enumerate(spins))) == -cut


def test_sparse_counts_pairs_twice(tmp_path: Path) -> None:
    problem = read(tmp_path, "small.sparse", SPARSE)
    assert problem.problem_type is ProblemType.pubo
    for x in itertools.product((0, 1), repeat=3):
        assert problem.evaluate(dict(enumerate(x))) == -5 * x[0] + 2 * 4 * x[0] * x[2] + x[1]
    assert {type(term.c) for term in problem.terms} == {int}


def test_qbsolv(tmp_path: Path) -> None:
    problem = read(tmp_path, "small.qubo", QBSOLV)
    assert problem.problem_type is ProblemType.pubo
    assert problem.terms == [Term(c=1.5, indices=[0]), Term(c=-2, indices=[3]), Term(c=4, indices=[0, 3])]


def test_klocal(tmp_path: Path) -> None:
    problem = read(tmp_path, "small.txt", KLOCAL)
    assert problem.problem_type is ProblemType.ising
    assert problem.terms == [Term(c=-1, indices=[0, 1, 2]), Term(c=0.5, indices=[1, 2, 3])]


def test_dimacs_counts_violated_clauses(tmp_path: Path) -> None:
    problem = read(tmp_path, "small.cnf", DIMACS)
    assert problem.problem_type is ProblemType.pubo
    for x in itertools.product((0, 1), repeat=3):
        satisfied = [x[0] or not x[1] or x[2], not x[0] or x[1], not x[2]]  # "4 or not 4" always is
        assert problem.evaluate(dict(enumerate(x))) == satisfied.count(False)


@pytest.mark.parametrize(
    ("name", "text", "kind", "terms"),
    [
        ("a.txt", "2 1\n1 2 4\n", ProblemType.ising, 2),
        ("a.TXT", "2 1\n1 2 4\n", ProblemType.ising, 2),
        ("a.mc", "2 1\n1 2 4\n", ProblemType.ising, 2),
        ("a.sparse", "2 1\n1 2 4\n", ProblemType.pubo, 1),
        ("a.dat", QBSOLV, ProblemType.pubo, 3),
        ("a.dat", KLOCAL, ProblemType.ising, 2),
        ("a.dat", DIMACS, ProblemType.pubo, 4 + 2 + 1),
        ("a", Problem("", [Term(c=1, indices=[0])]).to_json(), ProblemType.ising, 1),
        ("a.txt", "\r\n".join(RUDY.split("\n")), ProblemType.ising, 3),
    ],
)
def test_what_a_file_is_taken_for(tmp_path: Path, name: str, text: str, kind: ProblemType, terms: int) -> None:
    for file, data in ((name, text.encode()), (f"{name}.gz", gzip.compress(text.encode()))):
        problem = read(tmp_path, file, data)
        assert problem.problem_type is kind
        assert len(problem.terms) == terms


def test_format_overrides_the_name(tmp_path: Path) -> None:
    text = "2 1\n1 1 4\n"
    assert read(tmp_path, "a.txt", text, "qubo").terms == [Term(c=4, indices=[0])]
    assert read(tmp_path, "a.sparse", "2 1\n0 1 4\n", "klocal").terms == [Term(c=4, indices=[0, 1])]
    with pytest.raises(
        InvalidFile, match="format must be one of json, rudy, qubo, qbsolv, klocal, dimacs; found 'coo'"
    ):
        read(tmp_path, "a.txt", text, "coo")


def test_three_columns_without_a_suffix_are_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"does not say what it is\. Give format"):
        read(tmp_path, "a.dat", "2 1\n1 2 4\n")


@pytest.mark.parametrize(
    ("format", "text", "line"),
    [
        ("rudy", "", 1),
        ("rudy", "\n \n", 1),
        ("rudy", "x y\n", 1),
        ("rudy", "3\n", 1),
        ("rudy", "3 2 J 5\n1 2 3\n1 3 3\n", 1),
        ("rudy", "3 -1\n", 1),
        ("rudy", "3 2\n1 2 3\n", 1),
        ("rudy", "3 1\n1 2 3\n1 3 3\n", 3),
        ("rudy", "3 1\n1 2 3\ngarbage\n", 3),
        ("rudy", "3 2\n1 2 3\n\n1 4 3\n", 4),
        ("rudy", "3 1\n0 2 3\n", 2),
        ("rudy", "3 1\n1 2\n", 2),
        ("rudy", "3 1\n1 2 3 4\n", 2),
        ("rudy", "3 1\n1 2 x\n", 2),
        ("rudy", "3 1\n1 2 nan\n", 2),
        ("rudy", "3 1\n1 2 1e400\n", 2),
        ("rudy", "3 1\n1 2 1_0\n", 2),
        ("rudy", "3 1\n1 ٢ 1\n", 2),
        ("rudy", "3 1\n1 2.0 1\n", 2),
        ("rudy", "3 1\n2 2 1\n", 2),
        ("qubo", "", 1),
        ("qubo", "3 1 J\n1 2 3\n", 1),
        ("qubo", "3 1\n1 2 inf\n", 2),
        ("qubo", "3 1\n1 4 1\n", 2),
        ("qubo", "3 2\n1 1 1\n", 1),
        ("qbsolv", "", 1),
        ("qbsolv", "3 1\n1 2 3\n", 1),
        ("qbsolv", "p qubo 0 2 1\n0 0 1\n", 1),
        ("qbsolv", "c x\np qubo 0 2 1 0\n0 2 1\n", 3),
        ("qbsolv", "p qubo 0 2 1 1\n0 0 1\n", 1),
        ("qbsolv", "p qubo 0 2 2 0\n0 0 1\n0 1 1\n", 1),
        ("qbsolv", "p qubo 0 2 1 0\n0 0 one\n", 2),
        ("dimacs", "c nothing\n", 1),
        ("dimacs", "1 2 0\n", 1),
        ("dimacs", "p cnf 3 2\n1 2 0\n", 1),
        ("dimacs", "p cnf 3 1\n1 2 0 3 0\n", 1),
        ("dimacs", "p cnf 3 1\n1 2\n4 0\n", 3),
        ("dimacs", "p cnf 3 1\n1 2\n", 2),
        ("dimacs", "p cnf 3 1\n1 2.5 0\n", 2),
        ("dimacs", f"p cnf 13 1\n{' '.join(map(str, range(1, 14)))} 0\n", 2),
        ("klocal", "# nothing\n", 1),
        ("klocal", "3 1\n0 1 3 1\n", 2),
        ("klocal", "3 1\n0 1 1 1\n", 2),
        ("klocal", "3 1\n0 1 2 J\n", 2),
    ],
)
def test_files_that_are_refused_by_line(tmp_path: Path, format: str, text: str, line: int) -> None:
    with pytest.raises(InvalidFile) as caught:
        read(tmp_path, "a.txt", text, format)
    assert caught.value.field == f"line {line}"


def test_files_that_are_no_text(tmp_path: Path) -> None:
    for data in (b"\xff\xfe\x00", gzip.compress(b"2 1\n1 2 3\n")[:-4]):
        with pytest.raises(InvalidFile, match="can't be read as text"):
            read(tmp_path, "a.txt", data)
    with pytest.raises(FileNotFoundError):
        read_problem(tmp_path / "none.txt")


@pytest.mark.parametrize("format", FORMATS)
def test_every_reader_refuses_nonsense(tmp_path: Path, format: str) -> None:
    for text in ("", "\0", "{", "1", "2 1\n", "p qubo\n", "p cnf\n", "9" * 5000):
        with pytest.raises(InputError):
            read(tmp_path, "a.txt", text, format)


@pytest.mark.instances
def test_public_instances(instances: Path) -> None:
    g1 = read_problem(instances / "gset" / "G1.txt")
    assert (g1.num_variables, len(g1.terms)) == (800, 19176 + 1)
    assert g1.evaluate(dict.fromkeys(range(800), 1)) == 0
    bqp = read_problem(instances / "beasley" / "bqp50-1.sparse")
    assert (bqp.num_variables, len(bqp.terms)) == (50, 111)
    xorsat = read_problem(instances / "klocal" / "xorsat3r3_n16_0.txt")
    uf20 = read_problem(instances / "satlib" / "uf20-01.cnf")
    assert (uf20.num_variables, uf20.evaluate(dict.fromkeys(range(20), 0)) > 0) == (20, True)
    states = np.array(list(itertools.product((-1, 1), repeat=16)), np.int8)
    assert xorsat.evaluate_states(xorsat.variables, states).min() == -16
