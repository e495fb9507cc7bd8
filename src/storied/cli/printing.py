"""Printing: colours and tables on a terminal, aligned plain text elsewhere, JSON when it is asked for.

Everything that is printed goes through here, and so through the escaping of what could control a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from storied.cli.escaping import visible, visible_json

Piece = str | tuple[str, str]
"""Text, or text with the style it has on a terminal."""


class Output:
    """Where a verb prints. `json` says that it has to print JSON, and only that."""

    def __init__(self, stream: TextIO, *, json: bool) -> None:
        self.stream, self.json = stream, json
        on_terminal = not json and stream.isatty()
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False) if on_terminal else None

    def document(self, value: object) -> None:
        """Prints a value as JSON, on one line: a whole document, or one of JSON Lines."""
        self.stream.write(visible_json(value) + "\n")

    def line(self, *pieces: Piece) -> None:
        """Prints pieces of text as one line; a long one is left to the terminal to wrap."""
        parts = [(piece, "") if isinstance(piece, str) else piece for piece in pieces]
        if self._console is None:
            self.stream.write("".join(visible(text) for text, _ in parts).rstrip() + "\n")
        else:
            text = Text.assemble(*((visible(text), style) for text, style in parts))
            self._console.print(text, soft_wrap=True)

    def pairs(self, pairs: Iterable[tuple[str, str]], indent: str = "") -> None:
        """Prints names and values, the values below each other."""
        listed = list(pairs)
        width = max((len(visible(name)) for name, _ in listed), default=0)
        for name, value in listed:
            self.line(indent, (_padded(name, width + 2), "dim"), value)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = ()) -> None:
        """Prints rows below their headings; the columns named in *numbers* are set to the right."""
        cells = [[visible(cell) for cell in row] for row in rows]
        widths = [max(cell_len(row[i]) for row in [headings, *cells]) for i in range(len(headings))]
        for number, row in enumerate([list(headings), *cells]):
            aligned = [
                _padded(cell, width, right=heading in numbers)
                for cell, width, heading in zip(row, widths, headings, strict=True)
            ]
            self.line(("  ".join(aligned), "bold" if number == 0 else ""))

    def flush(self) -> None:
        """Lets everything printed so far be seen."""
        self.stream.flush()


def _padded(text: str, width: int, *, right: bool = False) -> str:
    blanks = " " * max(0, width - cell_len(text))
    return blanks + text if right else text + blanks
