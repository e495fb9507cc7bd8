"""What caches are told, and what clients say that they have: RFC 9110 and 9111 over the query service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.test_live import listening
from tests.services.test_queries import get, stocked


@pytest.mark.parametrize(
    "target", ["/books/emma", "/books", "/books/emma?at=5", "/books/emma/history", "/authors/austen/worth"]
)
async def test_an_answer_says_that_there_is_another_for_who_accepts_another(tmp_path: Path, target: str) -> None:
    """The answer as JSON, also where the client has it already."""
    async with stocked(f"sqlite:///{tmp_path}/app.db") as (_, service):
        whole = await get(service, target)
        again = await get(service, target, if_none_match=whole.headers["etag"])
        assert [(one.status, one.headers["vary"]) for one in (whole, again)] == [(200, "accept"), (304, "accept")]


@pytest.mark.parametrize("target", ["/books/emma", "/books"])
async def test_a_stream_says_that_there_is_another_answer(tmp_path: Path, target: str) -> None:
    """As that other does."""
    async with stocked(f"sqlite:///{tmp_path}/app.db") as (_, service), listening(service, target) as client:
        await client.next()
        assert client.wire.sent.headers["vary"] == "accept"
