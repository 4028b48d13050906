"""The `gpuqio` command: solve a problem file, serve others, or say what this installation computes with.

Results go to standard output, everything else to standard error. Exit codes: 0 solved, 1 the job failed,
2 bad input, 130 interrupted, 141 nobody reads the output. Ctrl-C stops the job within one slice and prints the best
found so far.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import trio
from tqdm import tqdm

from gpuqio import __version__
from gpuqio.backend import JobRecord, Request, Status
from gpuqio.engines.base import Work
from gpuqio.engines.choice import choose, engine_name
from gpuqio.errors import BackendUnavailable, GpuqioError, InputError, InvalidParameter, JobFailed
from gpuqio.formats import FORMATS, read_problem
from gpuqio.named_solvers import NAMES, SOLVERS, chosen, read_parameter
from gpuqio.problem import Problem, ProblemType
from gpuqio.result import Result
from gpuqio.scheduler.local import local_backend, worker_count

__all__ = ["main"]

SOLVED, FAILED, BAD_INPUT, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141

VARIABLES_SHOWN = 64

SERVE = (
    "Serve the protocol of Azure Quantum, to its SDK and to gpuqio. Jobs are kept in a folder; what is not done when "
    "the server stops, or is stopped, is done after the next start."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, by default this process's; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return {"solve": _solve, "serve": _serve, "info": _info}[options.command](options)
    except InputError as error:
        print(f"gpuqio: {error}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # ``gpuqio ... | head`` has seen enough
        return UNREAD
    except OSError as error:
        print(f"gpuqio: {error.filename}: {error.strerror}", file=sys.stderr)
        return BAD_INPUT
    except GpuqioError as error:
        print(f"gpuqio: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("gpuqio: interrupted, with nothing to show", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpuqio", description="Solve Ising and PUBO problems on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    solve = commands.add_parser(
        "solve",
        help="solve a problem file",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Solve a problem file. Without parameters of its own most solvers find good ones and stop\n"
        "when nothing more is to be gained.",
        epilog="solvers:\n"
        + "".join(f"  {', '.join(solver.names):<33}{solver.line}\n" for solver in SOLVERS)
        + "\nexit codes: 0 solved, 1 the job failed, 2 bad input, 130 interrupted, 141 nobody reads the output",
    )
    solve.add_argument("file", metavar="FILE", help="QIO JSON, rudy (MAX-CUT), QUBO or k-local; gzipped or not")
    solve.add_argument("--format", choices=FORMATS, help="what FILE is, where it does not tell")
    solve.add_argument("--solver", choices=NAMES, default="pt", metavar="NAME", help="see below (default: %(default)s)")
    solve.add_argument(
        *("-p", "--parameter"),
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the solver; VALUE is JSON, or text if it is none. As often as needed",
    )
    solve.add_argument("--sweeps", type=int, metavar="N", help="sweeps of each replica or restart")
    solve.add_argument("--replicas", type=int, metavar="N", help="replicas, of parallel tempering")
    solve.add_argument("--restarts", type=int, metavar="N", help="independent runs, or ladders")
    solve.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same answer on every machine")
    solve.add_argument("--timeout", type=float, metavar="SECONDS", help="stop then, with the best so far")
    solve.add_argument("--solutions", type=int, metavar="N", help="so many distinct solutions at most, best first")
    solve.add_argument("--engine", metavar="NAME", help="auto, cpu, cuda or cuda:1 (default: $GPUQIO_ENGINE, or auto)")
    solve.add_argument("--json", action="store_true", help="print the whole result as QIO JSON")
    _add_serve(commands.add_parser("serve", help="solve jobs of others, over HTTP", description=SERVE))
    commands.add_parser("info", help="say what this installation computes with")
    return parser


def _parameter(text: str) -> tuple[str, object]:
    try:
        return read_parameter(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"it must be NAME=VALUE; found {text!r}") from None


def _add_serve(serve: argparse.ArgumentParser) -> None:
    """Options of a server; those that it has not been given are the server's own defaults."""
    serve.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8470, metavar="N", help="default: %(default)s; 0: any that is free")
    serve.add_argument(
        "--data",
        type=Path,
        default=Path("gpuqio-data"),
        metavar="DIR",
        help="folder of jobs, problems and results (default: ./%(default)s)",
    )
    serve.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="API keys, one a line, in a file of mode 0600 (default: $GPUQIO_SERVER_KEY)",
    )
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate, for HTTPS")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="its key")
    serve.add_argument("--insecure", action="store_true", help="let others come without a key, or in clear text")
    serve.add_argument("--engine", metavar="NAME", help="auto, cpu, cuda or cuda:1 (default: $GPUQIO_ENGINE, or auto)")
    serve.add_argument("--max-queued", type=int, metavar="N", help="jobs not ended, of all workspaces, at most")
    serve.add_argument("--max-problem-mb", type=int, metavar="N", help="size of a problem, inflated, at most")
    serve.add_argument("--rate", type=float, metavar="N", help="calls a second of one key or peer, for long")
    serve.add_argument("--keep-days", type=float, metavar="N", help="days for which ended jobs are kept")


def _serve(options: argparse.Namespace) -> int:
    try:
        from gpuqio.server.guard import read_keys
        from gpuqio.server.limits import Limits
        from gpuqio.server.serve import Address, serve
    except ModuleNotFoundError as error:
        raise BackendUnavailable(f"The server needs {error.name}: pip install 'gpuqio[server]'") from error
    given = {
        "queued": options.max_queued,
        "problem_bytes": None if options.max_problem_mb is None else options.max_problem_mb << 20,
        "rate": options.rate,
        "keep_days": options.keep_days,
    }
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    address = Address(host=options.host, port=options.port, tls_cert=options.tls_cert, tls_key=options.tls_key)
    keys = read_keys(options.key_file)
    address.check(keys, insecure=options.insecure)
    announce = partial(print, file=sys.stderr, flush=True)
    try:
        trio.run(serve, options.data, address, limits, keys, options.engine, announce)
    except BaseExceptionGroup as group:
        raise _alone(group) from group
    return SOLVED


