"""Values as the texts of paths, query strings and headers spell them. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec


def value_of(text: str, wanted: Any) -> Any:
    """The value of a type that the text spells, as JSON would have it in quotes or, for numbers and the like, without.

    A number is no time and no duration, though it could be taken for one. Raises as `msgspec.convert` does.
    """
    value = msgspec.convert(text, wanted, strict=False)
    return msgspec.convert(text, wanted) if isinstance(value, (datetime, timedelta)) else value
