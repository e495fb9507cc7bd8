"""What an operator may set about the services. The values are handed in; nothing here reads the environment."""

from __future__ import annotations

import re

import msgspec

from storied.domain.access import Verifier
from storied.domain.showing import shown
from storied.errors import DefinitionError

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""The names under which a machine reaches itself."""
POSITION_HEADER = "Storied-Position"
AFTER_HEADER = "Storied-After"
_HOST = re.compile(r"\*|(\*\.)?[a-z0-9._-]*[a-z0-9_-]\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)
_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+")
_OWN_PORT = re.compile(r"http:.*:80|https:.*:443")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one service."""

    verifier: Verifier | None = None
    """Finds out who asks; without one, the app's."""
    hosts: tuple[str, ...] = LOOPBACK
    """What may stand in `Host`, or in an absolute target, which goes before it, on any port.

    ``*.shop.example`` stands for each name below it, and ``*`` for all.
    """
    origins: tuple[str, ...] = ()
    """The origins, such as ``https://shop.example``, whose pages may send requests beside the service's own."""
    body_limit: int = 1024 * 1024
    """Bytes of a request's body."""
    body_seconds: float = 30.0
    """How long a client may take to send its body, also one that has its answer already."""
    kept_headers: frozenset[str] = frozenset()
    """Headers of a command's request, in lower case, that its events keep and its handler sees in its context."""
    position_cookie: bool = True
    """Whether an answer to a command sets the cookie by which a browser reads its own writes."""
    url_limit: int = 8192
    """Bytes of a request's path and query."""
    header_limit: int = 16 * 1024
    """Bytes of a request's headers."""
    header_count: int = 100
    page_limit: int = 1000
    """Documents in one page of a list."""
    wait_limit: float = 30.0
    """Seconds that a client may ask to wait for a view."""
    past_seconds: float = 10.0
    """Seconds that a question about the past may take, its wait for others included; what is worked out is kept."""
    past_bytes: int = 256 * 1024 * 1024
    """About the bytes that the documents of a view of the past may take, and that are kept of all of them."""
    deadline: float = 60.0
    """Seconds that a request may take; a stream may go on for ever."""
    stream_seconds: float = 3600.0
    """How long a stream may go on before its client has to ask again, and be looked at again."""
    stream_limit: int = 500
    """Streams that may be open at once, in each process; each holds a file descriptor."""
    client_stream_limit: int = 100
    """How many of them a principal, or an address without one, may have open at once."""
    head_seconds: float = 10.0
    """How long a client may take to send the head of a request."""
    idle_seconds: float = 30.0
    """How long a connection without a request is kept."""
    drain_delay: float = 0.0
    """Seconds for which a server that goes down still takes requests, so that a balancer sees that it is not ready."""
    drain_seconds: float = 30.0
    """How long a server that goes down waits for the requests that it has taken."""
    process: str = ""
    """Which of several servers this is; a label of its metrics."""
    rate: float = 0.0
    """Requests a second that a principal, or an address without one, may go on sending; 0 is as many as it likes."""
    burst: int = 100
    """Requests that it may send at once."""
    public_description: bool = False
    """Whether everybody may see ``/openapi.json`` and ``/docs`` where a credential is asked for."""
    access_log: bool = False
    """Whether each request is logged, as JSON, by the logger ``storied.access``."""
    tracing: bool = False
    """Whether each request is an OpenTelemetry span; needs the extra ``opentelemetry``."""
    heartbeat_limit: float = 15.0
    """Seconds without a sign from whoever keeps a view up to date, after which the view counts as dead."""
    lag_limit: float | None = None
    """Seconds that a view may be behind before a query service is not ready; None: as many as it likes."""

    def __post_init__(self) -> None:
        at_least_one = (
            "body_limit",
            "url_limit",
            "header_limit",
            "header_count",
            "page_limit",
            "past_bytes",
            "stream_limit",
            "client_stream_limit",
            "burst",
        )
        wrong = [name for name in at_least_one if getattr(self, name) < 1]
        positive = (
            "body_seconds",
            "head_seconds",
            "stream_seconds",
            "idle_seconds",
            "drain_seconds",
            "wait_limit",
            "past_seconds",
            "deadline",
            "heartbeat_limit",
        )
        wrong += [name for name in positive if not 0 < getattr(self, name) < float("inf")]
        wrong += [name for name in ("rate", "drain_delay") if not 0 <= getattr(self, name) < float("inf")]
        if wrong:
            raise DefinitionError(f"{', '.join(wrong)} cannot be that small or that large. Give a number above 0.")
        if not self.hosts:
            raise DefinitionError("hosts= is empty, so nobody could be answered. Name a host, or * for any.")
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                raise DefinitionError(
                    f"{shown(host)} is no host to answer for. Name it without scheme, port and path, such as "
                    "shop.example, *.shop.example or [::1]; or * for any."
                )
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin) or _OWN_PORT.fullmatch(origin):
                raise DefinitionError(
                    f"{shown(origin)} is no origin. Write it as browsers send it: scheme, host and port in small "
                    "letters, without a path or the scheme's own port, such as https://shop.example."
                )
