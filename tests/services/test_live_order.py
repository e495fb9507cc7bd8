"""Where the documents of a list stand: known to the client of its stream after whatever was told."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from storied.projections.serving import NOW, Then
from storied.projections.texts import Texts
from storied.services.querying.live import ListTelling
from storied.store.documents import Hit
from tests.services.library import Bought, Lent
from tests.services.test_live import Told, listening
from tests.services.test_queries import stocked


async def test_a_new_document_at_the_end_and_a_change_in_its_place_need_no_order(tmp_path: Path) -> None:
    """They are told, and nothing behind them."""
    async with stocked(f"sqlite:///{tmp_path}/app.db") as (opened, service), listening(service, "/books") as client:
        await client.next()
        await opened.record(Bought(book="zadig", author="voltaire", price=Decimal(5)))
        assert (await client.next()).data["book"] == "zadig"
        await opened.record(Lent(book="emma", reader="r-2"))
        assert (await client.next()).data["book"] == "emma"
        await opened.record(Bought(book="candide", author="voltaire", price=Decimal(5)))
        assert (await client.next()).data["book"] == "candide"
        assert (await client.next()).data == {"keys": ["a/b c", "candide", "emma", "persuasion", "walden", "zadig"]}


async def test_a_document_that_changes_its_place_is_told_with_the_order(tmp_path: Path) -> None:
    """At the same position."""
    target = "/books?sort=-price&limit=3"
    async with stocked(f"sqlite:///{tmp_path}/app.db") as (opened, service), listening(service, target) as client:
        assert [book["book"] for book in (await client.next()).data] == ["persuasion", "walden", "emma"]
        await opened.record(Bought(book="emma", author="austen", price=Decimal(50)))
        assert (await client.next()).data["price"] == "50"
        assert await client.next() == Told("order", 6, {"keys": ["persuasion", "emma", "walden"]})


class Follower:
    """A client that keeps a list by what it is told of it."""

    def __init__(self) -> None:
        self.documents: dict[str, str] = {}

    def hear(self, told: bytes) -> None:
        """Does what the reference says of one event."""
        fields = dict(line.split(": ", 1) for line in told.decode().strip().split("\n"))
        data = msgspec.json.decode(fields["data"])
        match fields["event"]:
            case "list":
                self.documents = {one["key"]: one["text"] for one in data}
            case "document":
                self.documents[data["key"]] = data["text"]
            case "gone":
                del self.documents[data["key"]]
            case "order":
                assert sorted(data["keys"]) == sorted(self.documents)
                self.documents = {key: self.documents[key] for key in data["keys"]}


@pytest.mark.parametrize("seed", range(20))
async def test_whoever_does_what_is_told_has_the_list(seed: int) -> None:
    """Document by document, in order, whatever came, went, changed and moved at once."""
    chance = random.Random(seed)
    page = Texts([], None, 0)

    async def ask(then: Then) -> Texts:
        return page

    telling, follower = ListTelling(ask), Follower()
    for position in range(50):
        keys = chance.sample("abcdefgh", chance.randrange(8))
        texts = {key: chance.choice("xy") for key in (keys if chance.random() < 0.5 else sorted(keys))}
        hits = [Hit(key, f'{{"key":"{key}","text":"{text}"}}') for key, text in texts.items()]
        page = Texts(hits, None, position)
        for told in (await telling.tell(NOW)).messages:
            follower.hear(told)
        assert list(follower.documents.items()) == list(texts.items())
