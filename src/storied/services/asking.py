"""What the endpoints of the query service share: which moment a request is about, and how an answer is put."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from storied.domain.times import At
from storied.errors import InvalidQuery, KeyParked, NotCaughtUp, RequestRefused, StoreError
from storied.projections.projector import Projector
from storied.projections.reader import Reader
from storied.projections.serving import Then
from storied.services.freshness import has_it, patience, seen_by, tag_of
from storied.services.http import Header, Request, Response
from storied.services.listing import value_in
from storied.services.live import sees
from storied.services.service import Service
from storied.services.settings import POSITION_COOKIE
from storied.store.documents import Shown
from storied.store.port import EventStore

T = TypeVar("T")
JSON = (b"content-type", b"application/json")
PRIVATE = (b"cache-control", b"private, no-cache")
FORGET = f"{POSITION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax".encode()


def then_of(request: Request, service: Service[Reader], at: At | None = None) -> Then:
    """When the request is about: the past that it names, or not before what its client has seen."""
    seen = seen_by(request.headers)  # refused when it is not well-formed, even where it does not matter
    if at is not None:
        return Then(at=at)
    if seen is None:
        return Then()
    return Then(seen.position, None, patience(request.headers, service.settings.wait_limit), seen.log)


async def fresh(
    request: Request, reader: Reader, then: Then, ask: Callable[[Then], Awaitable[T]]
) -> tuple[T, list[Header]]:
    """The answer, and headers to send beside it.

    A cookie may speak of a log that is no more; when the log is there and has never come that far, the cookie is
    dropped. Raises `NotCaughtUp`.
    """
    try:
        return await ask(then), []
    except NotCaughtUp as error:
        seen = seen_by(request.headers)
        if seen is None or not seen.by_cookie:
            raise
        try:
            head = await (await reader.texts.log()).head()
        except StoreError:
            raise error from None
        if seen.position <= head:
            raise
        return await ask(Then()), [(b"set-cookie", FORGET)]


async def seen_document(
    request: Request,
    reader: Reader,
    projector: Projector,
    key: str,
    then: Then,
    visible: Mapping[str, Any],
    *,
    recent: bool = False,
) -> tuple[Shown, list[Header]]:
    """The document as of then, for who sees those that are like this, and headers to send beside it.

    A *recent* one may be as it was some milliseconds ago, where nothing else is asked for.

    Raises `NotCaughtUp`; the same refusal for a document that is not there and for one that is not theirs; and
    `KeyParked` to those alone who may see the document.
    """
    view, texts = projector.spec.cls, reader.texts
    try:
        shown, more = await fresh(request, reader, then, lambda then: texts.document(view, key, then, recent=recent))
    except KeyParked:
        if not visible or sees(texts, projector, await texts.document(view, key), visible):
            raise
        nothing = await texts.document(view, "", then)  # as if it were not there
        raise absent(nothing.position) from None
    if not sees(texts, projector, shown, visible):
        raise absent(shown.position)
    return shown, more


def as_new_as(view: str, store: EventStore, head: int, then: Then) -> None:
    """Passes when what is read from the log, up to its head, has seen what is asked for. Raises `NotCaughtUp`."""
    if then.after is not None:
        stands = head if then.log in (None, store.identity) else 0
        if then.after > stands:
            raise NotCaughtUp(view, wanted=then.after, position=stands, timeout=0.0)


def fixed_in(request: Request, projector: Projector, names: Iterable[str]) -> dict[str, Any]:
    """What the path says that the document is like, beside its key. Raises `RequestRefused`."""
    hints = projector.spec.hints()
    return {name: value_in(name, hints[name], request.path_params[name]) for name in names}


def answer(request: Request, body: bytes, position: int | None, *more: Header) -> Response:
    """The body with its entity tag; without the body when the client has it. A page with another link is another."""
    tag = tag_of(body + b"".join(value for name, value in more if name == b"link"))
    headers = [PRIVATE, (b"etag", tag), *more]
    if position is not None:
        headers.append((b"storied-position", b"%d" % position))
    given = request.headers.getall("if-none-match")
    if given and has_it(given, tag):
        return Response(304, b"", headers)
    return Response(200, body, [JSON, *headers])


def encoded(value: Any) -> bytes:
    """The value as JSON."""
    return msgspec.json.encode(value)


def absent(position: int | None = None) -> RequestRefused:
    """The refusal of a document that is not there, or is not for this client: nobody can tell which."""
    headers = {} if position is None else {"Storied-Position": str(position)}
    return RequestRefused("not-found", "There is no such document.", headers=headers)


def wants_stream(request: Request) -> bool:
    """Whether the client asks for server-sent events."""
    accept = request.headers.get("accept")
    return accept is not None and "text/event-stream" in accept


def last_event(request: Request) -> int | None:
    """The position of the last event that the client of a stream has seen. Raises `RequestRefused`."""
    text = request.headers.get("last-event-id")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise RequestRefused("bad-header", "Last-Event-ID takes the id of an event of this stream: a position.")
    return int(text)


def check_key_of(key: str) -> str:
    """The key, if a document can have it. Raises `RequestRefused`: what cannot be is not there."""
    if len(key) > 2000 or "\0" in key:
        raise absent()
    return key


def stream_then(request: Request, service: Service[Reader], last: int | None) -> Then:
    """From when a stream begins: not before what its client has seen by any account."""
    then = then_of(request, service)
    if last is None or (then.after is not None and then.after >= last):
        return then
    return Then(last, None, patience(request.headers, service.settings.wait_limit))


def no_past(at: At | None) -> None:
    """Passes a stream of the present. Raises `InvalidQuery`."""
    if at is not None:
        raise InvalidQuery("a stream tells what comes, and at= asks for the past. Give one of them.")
