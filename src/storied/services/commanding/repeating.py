"""Repeating: what makes a request the same again, whatever the code makes of it by then.

A client repeats what it sent: the path, the body, and the headers that fields ask for. Defaults that were added or
changed since, and classes and parameters with other names, make no other request of it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Inexact, InvalidOperation, Overflow
from hashlib import sha256

import msgspec

_MOST_DIGITS = 400
_exact = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation, Overflow])
_encoder = msgspec.json.Encoder(order="sorted")


def _number(text: str) -> msgspec.Raw:
    """A number that is no plain integer, as every spelling of it is kept: 1.0 is 1, and 1.50 is 1.5."""
    try:
        amount = _exact.create_decimal(text).normalize(_exact)
        is_whole = amount == amount.to_integral_value(context=_exact)
    except ArithmeticError:  # its exponent is beyond all
        return msgspec.Raw(text.encode())
    if is_whole and amount.adjusted() < _MOST_DIGITS:
        return msgspec.Raw(str(int(amount)).encode())
    return msgspec.Raw(str(amount).encode())


_decoder = msgspec.json.Decoder(float_hook=_number)


def with_plain_numbers(raw: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """The JSON with each whole number written as one, 1.0 as 1; as it was if it cannot be read."""
    try:
        return msgspec.json.encode(_decoder.decode(raw))
    except (msgspec.DecodeError, ArithmeticError, ValueError, RecursionError):
        return raw


def request_fingerprint(path: Sequence[str], body: bytes, headers: Mapping[str, str]) -> bytes:
    """What tells a repeat from another request under its key: the values in the path, by their places, and the rest.

    Blanks, the order of members and the spelling of a number make no difference. Raises as a JSON decoder does.
    """
    said = (path, _decoder.decode(body) if body else {}, headers) if headers else (path, _decoder.decode(body or b"{}"))
    return sha256(_encoder.encode(said)).digest()
