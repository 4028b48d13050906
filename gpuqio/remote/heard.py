"""What has been heard of jobs: the last record of each, of ended ones as long as there is room."""

from __future__ import annotations

from collections import OrderedDict

from gpuqio.backend import JobRecord
from gpuqio.errors import InvalidParameter, JobNotFound

__all__ = ["Heard"]

KEPT_JOBS = 100_000
KEPT_BYTES = 2**30


class Heard:
    """Records by id, in the order in which they were first heard of.

    Of the ended ones it keeps the last `kept_jobs`, and no more than `kept_bytes` of results; it forgets the oldest
    first, and always keeps the last one. What is forgotten can be fetched again.
    """

    def __init__(self, kept_jobs: int = KEPT_JOBS, kept_bytes: int = KEPT_BYTES) -> None:
        self.kept_jobs = kept_jobs
        self.kept_bytes = kept_bytes
        self._records: dict[str, JobRecord] = {}
        self._ended: OrderedDict[str, int] = OrderedDict()
        self._bytes = 0

    def __getitem__(self, job_id: str) -> JobRecord:
        try:
            return self._records[job_id]
        except KeyError:
            raise JobNotFound(f"No job with the id {job_id!r} has been heard of here; fetch it.") from None

    def get(self, job_id: str) -> JobRecord | None:
        return self._records.get(job_id)

    def __len__(self) -> int:
        return len(self._records)

    def all(self) -> list[JobRecord]:
        """All records, oldest first."""
        return list(self._records.values())

    def check_new(self, job_id: str) -> None:
        """Raise `InvalidParameter` if the id is taken."""
        if job_id in self._records:
            raise InvalidParameter(
                f"A job with the id {job_id!r} has been submitted already; give each job an id of its own.",
                field="job_id",
                value=job_id,
            )

    def note(self, record: JobRecord) -> JobRecord:
        """Keep a record in place of an older one of its job, and return it."""
        self._records[record.id] = record
        if record.status.is_final:
            self._bytes += _size(record) - self._ended.pop(record.id, 0)
            self._ended[record.id] = _size(record)
            while len(self._ended) > self.kept_jobs or (self._bytes > self.kept_bytes and len(self._ended) > 1):
                job_id, size = self._ended.popitem(last=False)
                self._bytes -= size
                del self._records[job_id]
        return record


def _size(record: JobRecord) -> int:
    """What a record takes, nearly: the arrays, and 1 KiB a result for the objects around them."""
    return 1024 + sum(1024 + r.variables.nbytes + r.states.nbytes + r.costs.nbytes for r in record.results or ())
