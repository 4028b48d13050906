"""1QBit's solvers, with the SDK's constructors. Their parameters go as text, their results come in 1QBit's shape."""

from __future__ import annotations

from collections.abc import Mapping

from gpuqio.facade.target import Solver, W

__all__ = ["OneQbitSolver", "PathRelinkingSolver", "TabuSearch"]


class OneQbitSolver(Solver[W]):
    """What 1QBit's solvers have in common."""

    __module__ = "gpuqio.target.oneqbit"

    def __init__(self, workspace: W, name: str, params: Mapping[str, object]) -> None:
        super().__init__(
            workspace,
            name,
            provider_id="1qbit",
            output_data_format="microsoft.qio-results.v1",
            nested_params=False,
            force_str_params=True,
            params=params,
        )


class TabuSearch(OneQbitSolver[W]):
    """Tabu search until nothing is gained: for dense problems of moderate size.

    Args:
        workspace: where to solve.
        name: target id.
        improvement_cutoff: moves without an improvement after which the search ends; None or 0: by the problem's size.
        improvement_tolerance: a cost counts as an improvement when it is lower by more than this; default 1e-9.
        seed: of the random numbers. The same seed gives the same answer everywhere.
        tabu_tenure: for how many moves a flipped variable stays as it is; None or 0: from the problem's size.
        tabu_tenure_rand_max: the most that is added to the tenure at random.
        timeout: milliseconds of solving after which the best so far is returned; None or 0: no limit.
    """

    __module__ = "gpuqio.target.oneqbit"

    target_names = ("1qbit.tabu",)

    def __init__(
        self,
        workspace: W,
        name: str = "1qbit.tabu",
        improvement_cutoff: int | None = None,
        improvement_tolerance: float | None = None,
        seed: int | None = None,
        tabu_tenure: int | None = None,
        tabu_tenure_rand_max: int | None = None,
        timeout: int | None = None,
    ) -> None:
        params = {
            "improvement_cutoff": improvement_cutoff,
            "improvement_tolerance": improvement_tolerance,
            "seed": seed,
            "tabu_tenure": tabu_tenure,
            "tabu_tenure_rand_max": tabu_tenure_rand_max,
            "timeout": timeout,
        }
        super().__init__(workspace, name, params)


class PathRelinkingSolver(OneQbitSolver[W]):
    """Tabu search from states between the best ones found so far: for hard problems with many good solutions.

    Args:
        workspace: where to solve.
        name: target id.
        distance_scale: which share of the variables that two solutions differ in must lie between either of them and
            the state taken from the path between them, 0 to 0.5; default 0.33.
        greedy_path_relinking: whether a path always flips the best variable next; default: a random one.
        ref_set_count: number of solutions kept for paths between them; default 10.
        seed: of the random numbers. The same seed gives the same answer everywhere.
        timeout: milliseconds of solving after which the best so far is returned; None or 0: no limit.
    """

    __module__ = "gpuqio.target.oneqbit"

    target_names = ("1qbit.pathrelinking",)

    def __init__(
        self,
        workspace: W,
        name: str = "1qbit.pathrelinking",
        distance_scale: float | None = None,
        greedy_path_relinking: bool | None = None,
        ref_set_count: int | None = None,
        seed: int | None = None,
        timeout: int | None = None,
    ) -> None:
        params = {
            "distance_scale": distance_scale,
            "greedy_path_relinking": greedy_path_relinking,
            "ref_set_count": ref_set_count,
            "seed": seed,
            "timeout": timeout,
        }
        super().__init__(workspace, name, params)
