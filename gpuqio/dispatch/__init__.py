"""Hybrid dispatch: policies that say whether a job is done on this machine, remotely, or both, and what that may cost.

    backend = Overflow(max_wait=10, budget=Budget(cost=50)).over(local, remote)

"Remote" is any backend: an Azure Quantum workspace, or a gpuqio server.
"""

from gpuqio.dispatch.account import Account
from gpuqio.dispatch.backend import DispatchBackend, DispatchStatistics
from gpuqio.dispatch.decision import Breaker, Budget, Place, Spent, View
from gpuqio.dispatch.policies import LocalOnly, Overflow, Policy, Race, RemoteOnly

__all__ = [
    "Account",
    "Breaker",
    "Budget",
    "DispatchBackend",
    "DispatchStatistics",
    "LocalOnly",
    "Overflow",
    "Place",
    "Policy",
    "Race",
    "RemoteOnly",
    "Spent",
    "View",
]
