"""What a program can see of the SDK, or of us: names, signatures, what calls return or raise, what goes on the wire.

`observe` looks at either package by its name. `tests/golden/sdk.json` is what it saw of azure-quantum 0.28.277227,
recorded in an environment that has that package (numpy below 2): ``python tests/sdk_facts.py``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import warnings
from enum import Enum
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden" / "sdk.json"

MICROSOFT = "ParallelTempering PopulationAnnealing QuantumMonteCarlo SimulatedAnnealing SubstochasticMonteCarlo Tabu"
ONEQBIT = "TabuSearch PathRelinkingSolver PticmSolver"
TOSHIBA = "SimulatedBifurcationMachine"

NAMES = {
    "": "Workspace Job JobDetails JobStatus Session SessionDetails SessionHost SessionJobFailurePolicy SessionStatus "
    "ItemType __version__",
    "aio": "Workspace Job JobStatus",
    "optimization": "TermBase Term SlcTerm GroupType Problem ProblemType OnlineProblem StreamingProblem "
    f"HardwarePlatform Solver RangeSchedule {MICROSOFT}",
    "optimization.oneqbit": ONEQBIT,
    "optimization.toshiba": TOSHIBA,
    "optimization.solvers": f"Solver {MICROSOFT}",
    "aio.optimization": f"Problem ProblemType OnlineProblem StreamingProblem Solver {MICROSOFT}",
    "target": f"Target Solver {MICROSOFT} {ONEQBIT} {TOSHIBA}",
    "target.oneqbit": ONEQBIT,
    "target.toshiba": TOSHIBA,
    "target.solvers": "Solver HardwarePlatform",
    "target.microsoft": MICROSOFT,
    "target.microsoft.qio": MICROSOFT,
    "aio.target": f"Target Solver {MICROSOFT} {ONEQBIT} {TOSHIBA}",
    "aio.target.oneqbit": ONEQBIT,
    "aio.target.toshiba": TOSHIBA,
    "aio.target.solvers": "Solver",
    "aio.target.microsoft": MICROSOFT,
    "aio.target.microsoft.qio": MICROSOFT,
    "job": "Job JobDetails Session SessionHost",
    "job.base_job": "ContentType DEFAULT_TIMEOUT",
}

MEMBERS = {
    "Workspace": "__init__ append_user_agent cancel_job get_container_uri get_job get_quotas get_targets list_jobs "
    "submit_job user_agent",
    "Job": "container_name create_job_id details download_attachment download_data from_input_data from_storage_uri "
    "get_results has_completed id item_type matches_filter refresh submit upload_attachment wait_until_completed",
    "Session": "__init__ close details id is_in_terminal_state item_type list_jobs open refresh target",
    "SessionHost": "get_latest_session_id latest_session open_session",
    "optimization.TermBase": "__init__ from_dict to_dict",
    "optimization.Term": "__init__ evaluate from_dict reduce_by_variable_state to_dict",
    "optimization.SlcTerm": "__init__ evaluate from_dict reduce_by_variable_state to_dict",
    "optimization.Problem": "__init__ add_slc_term add_term add_terms check_for_grouped_term deserialize evaluate "
    "from_json from_proto get_terms is_large is_valid_npz problem_type_to_grouped serialize set_fixed_variables "
    "to_blob to_json to_proto compress_protobuf download upload uploaded_blob_uri NUM_VARIABLES_LARGE NUM_TERMS_LARGE",
    "optimization.OnlineProblem": "__init__ download",
    "optimization.StreamingProblem": "__init__ add_term add_terms download id upload",
    "target.Target": "__init__ get_latest_session_id latest_session open_session refresh target_names",
    "target.Solver": "__init__ check_supported_hardware check_valid_problem optimize set_number_of_solutions "
    "set_one_param submit supports_grouped_terms supports_protobuf",
    "target.ParallelTempering": "__init__ target_names",
    "target.SimulatedAnnealing": "__init__ target_names",
    "target.PopulationAnnealing": "__init__ target_names",
    "target.SubstochasticMonteCarlo": "__init__ target_names",
    "optimization.RangeSchedule": "__init__",
    "target.QuantumMonteCarlo": "__init__ target_names",
    "target.Tabu": "__init__ target_names",
    "target.TabuSearch": "__init__ target_names supports_grouped_terms",
    "target.PathRelinkingSolver": "__init__ target_names supports_grouped_terms",
    "target.PticmSolver": "__init__ target_names supports_grouped_terms",
    "target.SimulatedBifurcationMachine": "__init__ target_names supports_grouped_terms",
}
FLAVOURED = ("Workspace", "Job")  # whose methods `aio` has as coroutines

ENUMS = (
    "JobStatus",
    "ItemType",
    "SessionStatus",
    "SessionJobFailurePolicy",
    "job.base_job.ContentType",
    "optimization.ProblemType",
    "optimization.GroupType",
)

WIRE = [
    "ParallelTempering(None)",
    "ParallelTempering(None, timeout=100, seed=11)",
    "ParallelTempering(None, sweeps=2, all_betas=[1.15, 3.14], seed=22)",
    "ParallelTempering(None, sweeps=100, replicas=4, timeout=5)",
    "ParallelTempering(None, 'microsoft.paralleltempering.cpu', 10, 2, [0.5, 1], 7, 3)",
    "ParallelTempering(None, name='my.paralleltempering.place')",
    "SimulatedAnnealing(None)",
    "SimulatedAnnealing(None, seed=0, timeout=0)",
    "SimulatedAnnealing(None, beta_start=0.1, beta_stop=2, sweeps=50, restarts=3, timeout=9, seed=4)",
    "SimulatedAnnealing(None, 'microsoft.simulatedannealing.cpu', 0, 1, 20, 72, 10, 5, HardwarePlatform.CPU)",
    "PopulationAnnealing(None)",
    "PopulationAnnealing(None, timeout=100, seed=11)",
    "PopulationAnnealing(None, alpha=3, population=8, sweeps=20, beta=RangeSchedule('geometric', 0.1, 5))",
    "PopulationAnnealing(None, 'microsoft.populationannealing.cpu', 1.5, 0, 2, 3, RangeSchedule('linear', 1, 1), 9)",
    "SubstochasticMonteCarlo(None)",
    "SubstochasticMonteCarlo(None, timeout=100, seed=11)",
    "SubstochasticMonteCarlo(None, alpha=RangeSchedule('geometric', 1, 0.1), beta=RangeSchedule('linear', 1, 5))",
    "SubstochasticMonteCarlo(None, 'a.substochasticmontecarlo.b', RangeSchedule('linear', 1, 0), 1, 2, 3, None, 4)",
    "Tabu(None)",
    "Tabu(None, seed=1, timeout=5)",
    "Tabu(None, 'microsoft.tabu.cpu', 2, 3, 4, 5, 6)",
    "Tabu(None, tabu_tenure=0)",
    "TabuSearch(None)",
    "TabuSearch(None, '1qbit.tabu', 3, 1e-3, 4, 5, 6, 7)",
    "set_up(TabuSearch(None), number_of_solutions=2)",
    "PathRelinkingSolver(None)",
    "PathRelinkingSolver(None, '1qbit.pathrelinking', 0.2, True, 5, 1, 9)",
    "SimulatedBifurcationMachine(None)",
    "SimulatedBifurcationMachine(None, 'toshiba.sbm.ising', 100, 2, -5.5, 3, 7, 0.5, 0.1, '1.5', True)",
    "set_up(SimulatedBifurcationMachine(None, loops=10), number_of_solutions=2)",
    "QuantumMonteCarlo(None)",
    "QuantumMonteCarlo(None, trotter_number=8, transverse_field_start=5, transverse_field_stop=0.1, seed=3)",
    "QuantumMonteCarlo(None, 'a.qmc.b', 4, 1, 3, 0, 2, 100, 0.5)",
    "PticmSolver(None)",
    "PticmSolver(None, '1qbit.pticm', False, .1, .2, .3, .4, .5, 'A', 3, 1, 5, 9, [1, 2], 6, 3, 9, 3, 0, 'B', 7, 'C')",
    "set_up(ParallelTempering(None, sweeps=5), number_of_solutions=3, any_name=[2], nothing=None)",
    "Solver(None, 'microsoft.x.cpu', params={'a': 1, 'b': None})",
    "Solver(None, '1qbit.tabu', '1qbit', nested_params=False, force_str_params=True, params={'a': 1, 'b': [1, 2]})",
    "Target(None, 'ionq.simulator')",
    "Target(None, 'bare', 'in', 'out', 'can', 'provider')",
]

# Expressions in the names of `optimization`, and T(c, ids), G a SlcTerm, P(more terms) a problem, Q the same in pubo.
CALLS = [
    "Term()",
    "Term([0, 1], 5)",
    "Term([0, 1], 5, 6)",
    "Term(c=True, indices=[0])",
    "Term(c='3', indices=[0])",
    "Term(w='3', indices=[0])",
    "Term(c=1j, indices=[0])",
    "Term(c=[4], indices=[0])",
    "Term(c=(1.5,), indices=[])",
    "Term(c=int8(3), indices=[0])",
    "Term(c=float32(0.5), indices=[0])",
    "Term(c=bool_(True), indices=[0])",
    "Term(c=array([7, 8]), indices=[0])",
    "TermBase()",
    "TermBase(c=2)",
    "TermBase(c=0).reduce_by_variable_state({})",
    "repr(T(1, [0]))",
    "repr(T(1.0, []))",
    "repr(G)",
    "T(1, [0]) == T(1.0, [0])",
    "T(1, [0, 1]) == T(1, [1, 0])",
    "T(1, [0]) == {'c': 1, 'ids': [0]}",
    "T(1, [0]) != T(2, [0])",
    "hash(T(1, [0]))",
    "Term.from_dict({'c': 2, 'ids': [3]})",
    "Term.from_dict({'ids': [3]})",
    "Term.from_dict({'w': 2, 'ids': [3]})",
    "T(3, [0, 1]).evaluate({0: -1, 1: 1})",
    "T(3, []).evaluate({})",
    "T(3, [0, 1]).evaluate({0: 1})",
    "T(3, [0, 1]).reduce_by_variable_state({0: -1})",
    "T(3, [0, 1]).reduce_by_variable_state({0: 0})",
    "T(3, [0]).reduce_by_variable_state({0: 2})",
    "T(0, [0]).reduce_by_variable_state({})",
    "T(0, [0]).reduce_by_variable_state({0: 1})",
    "G",
    "SlcTerm([T(1, [0])])",
    "SlcTerm([])",
    "SlcTerm([T(1, [0, 1])])",
    "SlcTerm([T(1, [0]), T(2, [0])])",
    "SlcTerm([T(1, [0])], c='x')",
    "SlcTerm.from_dict({'c': 2})",
    "SlcTerm.from_dict(G.to_dict())",
    "G.evaluate({0: 1, 1: -1})",
    "G.reduce_by_variable_state({0: 1})",
    "G.reduce_by_variable_state({0: 1, 1: 1})",
    "G.reduce_by_variable_state({0: 0})",
    "G.reduce_by_variable_state({5: 1})",
    "SlcTerm([T(1, [0]), T(-1, [])]).reduce_by_variable_state({0: 1})",
    "SlcTerm([T(1, [0]), T(-1, []), T(2, [3])]).reduce_by_variable_state({0: 1})",
    "Problem()",
    "Problem('')",
    "Problem(None)",
    "P()",
    "P(G)",
    "Q(G)",
    "loads(P().to_json())",
    "loads(P(G).serialize())",
    "loads(Problem('n', [T(1, [0])], {'0': 1}).to_json())",
    "loads(Problem('n', [T(1, [0])], {0: 1}).to_json())",
    "loads(Problem('n', [T(1, [0])], {}).to_json())",
    "loads(decompress(Q().to_blob()))",
    "after(P(), 'p.terms += [T(1, [5])]')",
    "after(P(), 'p.terms.append(T(1, [5]))')",
    "after(P(), 'p.terms.extend([T(1, [5]), T(2, [6])])')",
    "after(P(), 'p.terms.insert(1, T(1, [5]))')",
    "after(P(), 'p.terms.pop()')",
    "after(P(), 'p.terms.remove(T(7, []))')",
    "after(P(), 'p.terms.reverse()')",
    "after(P(), 'p.terms.sort(key=lambda t: t.c)')",
    "after(P(), 'del p.terms[0]')",
    "after(P(), 'p.terms[0] = T(4, [4])')",
    "after(P(), 'p.terms.clear()')",
    "P().terms[1:]",
    "P().terms[::-2]",
    "P().terms[-1]",
    "P().terms.copy()",
    "P().terms + [T(1, [1])]",
    "P().terms.index(T(7, []))",
    "P().terms == [T(1, [1])]",
    "T(7, []) in P().terms",
    "after(P(), 'p.add_term(3, [4])')",
    "after(P(), 'p.add_term(c=3, indices=[4])')",
    "after(P(), 'p.add_terms([T(1, [9])])')",
    "after(P(), 'p.add_terms((T(1, [9]),))')",
    "after(P(), 'p.add_terms([T(1, [0]), T(2, [1])], GroupType.squared_linear_combination, 3)')",
    "after(P(), 'p.add_terms([T(1, [0]), T(2, [1])], term_type=GroupType.squared_linear_combination, c=3)')",
    "after(P(), 'p.add_terms([T(1, [0, 1])], GroupType.squared_linear_combination)')",
    "after(P(), 'p.add_slc_term([(1, 0), (2, 1), (3, None)], 4)')",
    "after(P(), 'p.add_slc_term(terms=[T(1, [0])], c=4)')",
    'after(P(), \'p.init_config = {"0": 1}; p.init_config["1"] = -1; p = p.set_fixed_variables({1: 1})\')',
    "P().get_terms(0)",
    "P(G).get_terms(id=1)",
    "P().get_terms(9)",
    "P().get_terms(int64(1))",
    "P().get_terms('0')",
    "P().evaluate({0: 1, 1: -1, 2: 1})",
    "P().evaluate({'0': 1, '1': -1, '2': 1})",
    "P(G).evaluate({0: 1, 1: 1, 2: 1})",
    "P().evaluate({int64(0): int8(1), 1: int64(-1), 2: 1.0})",
    "P().evaluate({0: 1, 1: 1, 2: 1, 9: 1})",
    "P().evaluate({0: 1})",
    "P().evaluate({'a': 1})",
    "P().set_fixed_variables({1: -1})",
    "P().set_fixed_variables({'0': 1, '2': -1})",
    "P(G).set_fixed_variables({'1': 1})",
    "P(G).set_fixed_variables({0: 1, 1: 1, 2: 1})",
    "Q().set_fixed_variables({0: 0})",
    "P().set_fixed_variables({})",
    "Problem('', [T(1, [0]), T(-1, [])]).set_fixed_variables({0: 1})",
    "P().is_large()",
    "Problem.from_json(text())",
    "Problem.from_json(text(), 'm')",
    "Problem.from_json(text(), name='')",
    "Problem.deserialize(text().encode())",
    "Problem.deserialize(P().serialize(), 'n')",
    "Problem.from_json(text(terms=...))",
    "Problem.from_json(text(version=...))",
    "Problem.from_json(text(terms=[]))",
    "Problem.from_json(text(metadata=None))",
    "Problem.from_json(text(metadata={}))",
    "Problem.from_json(text(initial_configuration={'0': 1}))",
    "Problem.from_json('{')",
    "Problem.from_json('')",
    "Problem.from_json('{}')",
    "Problem.from_json(text(type=...))",
    "Problem.from_json(text(type='foo'))",
    "Problem.from_json(text(terms=[{'ids': [0]}]))",
    "Problem.from_json(text(terms=[{'c': '1', 'ids': [0]}]))",
    "Problem.from_json(text(terms=[{'c': True, 'ids': [0]}]))",
    "P().is_valid_npz(['arr_2', 'arr_0', 'arr_1'])",
    "P().is_valid_npz(['a', 'b'], ['a'], c_column_name='b')",
    "P().terms_from_npz('/no/such/file.npz')",
    "JobStatus.SUCCEEDED is JobStatus.Succeeded",
    "JobStatus('Failed').name",
    "JobStatus.WAITING == 'Waiting'",
    "HardwarePlatform.CPU.value",
    "HardwarePlatform.FPGA.value",
    "Workspace(subscription_id='1', name='x')",
    "Workspace(resource_id='no id', location='x')",
    "Workspace('1', 'group', 'name')",
    "ParallelTempering(None, replicas=3, all_betas=[1, 2])",
    "ParallelTempering(None, foo=1)",
    "SimulatedAnnealing(None, platform=HardwarePlatform.FPGA)",
    "RangeSchedule('constant', 0, 1)",
    "PopulationAnnealing(None, alpha=1)",
    "PopulationAnnealing(None, alpha='a')",
    "PopulationAnnealing(None, population=0)",
    "PopulationAnnealing(None, sweeps=2.5)",
    "PopulationAnnealing(None, timeout=-1)",
    "PopulationAnnealing(None, beta=5)",
    "PopulationAnnealing(None, beta=RangeSchedule('linear', 0, 5))",
    "PopulationAnnealing(None, beta=RangeSchedule('linear', 5, 1))",
    "SubstochasticMonteCarlo(None, alpha=RangeSchedule('linear', 0, 1))",
    "SubstochasticMonteCarlo(None, alpha=RangeSchedule('linear', 1, -1))",
    "SubstochasticMonteCarlo(None, beta=RangeSchedule('linear', 0, 5))",
    "SubstochasticMonteCarlo(None, target_population=0)",
    "SubstochasticMonteCarlo(None, step_limit=1.5)",
    "SubstochasticMonteCarlo(None, steps_per_walker=-1)",
    "SubstochasticMonteCarlo(None, timeout=0)",
]


def observe(root: str) -> dict[str, Any]:
    """All of the above, seen in the package `root`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {
            space: [name for name in known.split() if hasattr(_module(root, space), name)]
            for space, known in NAMES.items()
        }
        return {
            "names": names,
            "members": {path: _members(root, path, known) for path, known in MEMBERS.items()},
            "aio members": {path: _members(root, f"aio.{path}", MEMBERS[path]) for path in FLAVOURED},
            "enums": {path: [[m.name, m.value] for m in _get(root, path)] for path in ENUMS},
            "details": {path: _fields(_get(root, path)) for path in ("JobDetails", "SessionDetails")},
            "wire": {code: _target(eval(code, _namespace(root))) for code in WIRE},
            "calls": {code: _outcome(code, _namespace(root)) for code in CALLS},
        }


