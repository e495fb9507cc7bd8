"""Guarding: what is refused whatever it asks for, by its host, its origin, its size, or how many others there are."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from storied.errors import RequestRefused
from storied.services.settings import Settings
from storied.services.web.hosts import is_address
from storied.services.web.http import Request

REMEMBERED = 10_000
"""Principals, or addresses, whose rate is remembered; and, of hosts, a hundredth of that."""

PROBES = frozenset({"/livez", "/readyz"})
"""What those ask who start processes and spread requests; they know a process by its address alone."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")


class Guard:
    """Refuses requests by what they look like, as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        names = [name.lower().rstrip(".") for name in settings.hosts]
        self._names = frozenset(names)
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))
        self._known: set[bytes] = set()

    def check(self, request: Request) -> None:
        """Passes a request that may be looked at further. Raises `RequestRefused`.

        One that asks, by an address that the settings do not name, how the service is doing, is marked as a stray.
        """
        headers = request.headers
        table = headers.table
        host = table.get(b"host", b"")
        if host not in self._known or len(table) != len(headers.raw):
            self._check_host(request, host)
        origin = table.get(b"origin")
        if origin is not None:
            self._check_origin(origin.decode("latin-1"), host.decode("latin-1"))
        settings = self._settings
        if len(headers.raw) > settings.header_count or headers.size > settings.header_limit:
            raise RequestRefused(
                "headers-too-large",
                f"The headers are over {settings.header_limit} bytes, or over {settings.header_count}. Send fewer.",
            )
        scope = request.scope
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > settings.url_limit:
            raise RequestRefused("uri-too-long", f"The URL has over {settings.url_limit} bytes. Ask for less at once.")

    def _check_host(self, request: Request, host: bytes) -> None:
        if len(request.headers.getall("host")) > 1:
            raise RequestRefused("bad-host", "The request names several hosts. Name one.")
        text = host.decode("latin-1").lower()
        found = _HOST.fullmatch(text)
        name = found[1].rstrip(".") if found else ""
        if "*" not in self._names and not (name in self._names or (name and name.endswith(self._suffixes))):
            request.stray = is_address(name) and request.path in PROBES and request.method in ("GET", "HEAD")
            if not request.stray:
                raise RequestRefused(
                    "bad-host", "This server does not answer for the host that was asked. Its operator names hosts=…."
                )
            return
        if len(self._known) < REMEMBERED // 100:
            self._known.add(host)

    def _check_origin(self, origin: str, host: str) -> None:
        if origin in self._settings.origins:
            return
        try:
            place = urlsplit(origin)
        except ValueError:
            place = urlsplit("")
        if place.scheme not in ("http", "https") or not host or place.netloc.lower() != host.lower():
            raise RequestRefused(
                "bad-origin", "Pages of this origin may not send requests here. Its operator names origins=…."
            )


class Rates:
    """How fast each principal may go on: *rate* requests a second, and *burst* at once. Without a rate, as it likes."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = 1 / rate if rate else 0.0
        self._slack = self._every * (burst - 1)
        self._clock = clock
        self._due: dict[str, float] = {}
        """When each would be due if it came at exactly its rate."""

    def take(self, who: str) -> None:
        """Counts a request. Raises `RequestRefused` with code ``too-many-requests`` and when to come again."""
        if not self._every:
            return
        now = self._clock()
        due = max(self._due.get(who, now), now)
        wait = due - self._slack - now
        if wait > 0:
            seconds = math.ceil(wait)
            raise RequestRefused(
                "too-many-requests",
                f"Too many requests came from you. Come again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )
        if who not in self._due and len(self._due) >= REMEMBERED:
            self._forget(now)
        self._due[who] = due + self._every

    def _forget(self, now: float) -> None:
        """Forgets who has its whole burst again, or, when that is nobody, who came first."""
        for who in [who for who, due in self._due.items() if due <= now] or list(self._due)[: REMEMBERED // 10]:
            del self._due[who]


class Streams:
    """How many streams are open: at most *limit* in all, and *each* for one client."""

    def __init__(self, limit: int, each: int) -> None:
        self._limit, self._each = limit, each
        self._open: Counter[str] = Counter()

    def begin(self, who: str) -> None:
        """Counts a stream in. Raises `RequestRefused`: too many are open, of this client or in all."""
        if self._open[who] >= self._each:
            raise RequestRefused(
                "too-many-client-streams", f"All of your {self._each} streams are open. End one of them."
            )
        if self._open.total() >= self._limit:
            raise RequestRefused("too-many-streams", f"All of the {self._limit} streams are open. Come again later.")
        self._open[who] += 1

    def end(self, who: str) -> None:
        """Counts a stream out."""
        self._open[who] -= 1
        if not self._open[who]:
            del self._open[who]
