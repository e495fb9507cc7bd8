"""What both files of histories share."""

import pytest

from storied.engines.sqlite import paging, querying, store, tagging


@pytest.fixture(autouse=True)
def _short_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a long log, a wide query or a large page would meet, a short history meets: SQLite has small bounds."""
    monkeypatch.setattr(tagging, "SHORT", 0)
    monkeypatch.setattr(tagging, "FEWEST", 3)
    monkeypatch.setattr(tagging, "SHARE", 1000)
    monkeypatch.setattr(tagging, "PACE", 1)
    monkeypatch.setattr(store, "HALVED_READS", 2)
    monkeypatch.setattr(querying, "MOST_BRANCHES", 5)
    monkeypatch.setattr(paging, "FIRST_SLICE", 2)
    monkeypatch.setattr(paging, "SLICE_BYTES", 60)
    monkeypatch.setattr(paging, "PAGE_BYTES", 150)
