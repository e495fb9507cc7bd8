"""Blaming: what the log says of requests that the server is to blame for.

Whether a command is stored is for somebody to find out, request by request, so each of those has its line. What else is
refused for now is refused to everybody: the first has a line, and who else is told of once a minute.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

from storied.services.web.http import Request
from storied.services.web.problems import problem_of

AGAIN_SECONDS = 60.0
"""How long what was told is not told again."""

log = logging.getLogger("storied.services")


class Told(msgspec.Struct):
    """When something was told last, and how often it has happened since."""

    at: float
    since: int = 0


class Blame:
    """Logs failed requests, without doing so as often as somebody asks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[tuple[str, str], Told] = {}
        """By the type of the problem and the route."""

    def tell(self, request: Request, status: int, error: BaseException) -> None:
        """Logs that the request failed, with a trace where nobody expected that."""
        problem = problem_of(error)
        if problem.unsure:
            trace = error if problem.status == 500 else None
            log.error("request %s ended with %d: %s", request.request_id, status, error, exc_info=trace)
            return
        others = self._others((problem.type, request.route))
        if others is not None:
            more = f" {others} others ended so since this was told." if others else ""
            log.error("request %s ended with %d: %s%s", request.request_id, status, error, more)

    def _others(self, what: tuple[str, str]) -> int | None:
        """How often this has happened since it was told; None when that was just now."""
        now, told = self._clock(), self._told.get(what)
        if told is not None and now - told.at < AGAIN_SECONDS:
            told.since += 1
            return None
        self._told[what] = Told(now)
        return 0 if told is None else told.since
