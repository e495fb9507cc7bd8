"""Forwarding: who asks, where a proxy passes a request on for them, as far as proxies that are trusted say so. Pure.

Anybody may send a header that names another. So only one header is looked at, that which the proxies write, and only
where the connection comes from one of them. It is read from its end: each proxy adds whom it was asked by, and the
first that is no trusted proxy is who asks. What stands before was written by that one, and is nobody's word. Where more
proxies than any request passes are all trusted, the last that is looked at is who asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from typing import NamedTuple

from storied.services.web.http import Headers, Request

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = re.compile(rf'[ \t]*(?:({_WORD})=(?:({_WORD})|"((?:[^"\\]|\\.)*)"))?[ \t]*([;,]|\Z)')
_NODE = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")

HOPS = 32
"""So many proxies are looked at, from the end."""


class Hop(NamedTuple):
    """What one proxy says: by whom it was asked, and over which scheme."""

    node: str
    scheme: str


class Proxies:
    """The proxies at these addresses, or in these networks, which write that header. Raises `ValueError`."""

    def __init__(self, places: Iterable[str], header: str) -> None:
        self._networks: list[Network] = [ip_network(place) for place in places]
        self._read = _forwarded if header == "Forwarded" else _listed

    def tell(self, request: Request) -> None:
        """Puts who asks, and over which scheme, in the place of a proxy that passes the request on."""
        client = request.scope.get("client")
        address = _address_in(client[0]) if client else None
        if address is None or not self._has(address):
            return
        scheme = ""
        for hop in islice(self._read(request.headers), HOPS):
            scheme = hop.scheme.lower()
            asked_by = _address_in(hop.node)
            if asked_by is None:
                break  # the proxy does not know, or does not say
            address = asked_by
            if not self._has(address):
                break
        request.scope["client"] = (str(address), 0)
        if scheme in ("http", "https"):
            request.scope["scheme"] = scheme

    def _has(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _listed(headers: Headers) -> Iterable[Hop]:
    """What ``X-Forwarded-For`` says, from its end; the scheme is what the last proxy says in a header of its own."""
    scheme = (headers.get("x-forwarded-proto") or "").rpartition(",")[2].strip()
    for node in reversed((headers.get("x-forwarded-for") or "").rsplit(",", HOPS)):
        yield Hop(node.strip(), scheme)


def _forwarded(headers: Headers) -> Iterable[Hop]:
    """What ``Forwarded`` says (RFC 7239), from its end; nothing when it is not well-formed: no part of it is sure."""
    text, at = headers.get("forwarded") or "", 0
    hops: list[dict[str, str]] = [{}]
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return
        name, token, quoted, end = pair.groups()
        if name is not None:
            hops[-1][name.lower()] = token or re.sub(r"\\(.)", r"\1", quoted or "")
        if end == ",":
            hops.append({})
        at = pair.end()
    for hop in reversed(hops):
        if hop:
            yield Hop(hop.get("for", ""), hop.get("proto", ""))


def _address_in(text: str) -> Address | None:
    """The address, with or without a port; one of IPv4 where it is written as one of IPv6."""
    node = _NODE.fullmatch(text)
    try:
        address = ip_address((node[1] or node[2]) if node is not None else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
