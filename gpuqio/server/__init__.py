"""gpuqio as a service: Azure Quantum's data plane over HTTP, in front of the local scheduler."""

from importlib.metadata import version

__all__ = ["VERSION"]

VERSION = version("gpuqio")
