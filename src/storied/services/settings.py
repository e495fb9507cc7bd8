"""What an operator may set about the services. The values are handed in; nothing here reads the environment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec

from storied.domain.access import Verifier
from storied.domain.showing import shown
from storied.errors import DefinitionError
from storied.projections.beating import DEAD_SECONDS

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""The names under which a machine reaches itself."""
POSITION_HEADER = "Storied-Position"
AFTER_HEADER = "Storied-After"
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"})
"""What no event may carry: it would stand in a log that never forgets."""
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
FORWARDING = ("X-Forwarded-For", "Forwarded")
"""The headers in which proxies say who asks."""
_FROM_ONE = (
    *("body_limit", "url_limit", "header_limit", "header_count", "page_limit"),
    *("past_bytes", "stream_limit", "client_stream_limit", "burst"),
)
_ABOVE_NOTHING = (
    *("body_seconds", "head_seconds", "stream_seconds", "idle_seconds", "drain_seconds"),
    *("wait_limit", "past_seconds", "deadline", "heartbeat_limit"),
)
_FROM_NOTHING = ("rate", "drain_delay")
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
    proxies: tuple[str, ...] = ()
    """The addresses, or networks, of proxies that are believed when they say who asks, and whether over TLS."""
    proxy_header: str = "X-Forwarded-For"
    """The header in which they do: ``X-Forwarded-For``, with ``X-Forwarded-Proto`` beside it, or ``Forwarded``."""
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
    """How many of them a principal, or an address without one, may have open at once, in each process."""
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
    """Requests a second that a principal, or an address without one, may send to each process; 0: any number."""
    burst: int = 100
    """Requests that it may send at once, to each process."""
    local_operators: bool = False
    """Whether who asks from this machine is an operator, and is shown the description, without a credential.

    Where nobody is asked for one, they are. Not behind a proxy on this machine that says of no request for whom it is:
    with ``Forwarded``, ``Via``, ``X-Real-IP``, ``CF-Connecting-IP``, or any ``X-Forwarded-…``, it is not the machine
    that asks.
    """
    public_description: bool = False
    """Whether everybody may see ``/openapi.json`` and ``/docs`` where a credential is asked for."""
    access_log: bool = False
    """Whether each request is logged, as JSON, by the logger ``storied.access``."""
    tracing: bool = False
    """Whether each request is an OpenTelemetry span; needs the extra ``opentelemetry``."""
    heartbeat_limit: float = DEAD_SECONDS
    """Seconds without a sign from whoever keeps a view up to date, after which the view counts as dead."""
    lag_limit: float | None = None
    """Seconds that a view may be behind before a query service is not ready; None: as many as it likes."""

    def __post_init__(self) -> None:
        wrong = [mistake for name in self.__struct_fields__ if (mistake := _mistake(name, getattr(self, name)))]
        if wrong:
            raise DefinitionError(" ".join(wrong))
        secret = sorted(SECRET_HEADERS & self.kept_headers)
        if secret:
            raise DefinitionError(
                f"kept_headers= names {', '.join(secret)}, which hold secrets, and a log never forgets. Take who asks "
                "from the context's actor."
            )
        for name in self.kept_headers:
            if not _HEADER.fullmatch(name):
                raise DefinitionError(f"kept_headers= names {shown(name)}. Write a header's name, in lower case.")
        if not self.hosts:
            raise DefinitionError("hosts= is empty, so nobody could be answered. Name a host, or * for any.")
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                raise DefinitionError(
                    f"{shown(host)} is no host to answer for. Name it without scheme, port and path, such as "
                    "shop.example, *.shop.example or [::1]; or * for any."
                )
        _check_proxies(self.proxies, self.proxy_header)
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin) or _OWN_PORT.fullmatch(origin):
                raise DefinitionError(
                    f"{shown(origin)} is no origin. Write it as browsers send it: scheme, host and port in small "
                    "letters, without a path or the scheme's own port, such as https://shop.example."
                )


def _check_proxies(proxies: Iterable[str], header: str) -> None:
    """Passes what `Proxies` takes. Raises `DefinitionError`."""
    for place in proxies:
        try:
            network = ip_network(place)
        except ValueError:
            raise DefinitionError(
                f"{shown(place)} is neither the address of a proxy nor a network. Write it such as 127.0.0.1, "
                "10.0.7.0/24 or fd00::/8, with no bit set behind the network's own."
            ) from None
        mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
        if mapped is not None:
            older = IPv4Network((mapped, network.prefixlen - 96))
            raise DefinitionError(
                f"{shown(place)} is of addresses of IPv4 as IPv6 has them, which are compared as what they are. Write "
                f"it as {older if '/' in place else mapped}."
            )
    if header not in FORWARDING:
        raise DefinitionError(
            f"proxy_header={shown(header)} is none that is read. Name one of {', '.join(FORWARDING)}."
        )


def _mistake(name: str, value: object) -> str | None:
    """What is wrong with a setting that is a number, and what may be given."""
    if name in _FROM_ONE and not (isinstance(value, int) and value >= 1):
        return f"{name} cannot be {shown(value)}. Give a whole number from 1."
    if name in _ABOVE_NOTHING and not (isinstance(value, int | float) and 0 < value < float("inf")):
        return f"{name} cannot be {shown(value)}. Give a number above 0."
    if name in _FROM_NOTHING and not (isinstance(value, int | float) and 0 <= value < float("inf")):
        return f"{name} cannot be {shown(value)}. Give 0, or a number above it."
    return None
