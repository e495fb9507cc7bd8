"""Live: documents as they change, as server-sent events.

A stream tells states, not steps: it sends what a document is like now, then again whenever that has changed, and says
when it is gone. What changed and changed back in between may never be told. So nothing is missed by a client that
comes back: it is told the present state, not before the position that its Last-Event-ID names. Between two events
nothing is open in the store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from typing import Any, Protocol

import msgspec

from storied.errors import KeyParked, NotCaughtUp, StoreUnavailable, StoriedError, ViewError, ViewFailed, ViewRebuilding
from storied.projections.projector import Projector
from storied.projections.serving import Then
from storied.projections.standings import NOWHERE, Standing
from storied.projections.texts import Texts, TextViews
from storied.services.health import ViewHealth
from storied.services.querying.pulse import PULSE_SECONDS, Pulse
from storied.services.querying.seeing import look
from storied.services.web.http import Header
from storied.services.web.problems import problem_of

HEARTBEAT_SECONDS = 15.0
"""How long a stream is silent before it says that it is alive."""
RETRY_SECONDS = 0.5
Status = tuple[str, str]
"""A status and its detail."""
LIVE: Status = ("live", "")
FAILED: Status = ("failed", "the view stopped at an event that its code cannot take")
BY_HEALTH: dict[str, Status] = {
    "failed": FAILED,
    "dead": ("dead", "nobody keeps the view up to date; this is how it was left"),
    "absent": ("unavailable", "nothing was built of the view yet"),
}
"""By what the view's health says."""
WORSE = ("live", "rebuilding", "behind", "parked", "dead", "failed", "unavailable")
"""The statuses, the worst last."""
RETRY = b"retry: 1000\n\n"
ALIVE = b": alive\n\n"
STREAM_HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"vary", b"accept"),
    (b"x-accel-buffering", b"no"),
]


class State(msgspec.Struct):
    """What is to be told now: the events that lead from what was told to what is, and how the view is doing."""

    messages: list[bytes]
    position: int
    status: str = "live"
    detail: str = ""


class Telling(Protocol):
    """What was told to one client of one document, or of one list; `tell` says what is to be told next."""

    async def tell(self, then: Then) -> State:
        """The state as of then, and what it differs in from what was told. Raises as reading does."""
        ...


class DocumentTelling:
    """One document: whole when it is new to the client or has changed, and that it is gone."""

    def __init__(self, texts: TextViews, projector: Projector, key: str, visible: Mapping[str, Any]) -> None:
        self._texts, self._projector, self._key, self._visible = texts, projector, key, visible
        self._told: object = msgspec.UNSET

    async def tell(self, then: Then) -> State:
        """As `Telling` says."""
        shown = await look(self._texts, self._projector, self._key, then, self._visible)
        document = shown.document
        messages = []
        if document != self._told:
            self._told = document
            if document is None:
                messages = [message("gone", msgspec.json.encode({"key": self._key}), shown.position)]
            else:
                messages = [message("document", document, shown.position)]
        if shown.held is not None:
            return State(messages, shown.position, "parked", _stopped(shown.held))
        return State(messages, shown.position)


class ListTelling:
    """One list: whole at first, then each document of it that is new or has changed, and each that has left it.

    What is new is at the end for the client, and what has changed stays in its place, unless it is told the order.
    """

    def __init__(self, ask: Callable[[Then], Awaitable[Texts]]) -> None:
        self._ask = ask
        self._told: dict[str, str] | None = None

    async def tell(self, then: Then) -> State:
        """As `Telling` says."""
        page = await self._ask(then)
        now = {hit.key: hit.document for hit in page.hits}
        before, self._told = self._told, now
        if before is None:
            whole = f"[{','.join(now.values())}]".encode()
            messages = [message("list", whole, page.position)]
        else:
            gone = [msgspec.json.encode({"key": key}) for key in before if key not in now]
            changed = [text.encode() for key, text in now.items() if before.get(key) != text]
            messages = [message("gone", one, page.position) for one in gone]
            messages += [message("document", one, page.position) for one in changed]
            stay = [key for key in before if key in now]
            if [*stay, *(key for key in now if key not in before)] != list(now):
                messages.append(message("order", msgspec.json.encode({"keys": list(now)}), page.position))
        if page.held is not None:
            return State(messages, page.position, "parked", _held_back(page.parked, now, page.held))
        return State(messages, page.position)


