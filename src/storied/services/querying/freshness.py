"""Freshness: how new an answer has to be for its client, and whether the client has it already. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from storied.domain.times import At, Occurred
from storied.errors import RequestRefused
from storied.projections.serving import WAIT_SECONDS
from storied.services.settings import AFTER_HEADER
from storied.services.web.http import Headers
from storied.services.web.preconditions import wish
from storied.services.web.spelling import is_time

_SEEN = re.compile(r"(\d{1,18})(?:;\s*log=([0-9A-Za-z-]{1,64}))?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ZONE = re.compile(r"[ +](\d\d:?\d\d)$")
_MEMBER = re.compile(r'[ \t]*+((?:W/)?"[\x21\x23-\x7e\x80-\xff]*+")?[ \t]*+(?:,|\Z)')
"""One member of a list of entity tags, which may be empty."""


class Seen(msgspec.Struct, frozen=True):
    """What a client has seen already: a position, of the log `log` where it says which."""

    position: int
    log: str | None = None


def seen_by(headers: Headers) -> Seen | None:
    """What ``Storied-After`` says. Raises `RequestRefused` with code ``bad-header``."""
    text = headers.get(AFTER_HEADER)
    if text is None:
        return None
    found = _SEEN.fullmatch(text)
    if found is None:
        raise RequestRefused(
            "bad-header",
            f"{AFTER_HEADER} takes a position, such as 17: what Storied-Position told you.",
            data={"errors": [{"header": AFTER_HEADER, "detail": "not a position"}]},
        )
    return Seen(int(found[1]), found[2])


def patience(headers: Headers, limit: float) -> float:
    """How many seconds to wait for what the client has seen: what ``Prefer: wait=…`` says, at most *limit*."""
    wanted = wish(headers)
    return min(limit, WAIT_SECONDS if wanted is None else wanted.seconds)


def moment_in(text: str) -> At:
    """What ``at=`` means: a position, a time, or ``occurred:`` and a time. Raises `RequestRefused`."""
    if text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text)
    time = time_in(text.removeprefix("occurred:"))
    if time is None or time.tzinfo is None:
        raise RequestRefused(
            "bad-parameter",
            "at takes a position, a time with a zone such as 2018-01-01T00:00:00Z, or occurred: and such a time.",
            data={"errors": [{"parameter": "at", "detail": "no position and no time"}]},
        )
    return Occurred(time) if text.startswith("occurred:") else time


def time_in(text: str, *, local: bool = False) -> datetime | None:
    """The time that the text writes; a day alone is its beginning in UTC. A plus that came as a blank is mended.

    A *local* time is one without an offset.
    """
    try:
        if _DAY.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=None if local else UTC)
        mended = _ZONE.sub(r"+\1", text)
        return msgspec.convert(mended, datetime) if is_time(mended, local=local) else None
    except ValueError:
        return None


def tag_of(body: bytes) -> bytes:
    """The entity tag of these bytes, and of no others."""
    return b'"%b"' % blake2b(body, digest_size=9).hexdigest().encode()


def has_it(given: Iterable[str], tag: bytes) -> bool:
    """Whether the client's ``If-None-Match`` names the tag; one that RFC 9110 would not spell so names none.

    *given* are its values, where it came several times.
    """
    text, at, wanted = ",".join(given), 0, tag.decode()
    if text.strip() == "*":
        return True
    found = []
    while at < len(text):
        member = _MEMBER.match(text, at)
        if member is None:
            return False
        found.append(member[1])
        at = member.end()
    return wanted in found or f"W/{wanted}" in found
