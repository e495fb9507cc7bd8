"""What the endpoints of the query service share: which moment a request is about, and how an answer is put."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from storied.domain.times import At
from storied.errors import InvalidQuery, RequestRefused, StoreError
from storied.projections.past import Bounds
from storied.projections.projector import Projector
from storied.projections.reader import Reader
from storied.projections.serving import Then
from storied.projections.texts import TextViews
from storied.services.querying.freshness import Seen, has_it, patience, seen_by, tag_of
from storied.services.querying.listing import indexed_value_in
from storied.services.querying.seeing import look
from storied.services.service import Service
from storied.services.settings import AFTER_HEADER, POSITION_HEADER
from storied.services.web.accepting import takes_json, wants_events
from storied.services.web.cookies import cookie_of, dropped_cookie, written_by
from storied.services.web.http import Header, Request, Response
from storied.store.documents import Shown
from storied.store.port import EventStore

JSON = (b"content-type", b"application/json")
PRIVATE = (b"cache-control", b"private, no-cache")
VARY = (b"vary", b"accept")
"""At one address there are an answer and a stream of answers."""
_heads: WeakKeyDictionary[EventStore, int] = WeakKeyDictionary()
"""The last heads that were asked for."""


async def then_of(request: Request, service: Service[Reader], at: At | None = None) -> tuple[Then, list[Header]]:
    """When the request is about: the past that it names, or not before what its client has seen; and further headers.

    Raises `RequestRefused`, with code ``unknown-position`` for what the log, being there, has never reached. A cookie
    that says so is dropped, and one of another log is passed over.
    """
    then, more = await _then_of(request, service, at)
    return msgspec.structs.replace(then, bounds=bounds_of(service)), more


def bounds_of(service: Service[Reader]) -> Bounds:
    """What a question about the past may cost."""
    return Bounds(service.settings.past_seconds, service.settings.past_bytes)


async def _then_of(request: Request, service: Service[Reader], at: At | None) -> tuple[Then, list[Header]]:
    seen = seen_by(request.headers)  # refused when it is not well-formed, even where it does not matter
    if at is not None:
        return Then(at=at), []
    texts, seconds = service.opening.value.texts, patience(request.headers, service.settings.wait_limit)
    if seen is not None:
        log = await log_of(texts)
        if log is not None:
            await check_reached(log, seen)
        return Then(seen.position, None, seconds, seen.log), []
    written = written_by(request.headers)
    return await _by_cookie(texts, written, seconds) if written else (Then(), [])


async def _by_cookie(texts: TextViews, written: Mapping[str, int], seconds: float) -> tuple[Then, list[Header]]:
    log = await log_of(texts)
    if log is not None:
        position = written.get(cookie_of(log.identity))
        if position is None:
            return Then(), []
        if await head_below(log, position) is not None:
            return Then(), [(b"set-cookie", dropped_cookie(log.identity))]
        return Then(position, None, seconds, log.identity), []
    logs = {one.checkpoint.log for one in await texts.documents.editions() if one.live and one.checkpoint.log}
    if not logs:  # of which log the views will be cannot be told
        return Then(max(written.values()), None, seconds), []
    ours = [Then(written[cookie_of(one)], None, seconds, one) for one in logs if cookie_of(one) in written]
    return (ours[0] if ours else Then()), []


async def log_of(texts: TextViews) -> EventStore | None:
    """The log, if it is there."""
    try:
        return await texts.log()
    except StoreError:
        return None


async def check_reached(log: EventStore, seen: Seen) -> None:
    """Passes what the log has reached. Raises `RequestRefused`: waiting would not help."""
    if seen.log not in (None, log.identity):
        told, head = "is of another log", await log.head()
    else:
        below = await head_below(log, seen.position)
        if below is None:
            return
        told, head = f"lies beyond the log's head, which is {below}", below
    raise RequestRefused(
        "unknown-position",
        f"The position {seen.position} in {AFTER_HEADER} {told}. The store was replaced since, or this is another. "
        f"Ask without {AFTER_HEADER}, and go on from the {POSITION_HEADER} of the answer.",
        headers={POSITION_HEADER: str(head)},
        data={"wanted": seen.position, "position": head},
    )


async def head_below(log: EventStore, position: int) -> int | None:
    """The log's head, if it is known and below the position; None otherwise."""
    if _heads.get(log, 0) >= position:  # nearly always: the same is asked for again and again
        return None
    try:
        head = _heads[log] = await log.head()
    except StoreError:
        return None
    return head if head < position else None