def _alone(error: BaseException) -> BaseException:
    """The error in nested groups of one, as nurseries raise it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _info(_: argparse.Namespace) -> int:
    choice = choose(engine_name(None))
    rows = [
        ("gpuqio", __version__),
        ("engine", choice.engines[0].name),
        ("device", ", ".join(engine.device for engine in choice.engines)),
        ("workers", str((choice.workers or worker_count()) * len(choice.engines))),
        ("why", choice.reason),
    ]
    _write(_table(rows))
    return SOLVED


def _solve(options: argparse.Namespace) -> int:
    problem = read_problem(options.file, options.format)
    target, solver = chosen(options.solver, _given(options))
    request = Request(Work((problem,), solver), name=problem.name, params=solver.parameters(), target=target)

    record = trio.run(_run, request, options.engine)
    if record.error is not None:
        if record.error.code == "InvalidInputData":
            raise InputError(record.error.message)
        raise JobFailed(f"The job failed. {record.error.message}")
    if record.results is None:
        raise KeyboardInterrupt
    (result,) = record.results
    _write(result.to_json() if options.json else _describe(result, target, is_cut=_is_cut(problem)))
    return SOLVED if record.status is Status.Succeeded else INTERRUPTED


def _given(options: argparse.Namespace) -> dict[str, object]:
    """The solver's parameters, from options of their own and from others."""
    own = ("sweeps", "replicas", "restarts", "seed", "timeout")
    given: dict[str, object] = {name: getattr(options, name) for name in own}
    given = {
        name: value for name, value in (given | {"number_of_solutions": options.solutions}).items() if value is not None
    }
    for name, value in options.parameter:
        if name in given:
            raise InvalidParameter(f"{name} is given twice.", field=name)
        given[name] = value
    return given


async def _run(request: Request, engine: str | None) -> JobRecord:
    """Have the local backend solve the request. Interrupts cancel it, which leaves the best so far in its record."""
    backend = local_backend(engine)

    async def heed(interrupts: AsyncIterator[int]) -> None:
        async for _ in interrupts:  # each at once: what is left when the receiver closes would interrupt the printing
            nursery.start_soon(backend.cancel, request.job_id)

    with trio.open_signal_receiver(signal.SIGINT) as interrupts:
        await backend.submit(request)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heed, interrupts)
            if sys.stderr.isatty():
                nursery.start_soon(_show_progress, request.work.solver.timeout)
            record = await backend.wait(request.job_id)
            nursery.cancel_scope.cancel()
    return record


async def _show_progress(bound: float | None) -> None:
    """A clock on the terminal, and a bar where the seconds are bounded."""
    text = "solving |{bar}| {elapsed} of at most {total:g} s" if bound else "solving {elapsed}"
    began = trio.current_time()
    with tqdm(total=bound, bar_format=text, leave=False) as bar:
        while True:
            await trio.sleep(0.1)
            bar.n = trio.current_time() - began
            bar.refresh()


def _write(text: str) -> None:
    """Print to the end: what can't be written is to be told now, and not while the interpreter closes."""
    try:
        print(text, flush=True)
    except OSError as error:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # where the interpreter may put what is left
        if isinstance(error, BrokenPipeError):
            raise
        raise GpuqioError(f"The result can't be written: {error.strerror}.") from error


def _is_cut(problem: Problem) -> bool:
    """Whether the cost is minus the cut of a graph, as of rudy files: pairs, and a constant so that no cut costs 0."""
    terms = problem.term_arrays()
    locality = np.diff(terms.offsets)
    pairs_only = problem.problem_type is ProblemType.ising and np.isin(locality, (0, 2)).all()
    return bool(pairs_only and abs(terms.coefficients.sum()) <= 1e-12 * abs(terms.coefficients).sum())


def _describe(result: Result, target: str, *, is_cut: bool) -> str:
    """The result for a reader: the best solution and how it was come by, then the costs of the others."""
    report = result.report
    work = f"{report.sweeps} sweeps x {report.replicas} replicas, {report.flips} flips, {report.exchanges} exchanges"
    rows = [("cost", f"{result.cost:.15g}")]
    if is_cut:
        rows.append(("cut", f"{0 - result.cost:.15g}"))
    rows += [
        ("configuration", _abbreviated(result.configuration)),
        ("solver", target),
        ("engine", f"{report.engine} ({report.device}), {report.strategy}"),
        ("work", work),
        ("time", f"{report.seconds:.3f} s"),
        ("stopped", report.stop_reason.value),
        ("next", result.advice),
    ]
    rows += [("also", f"{other.cost:.15g} at {_abbreviated(other.configuration)}") for other in result.solutions[1:]]
    return _table(rows)


def _abbreviated(configuration: Mapping[str, int]) -> str:
    shown = " ".join(f"{variable}:{value}" for variable, value in islice(configuration.items(), VARIABLES_SHOWN))
    hidden = len(configuration) - VARIABLES_SHOWN
    return f"{shown} and {hidden} more (--json shows all)" if hidden > 0 else shown


def _table(rows: list[tuple[str, str]]) -> str:
    return "\n".join(f"{name:<16}{value}" for name, value in rows)
