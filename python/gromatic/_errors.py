"""The exceptions of the package: one class for each status of the library."""
from __future__ import annotations

from typing import TYPE_CHECKING

from . import _abi

if TYPE_CHECKING:
    from ._results import Answer


class GromaticError(Exception):
    """A failure that the library describes: what was found, what was wanted, what to do.

    ``code`` is the short name of the JSON output ("image_truncated"). ``answer`` is what had been said when an answer
    was cut short by a deadline, a full context or by being cancelled, else None.
    """

    code: str = "error"

    def __init__(self, message: str, answer: Answer | None = None):
        super().__init__(message)
        self.message = message
        self.answer = answer

    def __str__(self) -> str:
        return self.message


class ArgumentError(GromaticError, ValueError):
    """What the caller gave is wrong."""

    code = "bad_argument"


class ClosedError(ArgumentError):
    """The object was closed before."""


class ForkError(GromaticError, RuntimeError):
    """The object was made before this process was forked: its threads are in the parent only."""

    code = "forked"


class NotFoundError(GromaticError, FileNotFoundError):
    """A file does not exist."""

    code = "file_not_found"


class ReadError(GromaticError, OSError):
    """A file cannot be read or written."""

    code = "io_error"


class ModelError(GromaticError):
    """A model file is damaged, or of the wrong kind."""

    code = "model_invalid"


class ImageError(GromaticError, ValueError):
    """A picture cannot be read: ``code`` is image_unsupported, image_truncated or image_too_large."""

    code = "image_unsupported"


class OutOfMemoryError(GromaticError, MemoryError):
    """There is no memory, or the engine's limit is reached."""

    code = "out_of_memory"


class ContextFullError(GromaticError):
    """Prompt and answer need more positions than the model has."""

    code = "context_full"


class CancelledError(GromaticError):
    """The work was cancelled."""

    code = "cancelled"


class BusyError(GromaticError):
    """The engine's queue is full: try again later."""

    code = "busy"


class DeadlineError(GromaticError, TimeoutError):
    """The timeout passed."""

    code = "timeout"


_CLASSES = {
    _abi.GM_ERR_ARGUMENT: ArgumentError, _abi.GM_ERR_FILE_NOT_FOUND: NotFoundError, _abi.GM_ERR_IO: ReadError,
    _abi.GM_ERR_MODEL: ModelError, _abi.GM_ERR_IMAGE_UNSUPPORTED: ImageError,
    _abi.GM_ERR_IMAGE_TRUNCATED: ImageError, _abi.GM_ERR_IMAGE_TOO_LARGE: ImageError,
    _abi.GM_ERR_MEMORY: OutOfMemoryError, _abi.GM_ERR_CONTEXT_FULL: ContextFullError,
    _abi.GM_ERR_CANCELLED: CancelledError, _abi.GM_ERR_BUSY: BusyError, _abi.GM_ERR_TIMEOUT: DeadlineError,
}


def error_of(status: int, code: str, message: str, answer: Answer | None = None) -> GromaticError:
    """The exception for a status of the library."""
    error = _CLASSES.get(status, GromaticError)(message, answer)
    error.code = code
    return error
