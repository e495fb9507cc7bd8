"""Events that are typed or piped in, made ready to be stored. Pure."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from storied.cli.failures import UsageProblem
from storied.cli.times import parse_time
from storied.errors import InvalidEvent, StoriedError
from storied.store.codec import new_event
from storied.store.records import Metadata, NewEvent


class Given(msgspec.Struct, frozen=True):
    """What the options say of every event."""

    tags: tuple[str, ...] = ()
    actor: str | None = None
    occurred_at: datetime | None = None

    def event(self, type: str, data: str | msgspec.Raw, version: int = 1) -> NewEvent:
        """An event with these tags, actor and time. Raises `UsageProblem` and `InvalidEvent`."""
        metadata = Metadata(actor=self.actor, occurred_at=self.occurred_at)
        return new_event(type, _payload(data), tags=self.tags, version=version, metadata=metadata)


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of JSON Lines; what it leaves out is as the options say."""

    type: str
    data: msgspec.Raw = msgspec.Raw(b"{}")
    version: int = 1
    tags: tuple[str, ...] = ()
    actor: str | None = None
    occurred_at: str | None = None

    def event(self, given: Given) -> NewEvent:
        """The event it stands for. Raises what `Given.event` raises, and `ArgumentTypeError` for the time."""
        together = Given(
            tags=(*self.tags, *given.tags),
            actor=given.actor if self.actor is None else self.actor,
            occurred_at=given.occurred_at if self.occurred_at is None else parse_time(self.occurred_at),
        )
        return together.event(self.type, self.data, self.version)


def parse_line(text: bytes, number: int, given: Given) -> NewEvent:
    """The event of one line. Raises `UsageProblem` and `InvalidEvent`, which name the line."""
    try:
        return _lines.decode(text).event(given)
    except (msgspec.MsgspecError, UnicodeDecodeError, ArgumentTypeError) as error:
        raise UsageProblem(
            f"line {number}: {str(error).removesuffix('.')}. Nothing was stored. A line is "
            '{"type": "NoteTaken", "data": {}}, with "tags", "version", "actor" and "occurred_at" if you like.'
        ) from error
    except StoriedError as error:
        raise type(error)(f"line {number}: {error.message} Nothing was stored.", code=error.code) from error


def _payload(data: str | msgspec.Raw) -> dict[str, Any]:
    try:
        payload: object = _payloads.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        raise UsageProblem(
            f'the payload is not JSON: {error}. Quote it for the shell: \'{{"text": "hi"}}\'.'
        ) from error
    if not isinstance(payload, dict):
        raise UsageProblem('the payload is not a JSON object. Give its fields names: \'{"text": "hi"}\'.')
    return payload


def _exact(text: str) -> float:
    """The number, if it is stored as it was typed. Raises `InvalidEvent`."""
    number = float(text)
    if Decimal(text) != Decimal(repr(number)):
        raise InvalidEvent(
            f'the number {text} would lose digits. Write it as text, "{text}", as Decimals are stored.', code="lossy"
        )
    return number


_lines = msgspec.json.Decoder(Line)
_payloads = msgspec.json.Decoder(float_hook=_exact)
