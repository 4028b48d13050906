"""What a workspace has besides jobs: signatures for its storage, targets, quotas."""

from __future__ import annotations

import trio
from starlette.responses import Response

from gpuqio.blob_files import check_blob_name, check_container_name
from gpuqio.errors import InputError
from gpuqio.facade.solvers import SOLVERS
from gpuqio.remote.protocol import ProviderStatus, Quota, SasRequest, SasResponse, TargetStatus
from gpuqio.server.call import Call, answer, told
from gpuqio.server.names import ALL
from gpuqio.server.refusal import Refusal

__all__ = ["provider_status", "quota_usages", "quotas", "sas_uri"]

PROVIDERS = {"microsoft": "Microsoft", "1qbit": "1QBit", "toshiba": "toshiba", "gpuqio": "gpuqio"}
"""What stands before the first full stop of a target's id, and the provider's id as the service wrote it."""


async def sas_uri(call: Call) -> Response:
    """Sign for a container, or for a blob in it."""
    wanted = await call.body(SasRequest)
    try:
        container = check_container_name(wanted.container_name)
        blob = None if wanted.blob_name is None else check_blob_name(wanted.blob_name)
    except InputError as error:
        raise Refusal(400, "InvalidResourceName", str(error)) from None
    if call.version.container_is_made:
        await trio.to_thread.run_sync(call.files.make_container, container)
    return answer(told(SasResponse(sas_uri=call.addresses.signed(container, blob, ALL))))


async def provider_status(call: Call) -> Response:
    """The targets, by provider, and how long a job waits."""
    wait = call.service.runner.average_wait
    found: dict[str, list[TargetStatus]] = {provider: [] for provider in PROVIDERS.values()}
    for target in (target for solver in SOLVERS for target in solver.target_names):
        status = TargetStatus(id=target, current_availability="Available", average_queue_time=wait)
        found[PROVIDERS[target.partition(".")[0]]].append(status)
    return _page(
        [
            told(ProviderStatus(id=provider, current_availability="Available", targets=targets))
            for provider, targets in found.items()
        ]
    )


async def quotas(call: Call) -> Response:
    """The one limit there is: how many jobs may wait."""
    queue = Quota(
        dimension="unfinished_jobs",
        scope="Subscription",
        provider_id="gpuqio",
        utilization=float(call.service.runner.unfinished),
        holds=0.0,
        limit=float(call.service.limits.queued),
        period="None",
    )
    return _page([told(queue)])


async def quota_usages(call: Call) -> Response:
    """The current service's way to say the same; nothing is metered here."""
    return _page([])


def _page(value: list[dict[str, object]]) -> Response:
    return answer({"value": value, "nextLink": None})
