"""Terms from NumPy's npz files: one integer array for each place in a term, one array of coefficients."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from os import PathLike

import numpy as np

from gpuqio.errors import InvalidFile, InvalidProblem
from gpuqio.matrices import read_ids, read_numbers
from gpuqio.term_store import TermList, TermStore, freeze_block

__all__ = ["COEFFICIENTS", "INDICES", "is_valid", "read_terms"]

INDICES = ("arr_0", "arr_1")  # the names that np.savez gives
COEFFICIENTS = "arr_2"


def is_valid(files: Sequence[str], indices: Sequence[str], coefficients: str) -> bool:
    """True if `files` are exactly these arrays, in any order."""
    return sorted(files) == sorted([*indices, coefficients])


def read_terms(path: str | PathLike[str], indices: Sequence[str], coefficients: str) -> TermList:
    """The terms in the file. Raises `InvalidFile`."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise InvalidProblem("it holds one array without a name")
        with loaded as file:
            if not is_valid(file.files, indices, coefficients):
                raise InvalidFile(
                    "Error in validating NPZ file. Please check that the names of the arrays match the default or "
                    f"user-supplied namings: {[*indices, coefficients]}; found {file.files}.",
                    field=str(path),
                    value=file.files,
                )
            numbers = read_numbers(file[coefficients], coefficients, 1).astype(np.float64)
            ids = np.stack([read_ids(file[name], name, len(numbers)) for name in indices], axis=1)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, InvalidFile):
            raise
        field = f"{path}: {error.field}" if isinstance(error, InvalidProblem) else str(path)
        raise InvalidFile(
            f"Unable to read NPZ file. Please check the file path supplied is correct. {path}: {error}", field=field
        ) from error
    count, degree = ids.shape
    block = freeze_block(numbers, np.arange(count + 1) * degree, ids.ravel(), np.zeros(count, np.bool_))
    return TermList(TermStore(block=block))
