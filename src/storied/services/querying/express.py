"""The express lane: plain requests for one document, served without leaving the event loop.

Most requests ask for one document as it is now, with nothing to wait for and nobody to tell apart. They get the answer
that all others get, and are named, guarded and counted as all others are; only what they do not use is left out, and
what was found out about the same headers before is not found out again. Whatever is out of the ordinary goes the long
way, also when that turns out on the lane.
"""

from __future__ import annotations

from time import perf_counter

from storied.domain.ids import new_id
from storied.errors import RequestRefused
from storied.services.gate import Gate
from storied.services.querying.asking import JSON, PRIVATE, VARY
from storied.services.querying.documents import DocumentEndpoint
from storied.services.querying.freshness import tag_of
from storied.services.settings import Settings
from storied.services.web.http import Message, Receive, Request, Scope
from storied.services.web.routing import Router
from storied.store.documents import ReadModels

OUT_OF_THE_ORDINARY = (
    *(b"storied-after", b"cookie", b"if-none-match", b"last-event-id", b"origin"),  # they change the answer
    *(b"x-request-id", b"traceparent", b"authorization", b"x-api-key"),  # they are each time others
    *(b"transfer-encoding", b"content-length", b"expect", b"upgrade"),  # a GET has no use for them
)
Taken = tuple[Message, Message, "Lane", float]
"""The two messages of an answer, the lane that the request took, and when it came."""
MOST_REMEMBERED = 1000
"""Sets of headers that are remembered as plain."""


class Lane:
    """One route of the lane: the table of its documents, and the labels that its answers are counted by."""

    __slots__ = ("counted", "route", "table")

    def __init__(self, endpoint: DocumentEndpoint, path: str) -> None:
        self.table, self.route = endpoint.projector.table, path
        self.counted = ("GET", path, "200")


class Express:
    """Finds the requests that may take the lane, and serves them."""

    def __init__(self, gate: Gate, settings: Settings) -> None:
        self._gate, self._settings = gate, settings
        self._lanes: dict[str, Lane] = {}
        self._written_out: set[str] = set()
        self._plain: set[tuple[tuple[bytes, bytes], ...]] = set()
        self.documents: ReadModels | None = None
        """The read models, while they are open."""
        self._closed = gate.verifier is not None or settings.rate or settings.access_log or settings.tracing

    def open_for(self, router: Router) -> None:
        """Opens the lane for the routes whose last part, and no other, is a document's key."""
        for route in router.routes:
            *before, last = route.template.parts or ("",)
            path = route.template.path
            if any(part.startswith("{") for part in before):
                continue
            if not last.startswith("{"):
                self._written_out.add(path)
            elif isinstance(route.endpoint, DocumentEndpoint):
                self._lanes["/".join(["", *before])] = Lane(route.endpoint, path)

    def take(self, scope: Scope, receive: Receive) -> Taken | None:
        """What answers the request; None when nothing was done, and it has to go the long way."""
        path: str = scope["path"]
        cut = path.rfind("/")
        lane = self._lanes.get(path[:cut])
        documents = self.documents
        if lane is None or documents is None or scope["method"] != "GET" or not self._is_plain(scope, receive):
            return None
        began = perf_counter()
        try:
            shown = documents.peek(lane.table, path[cut + 1 :], recent=True)
        except Exception:  # the long way meets it again, and tells the client
            return None
        if shown is None or shown.document is None or shown.held is not None or shown.foreign:
            return None
        if shown.memo is None:
            shown.memo = (
                JSON,
                PRIVATE,
                VARY,
                (b"etag", tag_of(shown.document)),
                (b"storied-position", b"%d" % shown.position),
                (b"content-length", b"%d" % len(shown.document)),
            )
        headers = [*shown.memo, (b"x-request-id", new_id().encode())]  # type: ignore[misc]  # what was put there above
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        return start, {"type": "http.response.body", "body": shown.document}, lane, began

    def count(self, lane: Lane, began: float) -> None:
        """Counts and times an answer, as `Observer` does those of the long way."""
        counts, times = self._gate.meters.requests, self._gate.meters.seconds
        counts.add(lane.counted)
        times.observe(perf_counter() - began, lane.counted[:2])

    def _is_plain(self, scope: Scope, receive: Receive) -> bool:
        """Whether nothing about the request is out of the ordinary, and the gate lets it pass."""
        if self._closed or scope.get("query_string") or scope.get("root_path") or self._gate.access.configured:
            return False
        raw: bytes = scope.get("raw_path") or b"%"
        if b"%" in raw or raw[-1:] == b"/" or len(raw) > self._settings.url_limit:
            return False
        if self._written_out and scope["path"] in self._written_out:
            return False
        headers = tuple(scope["headers"])
        return headers in self._plain or self._proves_plain(headers, scope, receive)

    def _proves_plain(self, headers: tuple[tuple[bytes, bytes], ...], scope: Scope, receive: Receive) -> bool:
        """Whether headers that were not seen before are plain: by the same gate that all others pass."""
        table = dict(headers)
        if not table.keys().isdisjoint(OUT_OF_THE_ORDINARY):
            return False
        if any(name == b"accept" and b"event-stream" in value.lower() for name, value in headers):
            return False
        try:
            self._gate.guard(Request(scope, receive))
        except RequestRefused:
            return False
        if len(self._plain) >= MOST_REMEMBERED:
            self._plain.clear()
        self._plain.add(headers)
        return True
