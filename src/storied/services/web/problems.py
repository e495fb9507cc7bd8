"""Errors as RFC 9457 problem details: one table says which status and title each error has.

An error is found by its code, then by its class. What the server has to answer for tells a client nothing of its
insides: the table's own sentence stands in the place of the error's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from storied import errors
from storied.errors import StoriedError
from storied.services.web.http import Header, Request, Response

TYPE_PREFIX = "urn:storied:problem:"
MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `detail` stands in the place of the error's message; `retry_after` is in seconds.

    `unsure` says that a command may be stored all the same: the answer then has the key to repeat the request under.
    """

    type: str
    status: int
    title: str
    detail: str | None = None
    retry_after: int | None = None
    unsure: bool = False


_REPEAT = (
    "The command may or may not be stored. Repeat the same request with this Idempotency-Key: if it is stored, you get "
    "its answer, and otherwise it is executed now."
)
_LATER = "Nothing was done. Try again in a moment."
_OURS = "The server is at fault, not the request. Tell its operator the request id."

BY_CODE = {
    problem.type: problem
    for problem in (
        Problem(type="bad-path", status=400, title="The path is not well-formed"),
        Problem(type="bad-query", status=400, title="The query string is not well-formed"),
        Problem(type="bad-header", status=400, title="A header is not well-formed"),
        Problem(type="not-json", status=400, title="The body is not well-formed JSON"),
        Problem(type="invalid-fields", status=400, title="Some fields are not as they must be"),
        Problem(type="unauthenticated", status=401, title="Who you are is not known"),
        Problem(
            type="no-keys",
            status=503,
            title="Tokens cannot be verified now",
            detail="The identity provider's keys could not be fetched yet. Nothing was done. Try again in a moment.",
            retry_after=30,
        ),
        Problem(type="forbidden", status=403, title="This is not for you"),
        Problem(type="bad-origin", status=403, title="The page that sent this is not one of ours"),
        Problem(type="unknown-parameter", status=400, title="A parameter means nothing here"),
        Problem(type="bad-parameter", status=400, title="A parameter's value cannot be"),
        Problem(type="bad-cursor", status=400, title="The cursor does not go on with this"),
        Problem(type="not-indexed", status=400, title="The view has no index for this"),
        Problem(type="not-found", status=404, title="There is nothing here"),
        Problem(type="method-not-allowed", status=405, title="This path does not take the method"),
        Problem(type="not-acceptable", status=406, title="There is no such representation"),
        Problem(type="too-slow", status=408, title="The body did not arrive in time"),
        Problem(type="head-too-slow", status=408, title="The head did not arrive in time"),
        Problem(type="disconnected", status=400, title="The client went away"),
        Problem(type="unknown-position", status=412, title="The log has not reached this position"),
        Problem(type="outdated", status=412, title="Something came in between"),
        Problem(type="too-large", status=413, title="This is too large"),
        Problem(type="unsupported-media-type", status=415, title="The body is in another format"),
        Problem(type="bad-host", status=421, title="This server does not answer for the host"),
        Problem(type="uri-too-long", status=414, title="The URL is too long"),
        Problem(type="headers-too-large", status=431, title="The headers are too large"),
        Problem(type="not-implemented", status=501, title="This server does not do that"),
        Problem(type="version-not-supported", status=505, title="This server does not speak this version of HTTP"),
        Problem(type="deadline", status=503, title="It took too long", retry_after=1, unsure=True),
        Problem(type="too-many-requests", status=429, title="Too many requests"),
        Problem(type="too-many-client-streams", status=429, title="You have too many streams open", retry_after=10),
        Problem(
            type="too-many-streams",
            status=503,
            title="Too many streams are open",
            detail="As many streams are open as this server allows. Come again later, or ask without a stream.",
            retry_after=10,
        ),
        Problem(
            type="past-unfinished",
            status=503,
            title="The past is not worked out yet",
            detail="This takes longer than one question may. Ask again: it goes on from where it is.",
            retry_after=1,
        ),
        Problem(
            type="past-busy",
            status=503,
            title="Too many ask about the past",
            detail="Too many others wait for a past of some view. Ask again in a moment.",
            retry_after=5,
        ),
        Problem(
            type="past-too-large",
            status=503,
            title="The past is too large",
            detail="All documents as of then take more memory than this server allows. Ask for single ones.",
        ),
        Problem(
            type="no-read-models",
            status=503,
            title="The read models are not there yet",
            detail="Nothing keeps the views yet that this asks for. Ask again in a moment.",
            retry_after=2,
        ),
        Problem(
            type="other-log",
            status=503,
            title="The read models are of another log",
            detail="What could be answered is of another log than the one that is there, so it is not. Ask again in a "
            "moment: what there is now is being read, or its operator has to put the right one back.",
            retry_after=2,
        ),
        Problem(
            type="no-log",
            status=503,
            title="The log is not there",
            detail="The past, and histories, need the log, which is not there. The present is answered without it.",
            retry_after=10,
        ),
    )
}
"""By the error's code."""

BY_CLASS: dict[type[BaseException], Problem] = {
    errors.Rejected: Problem(type="rejected", status=422, title="The command was refused by a rule"),
    errors.Conflict: Problem(
        type="conflict",
        status=409,
        title="Others were quicker each time",
        detail="Others changed the same thing in each of our attempts. Nothing was stored. Try again in a moment.",
        retry_after=1,
    ),
    errors.UnknownOutcome: Problem(
        type="unknown-outcome",
        status=503,
        title="Whether it was stored is not known",
        detail="Something may or may not be stored. See what is there, and repeat what is not.",
        retry_after=1,
        unsure=True,
    ),
    errors.AppendIdReused: Problem(
        type="idempotency-key-reused",
        status=422,
        title="The Idempotency-Key stands for another request",
        detail="Another request was executed under this key before, and what came of it is stored, up to the position "
        "that is told here. This one was not executed. See what is there: if it is what you want, you are done. Take a "
        "new key only for what shall be done beside it.",
    ),
    errors.InvalidInput: Problem(type="invalid", status=400, title="This cannot be stored or asked"),
    errors.NotCaughtUp: Problem(
        type="not-caught-up",
        status=503,
        title="The view has not seen the position yet",
        detail="What you have seen or written is not in the view yet, and nothing older is given instead. Ask again.",
        retry_after=1,
    ),
    errors.KeyParked: Problem(
        type="key-parked",
        status=503,
        title="The document is held back",
        detail="The document stopped at an event that its view could not take. It is as it was before that event.",
        retry_after=30,
    ),
    errors.ViewFailed: Problem(
        type="view-failed",
        status=503,
        title="The view has stopped",
        detail="The view stopped at an event that its code cannot take. Its operator has to mend it.",
        retry_after=30,
    ),
    errors.ViewRebuilding: Problem(
        type="view-rebuilding",
        status=503,
        title="The view is being rebuilt",
        detail="The view cannot answer this before its new read model is built. Ask again later.",
        retry_after=10,
    ),
    errors.StoreUnavailable: Problem(
        type="store-unavailable", status=503, title="The store is not available", detail=_LATER, retry_after=2
    ),
    errors.StoreFenced: Problem(
        type="store-fenced", status=503, title="The store takes no writes now", detail=_LATER, retry_after=10
    ),
    errors.StoreClosed: Problem(
        type="store-closed", status=503, title="The service is closing", detail=_LATER, retry_after=2
    ),
    errors.RequestRefused: Problem(type="bad-request", status=400, title="The request is not well-formed"),
    BaseException: Problem(type="internal", status=500, title="The server failed", detail=_OURS, unsure=True),
}
"""By the error's class, or the nearest one that it derives from."""

_MOVED = msgspec.structs.replace(
    BY_CLASS[errors.StoreFenced],
    detail="Nothing was done. No command is taken before the operator of this server has seen to the store.",
)
"""Of a store that was moved away: it does not come back by itself, as one does whose disk failed."""


def problem_of(error: BaseException) -> Problem:
    """The row of the table that the error has."""
    if isinstance(error, errors.StoreFenced) and error.moved:
        return _MOVED
    if isinstance(error, StoriedError) and not isinstance(error, errors.Rejected):
        by_code = BY_CODE.get(error.code)
        if by_code is not None:
            return by_code
    return next(BY_CLASS[cls] for cls in type(error).__mro__ if cls in BY_CLASS)


def problem_response(error: BaseException, request: Request | None = None) -> Response:
    """The problem details that tell a client of the error."""
    problem = problem_of(error)
    content: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail or _clean(str(error)),
        "code": _clean(error.code) if isinstance(error, StoriedError) and problem.status < 500 else problem.type,
    }
    if request is not None and request.request_id:
        content["request_id"] = request.request_id
    headers: list[Header] = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
    if problem.retry_after is not None:
        headers.append((b"retry-after", b"%d" % problem.retry_after))
    if problem.unsure and request is not None and request.repeat_key is not None:
        content["detail"] = _REPEAT if problem.detail != _OURS else f"{_OURS} {_REPEAT}"
        content["idempotency_key"] = request.repeat_key
        headers.append((b"idempotency-key", request.repeat_key.encode()))
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    content |= _more(error)
    if isinstance(error, errors.NotCaughtUp | errors.AppendIdReused):
        headers.append((b"storied-position", b"%d" % error.position))
    if isinstance(error, errors.RequestRefused):
        headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers.items()]
    return Response(problem.status, msgspec.json.encode(content, enc_hook=repr), headers)


def _more(error: BaseException) -> dict[str, Any]:
    """What an error tells beside its sentence."""
    match error:
        case errors.Rejected():
            return {"data": _encodable(error.data)} if error.data else {}
        case errors.RequestRefused():
            return error.data
        case errors.Outdated():
            between = [{"position": e.position, "type": e.type, "actor": e.actor} for e in error.between]
            return {"seen": error.seen, "between": between, "more": error.more}
        case errors.NotCaughtUp():
            return {"view": error.view, "wanted": error.wanted, "position": error.position}
        case errors.AppendIdReused():
            return {"position": error.position}
        case errors.KeyParked():
            return {"view": error.view, "key": error.key, "position": error.position}
        case _:
            return {}


def _clean(text: str) -> str:
    """The text as UTF-8 can carry it: a handler may have put half a surrogate into its sentence."""
    return text.encode("utf-8", "replace").decode()


def _encodable(data: dict[str, Any]) -> Any:
    """The data of a rejection as far as JSON can hold it: a handler may put anything there."""
    try:
        return msgspec.Raw(msgspec.json.encode(data, enc_hook=_shown))
    except (TypeError, ValueError, RecursionError):
        return {_clean(str(name)): _clean(_shown(value)) for name, value in data.items()}


def _shown(value: object) -> str:
    """The value as text; of one that says nothing of itself but its address, the name of its class."""
    cls = type(value)
    says_nothing = cls.__str__ is object.__str__ and cls.__repr__ is object.__repr__
    return cls.__name__ if says_nothing else str(value)
