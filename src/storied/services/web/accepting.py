"""What a client accepts, by its ``Accept`` (RFC 9110, section 12.5.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

JSON = "application/json"
EVENTS = "text/event-stream"
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_MEMBER = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.?)*"?)+')  # a quote that is left open goes to the end
_RANGE = re.compile(rf"\s*({_WORD}/{_WORD})\s*((?:;\s*(?:{_WORD}\s*=\s*(?:{_WORD}|{_QUOTED})\s*)?)*)")
_WEIGHT = re.compile(r';\s*q\s*=\s*"?([^\s;"]*)"?', re.IGNORECASE)
_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


def wants_events(accept: str | None) -> bool:
    """Whether server-sent events are asked for by their name, and no less than JSON."""
    if accept is None or "event-stream" not in accept.lower():  # as nearly always
        return False
    by_range = dict(_ranges(accept))
    return 0 < by_range.get(EVENTS, 0) >= _quality(by_range, JSON)


def takes_json(accept: str | None) -> bool:
    """Whether JSON is acceptable."""
    return accept is None or _quality(dict(_ranges(accept)), JSON) > 0


def _quality(by_range: dict[str, float], media_type: str) -> float:
    """The weight of the closest range that has the type."""
    for wanted in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if wanted in by_range:
            return by_range[wanted]
    return 0


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Each range and its weight; what is not well-formed is passed over."""
    for member in _MEMBER.findall(accept):
        found = _RANGE.fullmatch(member)
        if found is None:
            continue
        weight = _WEIGHT.search(found[2])
        if weight is None:
            yield found[1].lower(), 1
        elif _QUALITY.fullmatch(weight[1]):
            yield found[1].lower(), float(weight[1])
