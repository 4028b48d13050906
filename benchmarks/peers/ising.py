"""An instance as fields and couplings of spins, the form that the peers' compiled functions take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.instances import Instance

__all__ = ["Ising", "ising"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ising:
    """The sum of fields[i] s[i] and couplings[m] s[rows[m]] s[columns[m]], plus the offset.

    Attributes:
        fields: float64 (n,).
        rows, columns: int32 (m,), different from each other in every place.
        couplings: float64 (m,).
        offset: a constant.
        spins: whether the instance was of spins; else its bits are (s + 1) / 2.
    """

    fields: Floats
    rows: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]
    couplings: Floats
    offset: float
    spins: bool

    @property
    def num_variables(self) -> int:
        return len(self.fields)

    def values(self, spins: npt.NDArray[np.generic]) -> npt.NDArray[np.int8]:
        """States of spins in the instance's own values."""
        states = spins.astype(np.int8)
        return states if self.spins else (states + 1) // 2

    def matrix(self) -> Floats:
        """(n, n) symmetric couplings, each pair's whole coupling in both places."""
        dense = np.zeros((self.num_variables, self.num_variables))
        np.add.at(dense, (self.rows, self.columns), self.couplings)
        return dense + dense.T


def ising(instance: Instance) -> Ising:
    """`instance`, which has terms of two variables, in spins; bits are (s + 1) / 2."""
    if instance.ids.shape[1] != 2:
        raise ValueError(f"{instance.name} has terms of {instance.ids.shape[1]} variables; an Ising model has pairs.")
    n, c = instance.num_variables, instance.coefficients
    rows, columns = instance.ids.T
    if instance.kind == "ising":
        return Ising(np.zeros(n), rows.astype(np.int32), columns.astype(np.int32), c, 0.0, True)
    apart = rows != columns
    quarter, half = c[apart] / 4, c[~apart] / 2
    fields = np.zeros(n)
    for where, what in ((rows[apart], quarter), (columns[apart], quarter), (rows[~apart], half)):
        np.add.at(fields, where, what)
    pairs = rows[apart].astype(np.int32), columns[apart].astype(np.int32)
    return Ising(fields, *pairs, quarter, float(quarter.sum() + half.sum()), False)
