"""What both files of histories share."""

import pytest

from storied.engines.sqlite import tagging


@pytest.fixture(autouse=True)
def _short_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few events are enough for SQLite to begin moving tags into its index, and it moves one for each new one."""
    monkeypatch.setattr(tagging, "FEWEST", 3)
    monkeypatch.setattr(tagging, "SHARE", 1000)
    monkeypatch.setattr(tagging, "PACE", 1)
