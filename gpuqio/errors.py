"""Every exception gpuqio raises, by whose fault it is.

    GpuqioError
    ├── InputError (ValueError)                 yours: something you passed in
    │   ├── InvalidProblem                      a problem, a term, a configuration
    │   │   ├── InvalidTerm (RuntimeError)      a term; the SDK raises RuntimeError here
    │   │   ├── InvalidJson (JSONDecodeError)   text that is not JSON
    │   │   ├── MissingField (KeyError)         JSON that lacks what makes it a problem
    │   │   └── UnknownVariable (KeyError)      a configuration lacks a variable
    │   ├── InvalidParameter                    a solver parameter (AZQ code in `code`)
    │   └── InvalidFile                         a file that is not what its name says
    ├── QueueFull                               yours: more jobs than the queue admits; wait, or use `submit`
    ├── JobNotFound (KeyError)                  yours: no such job in this workspace
    ├── SessionNotFound (KeyError)              yours: no such session in this workspace
    ├── BlobNotFound (KeyError)                 yours: no such blob or container, or no longer
    ├── BlobExists (FileExistsError)            yours: a blob of that name is there, and is not replaced
    ├── JobFailed (RuntimeError)                a job that did not succeed was asked for its results
    ├── WaitTimeout (TimeoutError)              the job was not done when you stopped waiting for it
    ├── EngineUnavailable (RuntimeError)        this machine lacks what the engine needs
    ├── BackendUnavailable (RuntimeError)       this installation can't reach that backend
    ├── RemoteError (RuntimeError)              a remote workspace refused a call, or gave no answer (`status`, `code`)
    │   └── AuthenticationFailed                it does not accept the credential, or there is none
    └── PortalError (RuntimeError)              the background thread can't be used from here

Input errors name the field and the value; nothing of the refused input is kept.
"""

from __future__ import annotations

from json import JSONDecodeError

__all__ = [
    "AuthenticationFailed",
    "BackendUnavailable",
    "BlobExists",
    "BlobNotFound",
    "EngineUnavailable",
    "GpuqioError",
    "InputError",
    "InvalidFile",
    "InvalidJson",
    "InvalidParameter",
    "InvalidProblem",
    "InvalidTerm",
    "JobFailed",
    "JobNotFound",
    "MissingField",
    "PortalError",
    "QueueFull",
    "RemoteError",
    "SessionNotFound",
    "UnknownVariable",
    "WaitTimeout",
]


class GpuqioError(Exception):
    """The root: catch this to catch everything gpuqio raises on purpose."""

    def __str__(self) -> str:  # KeyError would print its message in quotes
        return str(self.args[0]) if self.args else ""


class InputError(GpuqioError, ValueError):
    """Something passed in was refused.

    Attributes:
        field: which part of the input, as a path (``"cost_function.terms[3].c"``).
        value: what stood there.
        code: the service's error code (``"AZQ107"``), where it had one.
    """

    def __init__(self, message: str, *, field: str = "", value: object = None, code: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.value = value
        self.code = code


class InvalidProblem(InputError):
    """A problem, term or configuration that has no meaning as a cost function."""


class InvalidTerm(InvalidProblem, RuntimeError):
    """A term was refused. Also a RuntimeError, because the SDK raises that."""


class InvalidJson(InvalidProblem, JSONDecodeError):
    """Text that is not JSON. Takes the arguments of the standard library's JSONDecodeError, and says where."""

    def __init__(self, msg: str, doc: str, pos: int) -> None:
        JSONDecodeError.__init__(self, msg, doc, pos)
        self.field = ""
        self.value = None
        self.code = "AZQ105"


class MissingField(InvalidProblem, KeyError):
    """JSON without a cost function, or without a known type of one."""


class UnknownVariable(InvalidProblem, KeyError):
    """A configuration gives no value for a variable of the problem."""


class InvalidParameter(InputError):
    """A solver parameter of the wrong type or out of its range."""


class InvalidFile(InputError):
    """A file could not be read as the format it was taken for."""


class QueueFull(GpuqioError):
    """The queue is at its bound. Wait for jobs to finish, or `submit`, which waits for room."""


class JobNotFound(GpuqioError, KeyError):
    """This workspace knows no job of that id."""


class SessionNotFound(GpuqioError, KeyError):
    """This workspace knows no session of that id."""


class BlobNotFound(GpuqioError, KeyError):
    """Nothing lies at that URI: it was never put there, or its time was up."""


class BlobExists(GpuqioError, FileExistsError):
    """A blob of that name is there already. Choose another name; what is there is never overwritten."""


class JobFailed(GpuqioError, RuntimeError):
    """Results were asked of a job that failed or was cancelled."""


class WaitTimeout(GpuqioError, TimeoutError):
    """The job had not ended within the time you were willing to wait."""


class EngineUnavailable(GpuqioError, RuntimeError):
    """The engine asked for can't run here; the message says what is missing."""


class BackendUnavailable(GpuqioError, RuntimeError):
    """The backend asked for can't be reached from this installation."""


class RemoteError(GpuqioError, RuntimeError):
    """A remote workspace refused a call, or gave no answer within the time.

    Attributes:
        status: the HTTP status, 0 where there was no answer.
        code: the service's word for it, such as ``"JobNotFound"``; "" where it gave none.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class AuthenticationFailed(RemoteError):
    """The remote workspace does not accept the credential, or none could be had."""


class PortalError(GpuqioError, RuntimeError):
    """The background thread can't serve this call: after a fork, after close, or from its own thread."""