async def seen_document(
    reader: Reader, projector: Projector, key: str, then: Then, visible: Mapping[str, Any], *, recent: bool = False
) -> Shown:
    """The document as of then, for who sees those that are like this.

    A *recent* one may be as it was some milliseconds ago, where nothing else is asked for.

    Raises as `look` does, and the same refusal for a document that is not there and for one that is not theirs.
    """
    shown = await look(reader.texts, projector, key, then, visible, recent=recent)
    if shown.document is None:
        raise absent(shown.position, shown.held)
    return shown


def fixed_in(request: Request, projector: Projector, names: Iterable[str]) -> dict[str, Any]:
    """What the path says that the document is like, beside its key. Raises `RequestRefused`."""
    hints = projector.spec.hints()
    return {name: indexed_value_in(name, hints[name], request.path_params[name]) for name in names}


def answer(request: Request, body: bytes, position: int | None, *more: Header) -> Response:
    """The body with its entity tag; without the body when the client has it. A page with another link is another."""
    tag = tag_of(body + b"".join(value for name, value in more if name == b"link"))
    headers = [PRIVATE, VARY, (b"etag", tag), *more]
    if position is not None:
        headers.append((b"storied-position", b"%d" % position))
    given = request.headers.getall("if-none-match")
    if given and has_it(given, tag):
        return Response(304, b"", headers)
    return Response(200, body, [JSON, *headers])


def parked_at(position: int) -> Header:
    """The header that says at which event a document stopped: it, or an answer that it belongs to, is not whole."""
    return b"storied-parked", b"%d" % position


def encoded(value: Any) -> bytes:
    """The value as JSON."""
    return msgspec.json.encode(value)


def absent(position: int | None = None, parked: int | None = None) -> RequestRefused:
    """The refusal of a document that is not there, or is not for this client: nobody can tell which."""
    known = {"Storied-Position": position, "Storied-Parked": parked}
    headers = {name: str(value) for name, value in known.items() if value is not None}
    return RequestRefused("not-found", "There is no such document.", headers=headers)


def wants_stream(request: Request) -> bool:
    """Whether the client asks for server-sent events."""
    return wants_events(request.headers.get("accept"))


def no_stream(request: Request, asked: str) -> None:
    """Passes who takes JSON. Raises `RequestRefused` with code ``not-acceptable``."""
    if wants_stream(request) and not takes_json(request.headers.get("accept")):
        raise RequestRefused("not-acceptable", f"{asked} are not live. Ask for application/json.")


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


async def stream_then(request: Request, service: Service[Reader], last: int | None) -> tuple[Then, list[Header]]:
    """From when a stream begins: not before what its client has seen by any account; and further headers.

    An event of a log that is no more is passed over: a browser that comes back by itself could not leave it out.
    """
    then, more = await then_of(request, service)
    if last is None or (then.after is not None and then.after >= last):
        return then, more
    log = await log_of(service.opening.value.texts)
    if log is not None and await head_below(log, last) is not None:
        return then, more
    return Then(last, None, patience(request.headers, service.settings.wait_limit)), more


def no_past(at: At | None) -> None:
    """Passes a stream of the present. Raises `InvalidQuery`."""
    if at is not None:
        raise InvalidQuery("a stream tells what comes, and at= asks for the past. Give one of them.")
