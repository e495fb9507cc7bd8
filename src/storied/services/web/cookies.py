"""The cookie by which a browser reads its own writes: how far it has written in one log, which the name tells.

All ports of a host share their cookies, and cookies outlive a store. So each log has a cookie of its own, and nobody
waits for what was written to another. Pure.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from storied.services.web.http import Headers, Request

PREFIX = "storied-after-"
SECONDS = 24 * 60 * 60


@lru_cache(100)
def cookie_of(log: str) -> str:
    """The name of the cookie for the log of this identity."""
    return PREFIX + blake2b(log.encode(), digest_size=4).hexdigest()


def written_by(headers: Headers) -> dict[str, int]:
    """The positions that such cookies say, by their names; one that says nothing is passed over."""
    found: dict[str, int] = {}
    given = headers.get("cookie")
    for cookie in given.split(";") if given and PREFIX in given else ():
        name, _, value = cookie.strip().partition("=")
        if name.startswith(PREFIX) and value.isascii() and value.isdecimal() and len(value) <= 18:
            found[name] = max(int(value), found.get(name, 0))
    return found


def kept_cookie(request: Request, log: str, position: int) -> bytes:
    """The cookie that lets a browser read what it wrote. It never goes back, in whatever order answers arrive."""
    name = cookie_of(log)
    position = max(position, written_by(request.headers).get(name, 0))
    secure = "; Secure" if request.scope.get("scheme") == "https" else ""
    return f"{name}={position}; Path=/; Max-Age={SECONDS}; HttpOnly; SameSite=Lax{secure}".encode()


def dropped_cookie(log: str) -> bytes:
    """The same without a position, which its browser forgets."""
    return f"{cookie_of(log)}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax".encode()
