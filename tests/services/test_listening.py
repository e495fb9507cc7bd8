"""An address is held first, and listened at later; what stands in the way is said with what helps."""

from __future__ import annotations

import errno
import socket

import pytest

from storied.errors import StoreUnavailable
from storied.services.serving.listening import address_of, hold, listen


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_whoever_comes_is_refused_until_somebody_listens(host: str, url: str) -> None:
    """And is let in then; the address is known from the start."""
    with hold(host, 0) as holding:
        address = address_of(holding)
        assert address.url == f"{url}{address.port}"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, address.port))
        listen(holding)
        socket.create_connection((host, address.port)).close()
        with pytest.raises(StoreUnavailable, match=r"Another program listens there.*try again in a moment\.") as caught:
            hold(host, address.port)
        assert caught.value.code == "no-address"


def test_of_two_who_hold_an_address_one_listens() -> None:
    """They started at the same time; the other is told, as if it had come later."""
    with hold("127.0.0.1", 0) as one, hold("127.0.0.1", address_of(one).port) as other:
        listen(one)
        with pytest.raises(StoreUnavailable, match="Another program listens there"):
            listen(other)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.EACCES, "from 1024 on"), (errno.EADDRNOTAVAIL, "--host"), (errno.EADDRINUSE, "--port")],
)
def test_the_remedy_fits_what_stands_in_the_way(monkeypatch: pytest.MonkeyPatch, number: int, remedy: str) -> None:
    """Another port does not help where the address is not this machine's."""

    class Refused(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(number, "no")

    monkeypatch.setattr("storied.services.serving.listening.socket.socket", Refused)
    with pytest.raises(StoreUnavailable, match=remedy):
        hold("127.0.0.1", 80)
