"""Figures: what a measurement gives, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """What one run measured: storied's rate and the bare one's, both per second (or as long as the unit says)."""

    ours: float
    bare: float | None


class Measure(msgspec.Struct, frozen=True):
    """One measurement: its name, unit and bar, and the function that runs it in an empty folder."""

    name: str
    unit: str
    bar: float
    run: Callable[[Path], Awaitable[Figure]]
    least: bool = True
    """Whether the bar is the least that is wanted; otherwise it is the most."""
    share: float = 0.0
    """The least that is wanted of the ratio to the bare figure; then there is no other bar."""
    alone: str = ""
    """Why there is no bare figure beside it, where there is none."""

    def is_good(self, figure: Figure) -> bool:
        """Whether the figure reaches what is wanted."""
        if self.share:
            return figure.bare is not None and figure.ours >= self.share * figure.bare
        return figure.ours >= self.bar if self.least else figure.ours <= self.bar

    @property
    def wanted(self) -> str:
        """The bar as it is shown."""
        return f"× {self.share:g}" if self.share else f"{self.bar:,.0f}"
