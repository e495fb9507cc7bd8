"""What the headers of a command say beside it: its key, the position its sender had seen, and what to wait for."""

from __future__ import annotations

import re
from hashlib import sha256

import msgspec

from storied.errors import RequestRefused
from storied.services.web.http import Headers

MOST_KEY_CHARACTERS = 255
WAIT_SECONDS = 5.0
"""How long a client waits that names views and no time."""
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_POSITION = re.compile(r"\d{1,18}")
_KEY = re.compile(r'"(?P<quoted>(?:[ !#-\[\]-~]|\\["\\])*)"|(?P<bare>[ !#-~]*)')
_ESCAPED, _SPECIAL = re.compile(r"\\(.)"), re.compile(r'["\\]')
_PREFERENCE = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?\s*([;,]|$)')


_ORDERED = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A UUID of version 7, which begins with its time in milliseconds."""
_encoder = msgspec.json.Encoder()


class Wish(msgspec.Struct, frozen=True):
    """What ``Prefer: wait`` asks for: at most so many seconds, until these views are there (None: all concerned)."""

    seconds: float
    views: tuple[str, ...] | None = None


SAID = frozenset({b"if-match", b"if-none-match", b"if-unmodified-since", b"idempotency-key", b"prefer"})
"""The headers that are read here; most requests have none of them."""


def said_by(headers: Headers) -> tuple[int | None, str | None, Wish | None]:
    """The expected position, the key and the wish. Raises `RequestRefused` with code ``bad-header``."""
    return expected_position(headers), idempotency_key(headers), wish(headers)


def expected_position(headers: Headers) -> int | None:
    """The position in ``If-Match``, or None without it; of several the latest.

    Raises `RequestRefused` with code ``bad-header`` for what is no position, and for ``If-None-Match`` and, without a
    position, ``If-Unmodified-Since``: a protection that is not there must not be relied on.
    """
    if headers.get("if-none-match") is not None:
        raise _bad("If-None-Match", 'A command takes no If-None-Match. To be the first, send If-Match: "0".')
    text = headers.get("if-match")
    if text is None and headers.get("if-unmodified-since") is not None:
        raise _bad("If-Unmodified-Since", "A command compares positions, not times. Send If-Match instead.")
    if text is None:
        return None
    tags = [tag.strip() for tag in text.split(",")]
    found = [_TAG.fullmatch(tag) for tag in tags]
    positions = [int(match[2]) for match in found if match and not match[1] and _POSITION.fullmatch(match[2])]
    if len(positions) < len(tags):
        raise _bad("If-Match", 'If-Match takes a position in quotes, such as "17": what Storied-Position told you.')
    return max(positions)


def idempotency_key(headers: Headers) -> str | None:
    """The ``Idempotency-Key``: a string in quotes as structured fields have them (RFC 9651), or bare text without any.

    Raises `RequestRefused` with code ``bad-header``.
    """
    if b"idempotency-key" not in headers.table:
        return None
    given = headers.only(b"idempotency-key") or b""
    found = _KEY.fullmatch(given.decode("latin-1").strip(" \t"))
    key = "" if found is None else found["bare"] or _ESCAPED.sub(r"\1", found["quoted"] or "")
    if not 0 < len(key) <= MOST_KEY_CHARACTERS:
        raise _bad(
            "Idempotency-Key",
            f"Idempotency-Key takes 1 to {MOST_KEY_CHARACTERS} printable ASCII characters, such as a UUID, once. In "
            "quotes, a quote and a backslash have a backslash before them; without quotes there is no quote.",
        )
    return key


def spelled(key: str) -> str:
    """The key as the header takes it: in quotes where it could not stand without."""
    if '"' not in key and key == key.strip():
        return key
    escaped = _SPECIAL.sub(r"\\\g<0>", key)
    return f'"{escaped}"'


def command_id_of(principal: str, route: str, key: str) -> str:
    """The command id that a principal's key stands for on one route: a UUID that tells nothing of the key but its time.

    Where the key is a UUID of version 7, so is the id, of the same millisecond: what comes in order is stored in order,
    which costs a store much less than ids from all over. Any other key is hashed, whole.
    """
    text = sha256(
        _encoder.encode((principal, route, key))
    ).hexdigest()  # written as a UUID by hand: the class takes five times as long
    begins = f"{key[:13]}-7" if _ORDERED.fullmatch(key) else f"{text[:8]}-{text[8:12]}-5"
    return f"{begins}{text[13:16]}-a{text[17:20]}-{text[20:32]}"


def wish(headers: Headers) -> Wish | None:
    """What the client prefers to wait for, in ``Prefer: wait=5; views="OrderPage"`` or ``Prefer: wait=OrderPage``.

    As RFC 7240 has it, what is not understood is passed over.
    """
    text = headers.get("prefer")
    if text is None:
        return None
    given = _preference(text, "wait")
    if given is None:
        return None
    wait, views = given
    if re.fullmatch(r"\d{1,18}(\.\d{1,18})?", wait):
        return Wish(float(wait), views)
    return Wish(WAIT_SECONDS, (*_names(wait), *(views or ()))) if _names(wait) else None


def _preference(text: str, wanted: str) -> tuple[str, tuple[str, ...] | None] | None:
    """The value and the parameter `views` of the first preference with this name."""
    at, first = 0, True
    found: tuple[str, tuple[str, ...] | None] | None = None
    while match := _PREFERENCE.match(text, at):
        name, value = match[1].lower(), re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3] or ""
        if first and found is not None:
            break
        if first and name == wanted:
            found = (value, None)
        elif not first and found is not None and name == "views":
            found = (found[0], _names(value))
        first, at = match[4] == ",", match.end()
        if at >= len(text):
            break
    return found


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"[^\s,]+", text)))


def _bad(header: str, message: str) -> RequestRefused:
    return RequestRefused("bad-header", message, data={"errors": [{"header": header, "detail": message}]})
