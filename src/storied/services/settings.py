"""What an operator may set about the services. The values are handed in; nothing here reads the environment."""

from __future__ import annotations

import msgspec

POSITION_HEADER = "Storied-Position"
AFTER_HEADER = "Storied-After"
POSITION_COOKIE = "storied-after"
"""The cookie that says up to where its browser has written."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one service."""

    body_limit: int = 1024 * 1024
    """Bytes of a request's body."""
    body_seconds: float = 30.0
    """How long a client may take to send its body."""
    kept_headers: frozenset[str] = frozenset()
    """Headers of a command's request, in lower case, that its events keep and its handler sees in its context."""
    position_cookie: bool = True
    """Whether an answer to a command sets the cookie by which a browser reads its own writes."""
    wait_limit: float = 30.0
    """Seconds that a client may ask to wait for a view."""
