"""gpuqio as a service: Azure Quantum's data plane over HTTP, in front of the local scheduler."""
