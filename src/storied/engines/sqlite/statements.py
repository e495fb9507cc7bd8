"""SQL by name: the commented blocks of the `.sql` files beside this module."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_BLOCK = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, str]:
    """The blocks of *file* by the name in their ``-- name:`` line, without their comments."""
    text = (files(__package__) / file).read_text(encoding="utf-8")
    _, *parts = _BLOCK.split(text)
    return {
        name: "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }
