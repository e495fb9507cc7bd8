"""Answers: the responses that the services give, with their headers and problems, as OpenAPI describes them. Pure.

Which problems each kind of request can meet is told here, by their types; what they are comes from their one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from storied.errors import AppendIdReused, Rejected
from storied.services.describing.schemas import Schema
from storied.services.web.problems import BY_CLASS, BY_CODE, MEDIA_TYPE, TYPE_PREFIX, Problem
from storied.services.web.wording import MISSING

PROBLEMS = {problem.type: problem for problem in (*BY_CODE.values(), *BY_CLASS.values())}
_REJECTED = BY_CLASS[Rejected]
REJECTED = str(_REJECTED.status)
"""The status of a rejection, as a description has it."""
ANY = (
    *("bad-request", "bad-path", "bad-origin", "bad-host"),
    *("head-too-slow", "uri-too-long", "headers-too-large", "internal", "not-implemented"),
    "version-not-supported",
)
"""What every request may meet."""
SECURED = ("unauthenticated", "forbidden", "no-keys")
LIMITED = ("too-many-requests",)
_STORE = ("not-found", "deadline", "store-unavailable", "store-closed")
_READ = (
    *("bad-query", "bad-header", "unknown-parameter", "bad-parameter", "invalid", "unknown-position"),
    *("no-log", "no-read-models", "other-log"),
)
_VIEW = (
    *("not-caught-up", "key-parked", "view-failed", "view-rebuilding"),
    *("past-unfinished", "past-busy", "past-too-large"),
)
_STREAM = ("too-many-streams", "too-many-client-streams")
_COMMAND = (
    "bad-query bad-header not-json invalid-fields invalid disconnected too-slow conflict outdated "
    "unknown-position too-large unsupported-media-type idempotency-key-reused rejected unknown-outcome store-fenced"
)
MET: dict[str, tuple[str, ...]] = {
    "Command": (*_STORE, *_COMMAND.split()),
    "Document": (*_STORE, *_READ, *_VIEW, *_STREAM),
    "List": (*_STORE, *_READ, *_VIEW, "bad-cursor", "not-indexed", *_STREAM),
    "History": (*_STORE, *_READ, *_VIEW, "not-acceptable"),
    "Query": (*_STORE, *_READ, *_VIEW, "bad-cursor", "not-indexed", "not-acceptable"),
    "Open": (),
}
"""What each kind of request may meet beside that. No described method is one that the path does not take."""

_POSITION: Schema = {"type": "integer", "minimum": 0, "examples": [17]}
HEADERS: dict[str, dict[str, Any]] = {
    "Storied-Position": {
        "description": "How far in the log the answer is up to date, or where the command stands in it.",
        "schema": _POSITION,
    },
    "ETag": {
        "description": "Names these bytes, for If-None-Match; of a command, its position, for If-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[^"]*"$', "examples": ['"17"']},
    },
    "Location": {
        "description": "Where what was created is served.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Link": {
        "description": 'The next page, as `<?cursor=…>; rel="next"` (RFC 8288); not on the last one.',
        "schema": {"type": "string"},
    },
    "Preference-Applied": {
        "description": "What `Prefer: wait` came to; `late` and `parked` name the views that do not show it.",
        "schema": {"type": "string", "examples": ['wait=5; views="OrderPage"']},
    },
    "Set-Cookie": {
        "description": "The cookie `storied-after-…`, named after the log, by which a browser reads its own writes.",
        "schema": {"type": "string"},
    },
    "Storied-Parked": {
        "description": "The position of an event that the document, or one that may belong here, has not taken: it is "
        "held back. Without this header each is as the log says.",
        "schema": {"type": "string"},
    },
    "X-Request-Id": {
        "description": "Names the request, in the log and in the events that it made.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which to repeat the request.",
        "schema": {"type": "integer", "minimum": 0, "examples": [1]},
    },
    "WWW-Authenticate": {"description": "How to say who you are.", "required": True, "schema": {"type": "string"}},
    "Idempotency-Key": {
        "description": "The key under which to repeat a request of which is not known whether it is stored.",
        "schema": {"type": "string"},
    },
}

_TEXT: Schema = {"type": "string"}
_PLACE: Schema = {
    "title": "ProblemPlace",
    "type": "object",
    "properties": {
        "detail": _TEXT,
        "pointer": {"type": "string", "description": "A JSON pointer into the body, as the fragment of a URI."},
        "parameter": {"type": "string", "description": "A parameter of the path or the query string."},
        "header": {"type": "string", "description": "A header."},
    },
    "required": ["detail"],
}
_BETWEEN: Schema = {
    "title": "ProblemEvent",
    "type": "object",
    "properties": {"position": _POSITION, "type": _TEXT, "actor": {"type": ["string", "null"]}},
    "required": ["position", "type", "actor"],
}
PROBLEM_SCHEMA: Schema = {
    "title": "Problem",
    "description": "What went wrong, as RFC 9457 has it.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "The kind of problem."},
        "title": {"type": "string", "description": "What the kind means."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What happened here, and what to do about it."},
        "code": {"type": "string", "description": "More exactly than the type: the code of the rule that refused."},
        "request_id": {"type": "string", "description": "By which the operator finds it in the log."},
        "errors": {"type": "array", "items": _PLACE, "description": "Each mistake, and where it is."},
        "allowed": {"type": "array", "items": _TEXT, "description": "What could have been given instead."},
        "data": {"type": "object", "description": "What the rule that refused tells."},
        "seen": {**_POSITION, "description": "The position that If-Match named."},
        "between": {"type": "array", "items": _BETWEEN, "description": "Events that came in between."},
        "more": {"type": "boolean", "description": "Whether others came in between, too."},
        "idempotency_key": {"type": "string", "description": "The key under which to repeat the request."},
        "view": {"type": "string", "description": "The view that this is about."},
        "key": {"type": "string", "description": "The document that this is about."},
        "wanted": {**_POSITION, "description": "The position that was asked for."},
        "position": {**_POSITION, "description": "Where the view, the document or the log is, or what is stored."},
    },
    "required": ["type", "title", "status", "detail", "code"],
}

OPERATIONS = "operations"
"""What operations for those who operate the services are listed under."""
_ALIVE = {"type": "object", "properties": {"status": {"const": "alive"}}, "required": ["status"]}
OPEN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "/livez": (
        "livez",
        "Says that the process answers.",
        {
            "200": {
                "description": "It does.",
                "content": {"application/json": {"schema": _ALIVE, "example": {"status": "alive"}}},
            }
        },
    ),
    "/readyz": (
        "readyz",
        "Says whether requests should be sent here; to operators also why not, and how each view is doing.",
        {"200": {"description": "They should."}, "503": {"description": "They should not."}},
    ),
    "/metrics": (
        "metrics",
        "Gives the metrics, as Prometheus reads them, to operators.",
        {"200": {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    ),
    "/openapi.json": (
        "openapi",
        "Gives this description.",
        {
            "200": {
                "description": "An OpenAPI 3.1 document.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "304": {"description": "The client has it already."},
        },
    ),
    "/docs": (
        "docs",
        "Shows this description as a page.",
        {
            "200": {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}},
            "304": {"description": "The client has it already."},
        },
    ),
}
"""What is there for operators, and who wants to know what there is: its name, what it does, what it answers."""


def header(*names: str) -> dict[str, Any]:
    """References to these headers of a response."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def problem_responses(
    kind: str, *, secured: bool, limited: bool, rejects: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """The responses with problems that requests of the kind may get, by status.

    *rejects* are the codes of a command's rejections, each with a sentence; None where they are not known.
    """
    met = [*ANY, *MET[kind], *(SECURED if secured else ()), *(LIMITED if limited else ())]
    by_status: dict[int, list[Problem]] = {}
    for name in met:
        if name != _REJECTED.type or rejects is None or rejects:
            by_status.setdefault(PROBLEMS[name].status, []).append(PROBLEMS[name])
    return {
        str(status): problem_response(status, found, rejects if status == _REJECTED.status else None)
        for status, found in sorted(by_status.items())
    }