async def stream(
    texts: TextViews, projector: Projector, telling: Telling, then: Then, pulse: Pulse
) -> AsyncGenerator[bytes, None]:
    """The stream of what is to be told, for ever; the view's changes wake it, and silence is broken by a comment."""
    name = projector.name
    yield RETRY
    said, silent_since = LIVE, time.monotonic()
    while True:
        standing = NOWHERE
        try:
            standing = (await texts.served.standings.now()).get(name, NOWHERE)
            state = await telling.tell(then)
            then = Then()
        except (StoreUnavailable, ViewError) as error:
            state = _trouble(error, standing)
        chunks, moved = list(state.messages), False
        while not moved:
            if (status := _status(state, standing, await pulse.health(texts.documents))) != said:
                said = status
                chunks.append(message("status", msgspec.json.encode(_told(said, state.position))))
            if not chunks and time.monotonic() - silent_since >= HEARTBEAT_SECONDS:
                chunks.append(ALIVE)
            if chunks:
                yield b"".join(chunks)
                chunks, silent_since = [], time.monotonic()
            silence = HEARTBEAT_SECONDS - (time.monotonic() - silent_since)
            moved = await _moved(texts, name, standing, min(PULSE_SECONDS, silence))


def message(event: str, data: bytes, position: int | None = None) -> bytes:
    """One server-sent event; its id is the position of the state that it tells."""
    identified = b"" if position is None else b"id: %d\n" % position
    lines = data.replace(b"\r", b"").replace(b"\n", b"\ndata: ")
    return b"event: %b\n%bdata: %b\n\n" % (event.encode(), identified, lines)


async def _moved(texts: TextViews, name: str, standing: Standing, seconds: float) -> bool:
    """Whether the view moved, or how it is doing changed, within so many seconds."""

    def differs(by: Mapping[str, Standing]) -> bool:
        return by.get(name, NOWHERE) != standing

    try:
        return await texts.served.standings.until(differs, max(0.01, seconds)) is not None
    except StoreUnavailable:
        await asyncio.sleep(RETRY_SECONDS)
        return True


def _trouble(error: StoriedError, standing: Standing) -> State:
    if isinstance(error, KeyParked):
        return State([], standing.position, "parked", _stopped(error.position))
    if isinstance(error, ViewFailed):
        return State([], standing.position, *FAILED)
    status = {NotCaughtUp: "behind", ViewRebuilding: "rebuilding"}.get(type(error), "unavailable")
    return State([], standing.position, status, problem_of(error).title)


def _stopped(position: int) -> str:
    return f"the document stopped before event {position}"


def _held_back(parked: Collection[str], shown: Collection[str], first: int) -> str:
    """What is not whole about a list. No document is named that its client may not see: only those that are shown."""
    names = sorted(key for key in parked if key in shown)
    if names:
        return f"held back: {', '.join(names[:20])}"
    return f"a document that may belong to the list stopped before event {first}"


def _status(state: State, standing: Standing, health: ViewHealth | None) -> Status:
    """The status and its detail: of several troubles the one that has to be seen to before the others can end."""
    found = [LIVE, (state.status, state.detail)]
    if standing.building:
        found.append(("rebuilding", "the view is being built anew; this is what the old read model says"))
    if standing.error is not None:
        found.append(FAILED)
    if health is not None and not health.ready:
        found.append(BY_HEALTH.get(health.state, ("behind", "the view is further behind than it should be")))
    return max(found, key=lambda one: WORSE.index(one[0]))


def _told(said: Status, position: int) -> dict[str, Any]:
    return {"status": said[0], "position": position} | ({"detail": said[1]} if said[1] else {})
