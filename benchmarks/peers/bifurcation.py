"""simulated-bifurcation: ballistic and discrete simulated bifurcation as dense matrix products in PyTorch.

    pip install torch --index-url https://download.pytorch.org/whl/cpu && pip install simulated-bifurcation

The CPU build of torch: the other brings gigabytes, and pins another NVRTC than the tests of our kernels do.
A step moves all n particles of all agents at once: that is not an attempted flip at a temperature. The pressure is
raised so that it is full after the steps given; as the package has it, that takes 1000 of them at least.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from benchmarks.instances import Instance
from benchmarks.peers.base import Settings, Solver, States
from benchmarks.peers.ising import Ising, ising

__all__ = ["Ballistic", "Discrete"]


class Model(NamedTuple):
    """Tensors of one problem, and what it was."""

    couplings: Any
    fields: Any
    ising: Ising


class Ballistic(Solver):
    """Particles feel each other's positions."""

    name: ClassVar[str] = "simulated-bifurcation bSB"
    packages = ("torch", "simulated_bifurcation")
    unit = "steps"
    shapes = ("-",)
    mode: ClassVar[str] = "ballistic"

    def granularity(self, instance: Instance) -> int:
        return 16

    def load(self, instance: Instance) -> Model:
        import torch

        model = ising(instance)
        halves = torch.as_tensor(model.matrix() / 2, dtype=torch.float32)
        return Model(halves, torch.as_tensor(model.fields, dtype=torch.float32), model)

    def call(self, model: Model, settings: Settings) -> Any:
        import simulated_bifurcation
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(settings.seed)
        simulated_bifurcation.set_env(pressure_slope=10.0 / settings.sweeps)
        states, _ = simulated_bifurcation.minimize(
            model.couplings,
            model.fields,
            domain="spin",
            dtype=torch.float32,
            agents=settings.reads,
            max_steps=settings.sweeps,
            mode=self.mode,
            verbose=False,
            best_only=False,
            early_stopping=False,
        )
        return states

    def states(self, model: Model, returned: Any) -> States:
        return model.ising.values(returned.numpy().reshape(-1, model.ising.num_variables))


class Discrete(Ballistic):
    """Particles feel each other's signs."""

    name: ClassVar[str] = "simulated-bifurcation dSB"
    mode: ClassVar[str] = "discrete"
