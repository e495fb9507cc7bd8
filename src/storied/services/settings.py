"""What an operator may set about the services. The values are handed in; nothing here reads the environment."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one service."""

    body_limit: int = 1024 * 1024
    """Bytes of a request's body."""
    body_seconds: float = 30.0
    """How long a client may take to send its body."""
    wait_limit: float = 30.0
    """Seconds that a client may ask to wait for a view."""
