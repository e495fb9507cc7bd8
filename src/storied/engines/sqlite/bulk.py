"""Many rows in few statements: each statement lets go of Python's global lock and has to get it back."""

from __future__ import annotations

from typing import Any

import apsw

_SIZES = (256, 64, 16, 4, 1)
"""Rows of one INSERT: few enough sizes that each statement stays prepared."""


def insert_rows(connection: apsw.Connection, head: str, columns: int, values: list[Any], tail: str = "") -> None:
    """Inserts rows, given as one flat list of *columns* values each; *head* and *tail* stand around VALUES."""
    row = f"({', '.join('?' * columns)})"
    start, left = 0, len(values) // columns
    for size in _SIZES:
        while left >= size:
            chunk = values[start : start + size * columns]
            connection.execute(f"{head} VALUES {', '.join([row] * size)} {tail}", chunk)
            start, left = start + size * columns, left - size
