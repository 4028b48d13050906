"""Problems that are uploaded while they are made, under asyncio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from gpuqio import trio as native
from gpuqio.aio import Workspace
from gpuqio.facade.documented import documented_by
from gpuqio.problem import Problem, ProblemType
from gpuqio.terms import Term
from gpuqio.trio.streaming import BaseStreamingProblem

__all__ = ["StreamingProblem"]


@documented_by(native.StreamingProblem)
class StreamingProblem(BaseStreamingProblem):
    @classmethod
    async def create(
        cls,
        workspace: Workspace,
        name: str = "Optimization Problem",
        terms: Iterable[Term] | None = None,
        init_config: Mapping[Any, int] | None = None,
        problem_type: ProblemType = ProblemType.ising,
        metadata: Mapping[str, str] | None = None,
    ) -> Self:
        problem = cls(workspace, name, None, init_config, problem_type, metadata)
        await problem.add_terms(terms or ())
        return problem

    async def add_term(self, c: float, indices: Iterable[int]) -> None:
        await self.add_terms([Term(c=c, indices=indices)])

    async def add_terms(self, terms: Iterable[Term], c: float = 1) -> None:
        for part in self._parts(terms):
            if self._take(part):
                await self.workspace._run(self._stage)

    async def upload(
        self, workspace: object = None, container_name: str = "qio-problems", blob_name: str | None = None
    ) -> str:
        uri: str = await self.workspace._run(self._finish)
        return uri

    async def download(self) -> Problem:
        problem: Problem = await self.workspace._run(self._fetch)
        return problem
