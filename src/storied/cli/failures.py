"""Failures: what an error means to a shell, and how it is said. The exit codes are part of the public API."""

from __future__ import annotations

from storied.cli.escaping import visible, visible_json
from storied.errors import (
    AccessDenied,
    AppendIdReused,
    Conflict,
    DecodeError,
    DefinitionError,
    InvalidInput,
    InvalidQuery,
    NotIndexed,
    Rejected,
    StoreError,
    StoriedError,
    UnknownOutcome,
    ViewError,
)


class UsageProblem(StoriedError):
    """What was typed cannot be understood."""

    default_code = "usage"


class NotFound(StoriedError):
    """There is no such thing in the store."""

    default_code = "not-found"


class DoesNotDecode(StoriedError):
    """The store holds events that the code cannot read; which ones has been printed."""

    default_code = "does-not-decode"


class FaultsFound(StoriedError):
    """The store was checked, and something is wrong with it; what it is has been printed."""

    default_code = "faults-found"


class StillParked(StoriedError):
    """Keys were retried, and some are parked again; which ones has been printed."""

    default_code = "still-parked"


REFUSED, USAGE, UNAVAILABLE, CONFLICT, UNKNOWN, UNANSWERED, DENIED, BUG = 1, 2, 3, 4, 5, 6, 7, 70
INTERRUPTED, PIPE_CLOSED = 130, 141

MEANINGS = {
    0: "done",
    REFUSED: "refused (what cannot be stored), not found (get, state, history), or faulty (verify, check)",
    USAGE: "what was typed cannot be understood: an option, a value, a name, the app; nothing was done",
    UNAVAILABLE: "the store cannot be opened or used: absent, locked, damaged, the disk full",
    CONFLICT: "conflict: the append condition does not hold, or the append id has other content; nothing was stored",
    UNKNOWN: "unknown outcome: the append may or may not be stored; repeat it with its append id",
    UNANSWERED: "a view cannot answer: not caught up, failed, keys parked again; or an event does not decode",
    DENIED: "the rules of the app do not allow this to who asks, or the token does not hold; nothing was done",
    BUG: "a bug in storied",
    INTERRUPTED: "interrupted with Ctrl-C",
    PIPE_CLOSED: "the reader of the output went away (| head)",
}

_CODES: tuple[tuple[type[Exception], int], ...] = (  # the first that fits
    (UsageProblem, USAGE),
    (InvalidQuery, USAGE),
    (NotIndexed, USAGE),
    (DefinitionError, USAGE),
    (AccessDenied, DENIED),
    (NotFound, REFUSED),
    (FaultsFound, REFUSED),
    (DoesNotDecode, REFUSED),
    (Rejected, REFUSED),
    (InvalidInput, REFUSED),
    (Conflict, CONFLICT),
    (AppendIdReused, CONFLICT),
    (UnknownOutcome, UNKNOWN),
    (StoreError, UNAVAILABLE),
    (ViewError, UNANSWERED),
    (StillParked, UNANSWERED),
    (DecodeError, UNANSWERED),
)


def exit_code(error: Exception) -> int:
    """What the process exits with after this error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), BUG)


def sentence(error: Exception, *, json: bool) -> str:
    """The error as one line: a sentence, or ``{"error": code, "message": …}``."""
    if isinstance(error, StoriedError):
        code, message = error.code, error.message
    else:
        code = "bug"
        message = (
            f"storied failed in a way it should not: {type(error).__name__}: {error}. "
            "Run it again with --debug and report what it prints."
        )
    return visible_json({"error": code, "message": message}) if json else f"storied: {visible(message)}"
