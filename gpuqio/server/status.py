"""How the server is: for a load balancer, for Prometheus, and for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from gpuqio.server import VERSION
from gpuqio.server.call import answer
from gpuqio.server.items import Item

if TYPE_CHECKING:
    from gpuqio.server.gate import Gate
    from gpuqio.server.service import Service

__all__ = ["health", "metrics", "status"]


async def health(request: Request) -> Response:
    """That it answers, and what it is."""
    return answer({"status": "ok", "version": VERSION})


async def status(request: Request) -> Response:
    """The queue, the devices, what runs and what has ended last."""
    service: Service = request.app.state.service
    statistics, runner = service.backend.statistics(), service.runner
    return answer(
        {
            "version": VERSION,
            "engine": service.engine,
            "device": service.device,
            "workers": statistics.workers,
            "busy": statistics.busy,
            "queued": runner.queued,
            "limit": service.limits.queued,
            "averageWait": runner.average_wait,
            "ended": {status.value: number for status, number in runner.ended.items()},
            "running": [_brief(item) for item in runner.working],
            "recent": [{**_brief(item), "cost": cost} for item, cost in reversed(runner.recent)],
        }
    )


def _brief(item: Item) -> dict[str, Any]:
    job = item.job
    return {
        "id": job.id,
        "name": job.name,
        "target": job.target,
        "status": job.status,
        "creationTime": job.creation_time,
        "beginExecutionTime": job.begin_execution_time,
        "endExecutionTime": job.end_execution_time,
        "error": job.error_data,
    }


async def metrics(request: Request) -> Response:
    """In Prometheus' text format."""
    lines = "".join(f"{line}\n" for line in _lines(request.app.state.service, request.app.state.gate))
    return Response(lines, media_type="text/plain; version=0.0.4")


def _lines(service: Service, gate: Gate) -> Iterator[str]:
    statistics, runner = service.backend.statistics(), service.runner
    gauges = {
        "gpuqio_jobs_queued": ("Jobs that wait for their turn.", runner.queued),
        "gpuqio_jobs_working": ("Jobs in work.", len(runner.working)),
        "gpuqio_workers": ("Slices of work that can run at once.", statistics.workers),
        "gpuqio_workers_busy": ("Slices of work that run now.", statistics.busy),
        "gpuqio_wait_seconds": ("How long the last jobs waited, on average.", runner.average_wait),
    }
    for name, (text, value) in gauges.items():
        yield f"# HELP {name} {text}"
        yield f"# TYPE {name} gauge"
        yield f"{name} {value}"
    yield "# HELP gpuqio_jobs_ended_total Jobs that have ended since the server was started."
    yield "# TYPE gpuqio_jobs_ended_total counter"
    for status, number in runner.ended.items():
        yield f'gpuqio_jobs_ended_total{{status="{status.value}"}} {number}'
    yield "# HELP gpuqio_requests_total Requests answered since the server was started."
    yield "# TYPE gpuqio_requests_total counter"
    for code, number in sorted(gate.answered.items()):
        yield f'gpuqio_requests_total{{code="{code}"}} {number}'
