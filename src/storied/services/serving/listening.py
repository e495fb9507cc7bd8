"""Listening: an address that is held first, and at which connections are taken once somebody can answer them.

The kernel takes connections from the moment that a socket listens, and resets those that it has when the process ends.
So a server that could still fail, or be told to stop, before it serves only holds its address until then.
"""

from __future__ import annotations

import errno
import socket

import msgspec

from storied.errors import StoreUnavailable

BACKLOG = 2048
"""Connections that may wait until they are taken."""


class Address(msgspec.Struct, frozen=True):
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As a client writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def hold(host: str, port: int) -> socket.socket:
    """A socket with this address, a free port for port 0, which takes nobody yet. Raises `StoreUnavailable`."""
    holding = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if holding.family == socket.AF_INET6:
            holding.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        holding.bind((host, port))
    except (OSError, OverflowError) as error:
        holding.close()
        raise _refused(host, port, error) from error
    return holding


def listen(holding: socket.socket) -> None:
    """Takes connections at the address. Raises `StoreUnavailable` when another has come to do so in the meantime."""
    try:
        holding.listen(BACKLOG)
    except OSError as error:
        address = address_of(holding)
        raise _refused(address.host, address.port, error) from error


def address_of(holding: socket.socket) -> Address:
    """The address that the socket has."""
    host, port = holding.getsockname()[:2]
    return Address(host, port)


def _refused(host: str, port: int, error: Exception) -> StoreUnavailable:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        remedy = (
            "Another program listens there: stop it, or choose another port with --port. If that is what is left of a "
            "server that was killed, it is just answering what it had taken: try again in a moment"
        )
    elif number == errno.EACCES:
        remedy = "Choose a port from 1024 on with --port, or give this process the right to this one"
    else:
        remedy = "Name an address of this machine with --host"
    return StoreUnavailable(f"nothing can listen at {host}:{port}: {error}. {remedy}.", code="no-address")
