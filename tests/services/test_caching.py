"""What caches are told, and what clients say that they have: RFC 9110 and 9111 over the query service."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest

from storied.services.querying.freshness import has_it
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


TAG = '"0f"'


@pytest.mark.parametrize(
    "given",
    [
        ["*"],
        [" * "],
        [TAG],
        ["W/" + TAG],
        ['"a,b" , ' + TAG],
        ["," + TAG + ", ,"],
        ['"other"', TAG],
        ['"\xe4", ' + TAG],
    ],
)
def test_a_tag_that_the_client_has_is_found(given: list[str]) -> None:
    """In a list, also with empty members, and in several headers."""
    assert has_it(given, TAG.encode())


@pytest.mark.parametrize(
    "given",
    [
        [],
        [""],
        ["x*y"],
        ["*x"],
        ["**"],
        ["*, " + TAG],
        ["*", "*"],
        [TAG + "x"],
        ["x" + TAG],
        ["w/" + TAG],
        [TAG + TAG],
        [TAG + " " + TAG],
        [TAG + "; q=1"],
        ["0f"],
        ['"0f'],
        ['"a, ' + TAG],
        [TAG + "\n"],
    ],
)
def test_what_is_no_list_of_tags_names_none(given: list[str]) -> None:
    """Rather an answer is sent that the client may have than kept from who does not."""
    assert not has_it(given, TAG.encode())


def test_a_long_header_takes_no_long_time_to_read() -> None:
    """In as many steps as it has characters, however it ends."""
    for filler in (" ", ",", " ,", '"a",', "W/"):
        began = perf_counter()
        assert not has_it([filler * 50_000 + "x"], TAG.encode())
        assert perf_counter() - began < 1.0


@pytest.mark.parametrize("target", ["/books/emma", "/openapi.json", "/docs"])
async def test_conditions_that_are_spelled_wrongly_are_passed_over(tmp_path: Path, target: str) -> None:
    """The answer is sent whole, as if there were none."""
    async with stocked(f"sqlite:///{tmp_path}/app.db") as (_, service):
        tag = (await get(service, target)).headers["etag"]
        for wrong in ("x*y", f"{tag}x"):
            assert (await get(service, target, if_none_match=wrong)).status == 200
