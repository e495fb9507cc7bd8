"""Hosts: which of them are this machine. Pure."""

from __future__ import annotations

from ipaddress import ip_address


def name_in(host: str) -> str:
    """The name or the address in a `Host`, in lower case, without its port and an address's brackets."""
    name, _, port = host.lower().rpartition(":")
    return (name if name and not port.endswith("]") else host.lower()).strip("[]")


def is_loopback(host: str) -> bool:
    """Whether only this machine answers to the name or the address."""
    return host == "localhost" or is_loopback_address(host)


def is_address(host: str) -> bool:
    """Whether the host is an address and no name, so that nobody can have pointed a name of theirs at us."""
    try:
        ip_address(host[1:-1] if host.startswith("[") else host)
    except ValueError:
        return False
    return True


def is_loopback_address(text: str) -> bool:
    """Whether the text is an address that only this machine has."""
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False
