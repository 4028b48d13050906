"""Where a problem keeps its terms: arrays that grow, and the view of them that looks like a list of `Term`.

Nothing given out ever changes: growth writes behind the part that was shown, every other change writes new arrays.
So `TermStore.block` costs nothing, and whoever holds a block may keep it while the problem goes on changing.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidTerm
from gpuqio.terms import Term, TermArrays, TermBase

__all__ = ["TermBlock", "TermList", "TermStore", "freeze_block", "make_block", "pack_terms"]

_CHUNK = 4096  # terms that stand as objects at one time
_SHOWN = 8  # terms that `repr` writes out

_Scalar = TypeVar("_Scalar", bound=np.generic)


class TermBlock(NamedTuple):
    """Terms as arrays, and which coefficients were given as ints, bool (m,): JSON writes those as ints."""

    arrays: TermArrays
    integral: npt.NDArray[np.bool_]


def freeze_block(
    coefficients: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    integral: npt.NDArray[np.bool_],
) -> TermBlock:
    """A block of these arrays, made read-only."""
    for array in (coefficients, offsets, ids, integral):
        array.flags.writeable = False
    return TermBlock(TermArrays(coefficients, offsets, ids), integral)


def make_block(coefficients: Sequence[int | float], ids: Sequence[Sequence[int]]) -> TermBlock:
    """A block from numbers that were checked before.

    An int beyond 2^53 is rounded to the nearest float64, as the service did; OverflowError beyond the largest one.
    """
    count = len(coefficients)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(np.fromiter(map(len, ids), np.int64, count), out=offsets[1:])
    return freeze_block(
        np.array(coefficients, np.float64),
        offsets,
        np.fromiter(chain.from_iterable(ids), np.int64, int(offsets[-1])),
        np.fromiter((type(c) is int for c in coefficients), np.bool_, count),
    )


def pack_terms(terms: Iterable[TermBase]) -> TermBlock:
    """Terms as arrays; `InvalidTerm` for what is not a `Term`."""
    listed: list[Term] = []
    for position, term in enumerate(terms):
        if not isinstance(term, Term):
            field = f"terms[{position}]"
            raise InvalidTerm(
                f"{field} must be a Term; found {reprlib.repr(term)}. A SlcTerm goes in by add_slc_term.",
                field=field,
                value=term,
                code="AZQ103",
            )
        listed.append(term)
    return make_block([term._c for term in listed], [term._ids for term in listed])


_EMPTY = make_block([], [])


class TermStore:
    """Terms in growable arrays.

    Args:
        distinct: refuse a variable that stands twice in one term, as an ising problem must.
        block: terms to begin with, of which that is known.
    """

    def __init__(self, distinct: bool = False, block: TermBlock = _EMPTY) -> None:
        self._distinct = distinct
        self._pending: list[Term] = []  # appended one by one, not yet in the arrays
        self._block: TermBlock | None
        self._adopt(block)

    def __len__(self) -> int:
        return self._count + len(self._pending)

    @property
    def distinct(self) -> bool:
        return self._distinct

    @distinct.setter
    def distinct(self, value: bool) -> None:
        if value and not self._distinct and len(self):
            _refuse_repeats(self.block().arrays, 0)
        self._distinct = value

    def append(self, term: TermBase) -> None:
        if not isinstance(term, Term) or (self._distinct and len(set(term._ids)) < len(term._ids)):
            self.extend(pack_terms([term]))  # says what is wrong with it
            return
        self._pending.append(term)
        self._block = None
        if len(self._pending) == _CHUNK:
            self._fold()

    def extend(self, block: TermBlock) -> None:
        """Take a block in: all of it, or none where a term is refused."""
        self._check(block)
        self._fold()
        if self._count == 0:
            self._adopt(block)
        else:
            self._write(block)

    def splice(self, start: int, stop: int, block: TermBlock) -> None:
        """Put a block in the place of terms `start` to `stop`."""
        self._check(block)
        old = self.block()
        self._adopt(_join([_part(old, 0, start), block, _part(old, stop, len(self))]))

    def block(self) -> TermBlock:
        """All terms, without a copy."""
        if self._block is None:
            self._fold()
            used = int(self._offsets[self._count])
            self._block = freeze_block(
                self._coefficients[: self._count],
                self._offsets[: self._count + 1],
                self._ids[:used],
                self._integral[: self._count],
            )
        return self._block

    def _check(self, block: TermBlock) -> None:
        if self._distinct:
            _refuse_repeats(block.arrays, len(self))

    def _fold(self) -> None:
        if self._pending:
            self._write(pack_terms(self._pending))
            self._pending = []

    def _adopt(self, block: TermBlock) -> None:
        self._block = block
        self._count = len(block.arrays)
        self._coefficients = block.arrays.coefficients
        self._offsets = block.arrays.offsets
        self._ids = block.arrays.ids
        self._integral = block.integral

    def _write(self, block: TermBlock) -> None:
        used = int(self._offsets[self._count])
        self._coefficients = _put(self._coefficients, self._count, block.arrays.coefficients)
        self._integral = _put(self._integral, self._count, block.integral)
        self._offsets = _put(self._offsets, self._count + 1, block.arrays.offsets[1:] + used)
        self._ids = _put(self._ids, used, block.arrays.ids)
        self._count += len(block.arrays)
        self._block = None


class TermList(MutableSequence[Term]):
    """The terms of a problem, looking like the SDK's list of `Term`; changes go to the problem.

    Terms are made when read, and are copies. Slices that are assigned or deleted step by 1.
    """

    def __init__(self, store: TermStore) -> None:
        self._store = store

    def block(self) -> TermBlock:
        """The same terms as arrays."""
        return self._store.block()

    def __len__(self) -> int:
        return len(self._store)

    @overload
    def __getitem__(self, index: int) -> Term: ...
    @overload
    def __getitem__(self, index: slice) -> list[Term]: ...
    def __getitem__(self, index: int | slice) -> Term | list[Term]:
        if isinstance(index, slice) and index.step not in (None, 1):
            return list(self)[index]
        start, stop = self._range(index)
        terms = list(_unpack(_part(self.block(), start, stop)))
        return terms if isinstance(index, slice) else terms[0]

    @overload
    def __setitem__(self, index: int, value: Term) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[Term]) -> None: ...
    def __setitem__(self, index: int | slice, value: Term | Iterable[Term]) -> None:
        start, stop = self._range(index)
        new: Any = value if isinstance(index, slice) else [value]
        self._store.splice(start, stop, pack_terms(new))

    def __delitem__(self, index: int | slice) -> None:
        start, stop = self._range(index)
        self._store.splice(start, stop, pack_terms([]))

    def __iter__(self) -> Iterator[Term]:
        block = self.block()
        for start in range(0, len(block.arrays), _CHUNK):
            yield from _unpack(_part(block, start, start + _CHUNK))

    def insert(self, index: int, value: Term) -> None:
        start, _ = self._range(slice(index, None))
        self._store.splice(start, start, pack_terms([value]))

    def append(self, value: Term) -> None:
        self._store.append(value)

    def extend(self, values: Iterable[Term]) -> None:
        self._store.extend(values.block() if isinstance(values, TermList) else pack_terms(values))

    def sort(self, *, key: Callable[[Term], Any], reverse: bool = False) -> None:
        self[:] = sorted(self, key=key, reverse=reverse)

    def copy(self) -> list[Term]:
        return list(self)

    def __add__(self, other: Iterable[Term]) -> list[Term]:
        return [*self, *other]

    def __radd__(self, other: Iterable[Term]) -> list[Term]:
        return [*other, *self]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (TermList, list)):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        more = len(self) - _SHOWN
        shown = ", ".join(map(repr, self[:_SHOWN]))
        return f"[{shown}, ... {more} more]" if more > 0 else f"[{shown}]"

    def _range(self, index: int | slice) -> tuple[int, int]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise ValueError(f"The terms of a problem are sliced in steps of 1, not {step}; take list(terms).")
            return start, max(start, stop)
        position = range(len(self))[index]
        return position, position + 1


def _refuse_repeats(arrays: TermArrays, first: int) -> None:
    """Raise for the first term in which a variable stands twice; `first` is the place of the block in its problem."""
    degrees = arrays.offsets[1:] - arrays.offsets[:-1]
    repeats: list[int] = []
    for degree in np.flatnonzero(np.bincount(degrees)[2:]) + 2:
        places = np.flatnonzero(degrees == degree)
        ids = np.sort(arrays.ids[arrays.offsets[places][:, None] + np.arange(degree)], axis=1)
        repeats.extend(places[(ids[:, 1:] == ids[:, :-1]).any(axis=1)][:1].tolist())
    if repeats:
        place = min(repeats)
        ids = arrays.ids[arrays.offsets[place] : arrays.offsets[place + 1]]
        field = f"terms[{first + place}].ids"
        raise InvalidTerm(
            f"Duplicated ids detected in term! {field} is {reprlib.repr(ids.tolist())}; in an ising problem a variable "
            "stands once in a term.",
            field=field,
            value=ids.tolist(),
            code="AZQ101",
        )


def _part(block: TermBlock, start: int, stop: int) -> TermBlock:
    offsets = block.arrays.offsets[start : stop + 1]
    return freeze_block(
        block.arrays.coefficients[start:stop],
        offsets - offsets[0],
        block.arrays.ids[offsets[0] : offsets[-1]],
        block.integral[start:stop],
    )


def _join(blocks: Sequence[TermBlock]) -> TermBlock:
    degrees = np.concatenate([np.diff(block.arrays.offsets) for block in blocks])
    return freeze_block(
        np.concatenate([block.arrays.coefficients for block in blocks]),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(degrees)]),
        np.concatenate([block.arrays.ids for block in blocks]),
        np.concatenate([block.integral for block in blocks]),
    )


def _unpack(block: TermBlock) -> Iterator[Term]:
    ids, offsets = block.arrays.ids.tolist(), block.arrays.offsets.tolist()
    coefficients = zip(block.arrays.coefficients.tolist(), block.integral.tolist(), strict=True)
    for t, (c, integral) in enumerate(coefficients):
        yield Term._trusted(int(c) if integral else c, ids[offsets[t] : offsets[t + 1]])


def _put(buffer: npt.NDArray[_Scalar], used: int, values: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    """`values` stored behind the first `used` entries, in a buffer twice as large where this one is full."""
    end = used + len(values)
    if end > len(buffer):
        larger = np.empty(max(end, 2 * len(buffer)), buffer.dtype)
        larger[:used] = buffer[:used]
        buffer = larger
    if len(values):  # a buffer that is exactly full may be read-only
        buffer[used:end] = values
    return buffer
