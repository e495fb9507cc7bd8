"""Observing: each request gets an id and a place in a trace, and is counted, timed and, if wanted, logged.

The request id is the correlation id of the events that the request makes, and the traceparent stands in their headers,
so that an event leads back to what asked for it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from storied.domain.ids import new_id
from storied.services.settings import Settings
from storied.services.telemetry.metrics import Counter, Gauge, Histogram, Metric
from storied.services.telemetry.sharing import Shared
from storied.services.telemetry.tracing import Spans, context_of, new_trace, parse_traceparent
from storied.services.web.http import Request

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")
_SAFE = ("GET", "HEAD", "OPTIONS")

access_log = logging.getLogger("storied.access")
audit_log = logging.getLogger("storied.audit")


class Meters:
    """What is measured of the services of one process; *shared* has it told as the sum of several processes."""

    def __init__(self, shared: Shared | None = None) -> None:
        self._shared = shared
        room = None if shared is None else shared.room
        self.requests = Counter(
            "storied_http_requests_total", "Requests answered.", ("method", "route", "status"), room
        )
        self.seconds = Histogram("storied_http_request_seconds", "How long requests took.", ("method", "route"), room)
        self.in_flight = Gauge("storied_http_requests_in_flight", "Requests that are being answered.", (), room)
        self.streams = Gauge("storied_http_streams_open", "Streams that are open.", (), room)
        self.streams_refused = Counter(
            "storied_http_streams_refused_total",
            "Streams that were refused because too many were open, in all or of one client.",
            (),
            room,
        )
        self.appends = Counter("storied_appends_total", "Commands that stored events.", (), room)
        self.events = Counter("storied_events_stored_total", "Events that commands stored.", (), room)
        self.in_flight.set(0)
        self.streams.set(0)
        self.streams_refused.add((), 0)
        self.appends.add((), 0)
        self.events.add((), 0)

    def all(self) -> Sequence[Metric]:
        """Every one of them, of this process and of those that it shares them with."""
        own = (
            *(self.requests, self.seconds, self.in_flight),
            *(self.streams, self.streams_refused),
            *(self.appends, self.events),
        )
        return own if self._shared is None else self._shared.sums(own)

    def stored(self, count: int) -> None:
        """Counts what one command stored."""
        if count:
            self.appends.add()
            self.events.add((), count)


class Observer:
    """Names requests and notes how they went."""

    def __init__(self, settings: Settings, meters: Meters) -> None:
        self.meters = meters
        self._logs = settings.access_log
        self._spans = Spans() if settings.tracing else None
        self._in_flight = meters.in_flight.at(())
        self._counted: dict[tuple[str, str, int], tuple[str, str, str]] = {}

    def start(self, request: Request) -> None:
        """Gives the request its id, the client's if that is well-formed, and its place in a trace."""
        self._in_flight[0] += 1
        table = request.headers.table
        given = table.get(b"x-request-id")
        text = given.decode("latin-1") if given is not None else ""
        request.request_id = text if _REQUEST_ID.fullmatch(text) else new_id()
        parent = table.get(b"traceparent")
        if parent is None and self._spans is None:
            return  # nobody follows a trace, and the request id leads to the events
        context = None if parent is None else parse_traceparent(parent.decode("latin-1").strip())
        if self._spans is None:
            request.traceparent = str(new_trace() if context is None else context.child())
            return
        request.span = self._spans.start(request.method, context)
        own = context_of(request.span) or (new_trace() if context is None else context.child())
        request.traceparent = str(own)

    def finish(self, request: Request, status: int, seconds: float, error: BaseException | None) -> None:
        """Counts the request, and logs it if that is wanted."""
        meters, name = self.meters, request.route
        self._in_flight[0] -= 1
        method = request.method if name or request.method in _SAFE else "other"  # nobody makes up labels
        labels = self._counted.get((method, name, status))
        if labels is None:
            labels = self._counted[method, name, status] = (method, name, str(status))
        meters.requests.add(labels)
        meters.seconds.observe(seconds, labels[:2])
        if self._spans is not None and request.span is not None:
            told: dict[str, str | int] = {
                "http.request.method": request.method,
                "http.route": name,
                "http.response.status_code": status,
                "storied.request_id": request.request_id,
            }
            self._spans.finish(request.span, f"{method} {name}".rstrip(), told, error)
        if self._logs:
            access_log.info("%s", _line(request, name, status, seconds, error))


def audit(action: str, principal: str | None, *, allowed: bool, **more: str | None) -> None:
    """Records that somebody asked for an administrative action, and whether they got it."""
    record = {"time": _now(), "audit": action, "principal": principal, "allowed": allowed, **more}
    audit_log.log(logging.INFO if allowed else logging.WARNING, "%s", msgspec.json.encode(record).decode())


def audit_request(action: str, request: Request, *, allowed: bool) -> None:
    """The same of a request, with its id and where it came from."""
    audit(action, _name(request), allowed=allowed, request_id=request.request_id, client=request.address)


def _line(request: Request, route: str, status: int, seconds: float, error: BaseException | None) -> str:
    """One line of JSON. The query string is left out: it may hold what is nobody's business."""
    record: dict[str, Any] = {
        "time": _now(),
        "request_id": request.request_id,
        "method": request.method[:20],
        "path": request.scope["path"].encode("utf-8", "replace").decode(),
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 3),
        "principal": _name(request),
        "client": request.address,
    }
    if request.traceparent is not None:
        record["traceparent"] = request.traceparent
    if error is not None:
        record["error"] = type(error).__name__
    return msgspec.json.encode(record).decode()


def _name(request: Request) -> str | None:
    return None if request.principal is None else request.principal.id


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