def problem_response(
    status: int, problems: Iterable[Problem], rejects: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The response of a status, with the problems that have it; where *rejects* are known, with each code there is.

    Its schema tells what these problems have beside what all have.
    """
    found = sorted(problems, key=lambda problem: problem.type)
    more = header("X-Request-Id")
    if any(problem.retry_after is not None for problem in found) or status == 429:
        more |= header("Retry-After")
    if status == 401:
        more |= header("WWW-Authenticate")
    if any(problem.unsure for problem in found):
        more |= header("Idempotency-Key")
    lines = [f"- `{problem.type}`: {problem.title}." for problem in found]
    kinds = ", ".join(f"`{problem.type}`" for problem in found)
    types = [TYPE_PREFIX + problem.type for problem in found]
    told: Schema = {
        "type": {"type": "string", "enum": types},
        "status": {"type": "integer", "enum": [status]},  # which generators can merge with a number, and no const
    }
    examples = {problem.type: {"value": example_of(problem)} for problem in found}
    if rejects is not None:
        others = {name: one for name, one in examples.items() if name != _REJECTED.type}
        examples = {code: rejection_example(code, sentence) for code, sentence in rejects.items()} | others
        told["code"] = {
            "type": "string",
            "enum": list(dict.fromkeys(one["value"]["code"] for one in examples.values())),
        }
        lines += ["", "The rules refuse by these codes:", ""] if rejects else []
        lines += [f"- `{code}`: {sentence.rstrip('.')}." for code, sentence in rejects.items()]
    return {
        "description": "\n".join([f"{HTTPStatus(status).phrase}: {kinds}.", "", *lines]),
        "headers": more,
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "object", "properties": told},
                "examples": examples,
            }
        },
    }


def rejection_example(code: str, sentence: str) -> dict[str, Any]:
    """What a client is told of a rejection by this code."""
    return {"summary": sentence, "value": example_of(_REJECTED) | {"detail": sentence, "code": code}}


def example_of(problem: Problem) -> dict[str, Any]:
    """What a client is told of such a problem."""
    shown: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail or f"{problem.title}.",
        "code": problem.type,
        "request_id": "0199aa10-6a3e-7cc0-8a4e-0e4f3b1f2a77",
    }
    match problem.type:
        case "invalid-fields":
            shown["errors"] = [{"detail": MISSING, "pointer": "#/customer"}]
        case "unknown-parameter":
            shown |= {"errors": [{"parameter": "colour", "detail": "unknown"}], "allowed": ["sort", "limit"]}
        case "outdated":
            shown |= {"seen": 17, "between": [{"position": 18, "type": "OrderPaid", "actor": "anna"}], "more": False}
        case "not-caught-up":
            shown |= {"view": "OrderPage", "wanted": 18, "position": 17}
        case "rejected":
            shown["code"] = "already-placed"
        case "idempotency-key-reused":
            shown |= {"code": AppendIdReused.default_code, "position": 17}
    return shown