def _module(root: str, space: str) -> Any:
    return importlib.import_module(f"{root}.{space}".rstrip("."))


def _get(root: str, path: str) -> Any:
    space, _, name = path.rpartition(".")
    return getattr(_module(root, space), name)


def _members(root: str, path: str, names: str) -> dict[str, Any]:
    """A method as its parameters [name, default]; the default of one that must be given is "..."; else the value."""
    cls = _get(root, path)
    found: dict[str, Any] = {}
    for name in names.split():
        member = inspect.getattr_static(cls, name, None)
        if isinstance(member, (staticmethod, classmethod)):
            member = member.__func__
        if inspect.isfunction(member):
            found[name] = [
                _parameter(p) for p in inspect.signature(member).parameters.values() if p.name not in ("self", "cls")
            ]
        elif hasattr(cls, name):
            found[name] = "attribute" if isinstance(member, property) else _plain(member)
    return found


def _fields(details: Any) -> list[str]:
    return sorted(getattr(details, "_attribute_map", None) or inspect.signature(details).parameters)


def _parameter(parameter: inspect.Parameter) -> list[str]:
    if parameter.kind is parameter.VAR_KEYWORD:
        return [f"**{parameter.name}"]
    default = parameter.default
    shown = list(default) if isinstance(default, tuple) else default
    return [parameter.name, "..." if default is parameter.empty else repr(shown)] + ["keyword"] * (
        parameter.kind is parameter.KEYWORD_ONLY
    )


