"""Health: whether a service lives, whether it is ready, and its metrics, for those who operate it.

A view that stands still may be up to date or dead. Whoever keeps it up to date gives signs of life beside the
documents, so a process that sees nothing but the read models can tell: it asks how old the last sign is, and what it
says.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Literal

import msgspec

from storied.errors import AccessDenied, StoriedError
from storied.projections.beating import LIVES
from storied.services.gate import Gate, is_operator
from storied.services.settings import Settings
from storied.services.telemetry.metrics import CONTENT_TYPE, Gauge, exposition
from storied.services.telemetry.observing import audit_request
from storied.services.web.http import Request, Response
from storied.services.web.routing import Router, parse_template
from storied.store.documents import Edition, Heartbeat

_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")


class ViewHealth(msgspec.Struct, frozen=True):
    """How one view is doing.

    `state` is ``running``, ``building``, ``parked``, ``failed``, ``dead``, ``absent``, or ``foreign`` when its
    documents are of another log than the one that is there. A dead view is one that nobody keeps up to date: no sign of
    life came for too long. `lag_seconds` is how long the first event that it has not applied has waited, as far as is
    known; `beat_seconds` how old the last sign is. What came after that sign nobody has told of: when it is too old,
    the lag is at least its age.
    """

    view: str
    state: str
    ready: bool
    position: int
    lag_seconds: float
    beat_seconds: float | None
    error: str | None = None
    parked: int = 0
    """How many documents are held back."""


class Readiness(msgspec.Struct):
    """Whether a service is ready, and why not."""

    ready: bool
    reasons: list[str] = []
    views: list[ViewHealth] = []
    head: int | None = None


class Ready(msgspec.Struct):
    """What who asks for readiness is told; all but the status is for operators."""

    status: Literal["ready", "not ready"]
    reasons: list[str] | msgspec.UnsetType = msgspec.UNSET
    head: int | msgspec.UnsetType | None = msgspec.UNSET
    views: list[ViewHealth] | msgspec.UnsetType = msgspec.UNSET


Readied = Callable[[], Awaitable[Readiness]]


def view_health(
    views: Iterable[str],
    editions: Sequence[Edition],
    beats: Sequence[Heartbeat],
    settings: Settings,
    now: float | None = None,
) -> list[ViewHealth]:
    """How each view is doing, by what stands beside its documents. Pure but for the clock."""
    seconds = time.time() if now is None else now
    return [_view_health(view, editions, beats, settings, seconds) for view in sorted(views)]


def _view_health(
    view: str, editions: Sequence[Edition], beats: Sequence[Heartbeat], settings: Settings, now: float
) -> ViewHealth:
    live = next((one for one in editions if one.live and one.table.name == view), None)
    signs = sorted((one for one in beats if one.view == view), key=lambda one: -one.beaten_us)
    fresh = [one for one in signs if now - one.beaten_us / 1e6 <= settings.heartbeat_limit]
    alive = [one for one in fresh if one.life in LIVES]
    newest = next(iter(alive or signs), None)
    position = live.checkpoint.position if live else 0
    age = None if newest is None else max(0.0, now - newest.beaten_us / 1e6)
    lag = _lag(newest, age, position, settings.heartbeat_limit)
    if live is None:
        state = "absent"
    elif not alive:
        state = "failed" if live.error or any(one.life == "failed" for one in fresh) else "dead"
    else:
        state = "building" if alive[0].life == "building" else "parked" if live.parked else "running"
    late = settings.lag_limit is not None and lag > settings.lag_limit
    ready = state in ("running", "building", "parked") and not late
    error, parked = (live.error, live.parked) if live is not None else (None, 0)
    return ViewHealth(view, state, ready, position, lag, age, error, parked)


def head_of(beats: Sequence[Heartbeat], settings: Settings, now: float | None = None) -> int | None:
    """Where the log ended when those who live looked at it last; None when nobody who lives has told."""
    seconds = time.time() if now is None else now
    return max((one.head for one in beats if seconds - one.beaten_us / 1e6 <= settings.heartbeat_limit), default=None)


def as_foreign(view: ViewHealth, seconds: float | None) -> ViewHealth:
    """The view, when it has been of another log for these seconds: nobody keeps it up to date with the one there."""
    if seconds is None:
        return view
    lag = max(view.lag_seconds, seconds)
    return msgspec.structs.replace(view, state="foreign", ready=False, position=0, lag_seconds=lag)


def _lag(newest: Heartbeat | None, age: float | None, position: int, limit: float) -> float:
    """Seconds that a view at *position* is behind; what was written since the last sign may have waited as long."""
    if newest is None or age is None:
        return 0.0
    lag = 0.0
    if position < newest.head and newest.lag_us:
        lag = newest.lag_us / 1e6 + age  # what waited then has gone on waiting
    return max(lag, age) if age > limit else lag


def add_health(router: Router, gate: Gate, readied: Readied) -> None:
    """Adds the routes for those who operate the service: `/livez`, `/readyz` and `/metrics`."""
    health = Health(gate, readied)
    router.add(parse_template("GET /livez"), health.live, open=True)
    router.add(parse_template("GET /readyz"), health.ready, open=True)
    router.add(parse_template("GET /metrics"), health.metrics, open=True)


class Health:
    """What answers who asks how a service is doing."""

    def __init__(self, gate: Gate, readied: Readied) -> None:
        self.gate, self._readied = gate, readied

    async def live(self, request: Request) -> Response:
        """That this process answers. It looks at nothing, so that a sick store does not get it killed."""
        return Response(200, b'{"status":"alive"}', [_JSON, _NO_STORE])

    async def ready(self, request: Request) -> Response:
        """Whether requests should be sent here; to operators also why not, and how each view is doing."""
        found = await self._checked()
        body = Ready("ready" if found.ready else "not ready")
        if is_operator(self.gate, request):
            body = Ready(body.status, found.reasons, found.head, found.views)
        return Response(200 if found.ready else 503, msgspec.json.encode(body), [_JSON, _NO_STORE])

    async def metrics(self, request: Request) -> Response:
        """What was measured, and how far the views are, for Prometheus. Raises `AccessDenied`."""
        if not is_operator(self.gate, request):
            unknown = request.principal is None
            audit_request("GET /metrics", request, allowed=False)
            raise AccessDenied(
                "The metrics are for operators. Ask with a credential that app.allow(OPERATIONS, to=…) names, or from "
                "this machine where local_operators= lets that do.",
                code="unauthenticated" if unknown else "forbidden",
            )
        found = await self._checked()
        gauges = [*self.gate.meters.all(), *_gauges(found)]
        return Response(
            200, exposition(gauges, self.gate.settings.process), [(b"content-type", CONTENT_TYPE), _NO_STORE]
        )

    async def _checked(self) -> Readiness:
        if self.gate.draining:
            return Readiness(False, ["The server is going down."])
        try:
            return await self._readied()
        except StoriedError as error:
            return Readiness(False, [str(error)])


def _gauges(found: Readiness) -> Iterable[Gauge]:
    """What the readiness says, in numbers."""
    ready = Gauge("storied_ready", "1 when requests should be sent here.")
    ready.set(int(found.ready))
    head = Gauge("storied_log_position", "The position of the last event.")
    if found.head is not None:
        head.set(found.head)
    lag = Gauge(
        "storied_view_lag_seconds",
        "How long the first event that a view has not applied has waited; of a dead view at least the age of its last "
        "sign of life.",
        ["view"],
    )
    position = Gauge("storied_view_position", "The position that a view stands at.", ["view"])
    alive = Gauge("storied_view_alive", "1 when somebody keeps the view up to date.", ["view"])
    parked = Gauge("storied_view_parked", "How many documents of the view are held back at an event.", ["view"])
    beat = Gauge("storied_view_heartbeat_age_seconds", "How old the last sign of life is.", ["view"])
    for one in found.views:
        position.set(one.position, (one.view,))
        parked.set(one.parked, (one.view,))
        alive.set(int(one.state in ("running", "building", "parked")), (one.view,))
        if one.beat_seconds is not None:  # without any sign of life nobody knows
            lag.set(one.lag_seconds, (one.view,))
            beat.set(one.beat_seconds, (one.view,))
    return (ready, head, lag, position, parked, alive, beat)
