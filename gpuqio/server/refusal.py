"""Why a call is refused: an exception that becomes the answer."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """Ends a call with an answer other than the one asked for.

    Attributes:
        status: of HTTP.
        code: the service's word for it, such as ``"JobNotFound"``.
        message: a sentence for the client's user.
        retry_after: seconds after which it may be tried again; None where that is of no use.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