def _target(target: Any) -> dict[str, Any]:
    kept = "name provider_id input_data_format output_data_format capability encoding params"
    return {name: _plain(getattr(target, name)) for name in kept.split() if hasattr(target, name)}


def _outcome(code: str, names: dict[str, Any]) -> list[Any]:
    """["returns", value] or ["raises", message, [names of the types that would catch it]]."""
    try:
        return ["returns", _plain(eval(code, names))]
    except Exception as error:
        return ["raises", " ".join(str(error).split()), [cls.__name__ for cls in type(error).__mro__[:-2]]]


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if hasattr(value, "to_dict"):
        return {"kind": type(value).__name__, **value.to_dict()}
    if hasattr(value, "terms_slc"):
        start = {str(key): int(v) for key, v in (value.init_config or {}).items()}
        return [value.name, value.problem_type.name, _plain(value.terms), _plain(value.terms_slc), start]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)) or type(value).__name__ == "TermList":
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value


def _namespace(root: str) -> dict[str, Any]:
    import gzip

    import numpy as np

    names: dict[str, Any] = {"loads": json.loads, "decompress": gzip.decompress}
    names.update((name, getattr(np, name)) for name in ("array", "bool_", "float32", "int8", "int64"))
    for space in ("", "optimization", "target"):
        names.update((name, getattr(_module(root, space), name)) for name in NAMES[space].split())
    Term, SlcTerm, Problem, ProblemType = (names[name] for name in ("Term", "SlcTerm", "Problem", "ProblemType"))

    def T(c: Any, ids: Any) -> Any:
        return Term(c=c, indices=ids)

    def P(*more: Any, kind: Any = ProblemType.ising) -> Any:
        return Problem("p", [T(-9, [0]), T(-3, [1, 0]), T(5.0, [2, 0]), T(7, []), *more], problem_type=kind)

    def after(p: Any, code: str) -> Any:
        scope = {**names, "p": p}
        exec(code, scope)
        return scope["p"]

    def text(metadata: Any = {"name": "n"}, **change: Any) -> str:  # noqa: B006
        cost = {"version": "1.0", "type": "ising", "terms": [{"c": -9, "ids": [0]}], **change}
        return json.dumps({"metadata": metadata, "cost_function": {k: v for k, v in cost.items() if v is not ...}})

    def set_up(solver: Any, number_of_solutions: int, **params: Any) -> Any:
        solver.set_number_of_solutions(number_of_solutions)
        for name, value in params.items():
            solver.set_one_param(name, value)
        return solver

    names.update(T=T, P=P, Q=lambda *more: P(*more, kind=ProblemType.pubo), after=after, text=text, set_up=set_up)
    names["G"] = SlcTerm([T(1, [0]), T(-2, [1]), T(3, [])], c=2)
    return names


if __name__ == "__main__":
    sections = [
        f"{json.dumps(section)}: {{\n"
        + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in facts.items())
        + "\n}"
        for section, facts in observe("azure.quantum").items()
    ]
    GOLDEN.write_text("{\n" + ",\n".join(sections) + "\n}\n")
