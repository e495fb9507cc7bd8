"""The demo: what it plays, and what it says about it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from storied import Rejected
from storied.examples.shop import app, demo
from storied.examples.shop.demo import run_demo
from storied.examples.shop.events import SellerJoined
from storied.examples.shop.plot import CLOSING, HERO, plot
from storied.examples.shop.views import OrderPage
from tests.examples.logs import content


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store that is not there yet, for a play of few orders."""
    monkeypatch.setattr("storied.examples.shop.plot.ORDERS", 30)
    return f"sqlite:///{tmp_path / 'demo.db'}"


async def told(url: str) -> str:
    """What a run of the demo prints where there is no terminal."""
    out = io.StringIO()
    await run_demo(url, out)
    return out.getvalue()


def test_one_seed_gives_one_plot() -> None:
    """The scenes are the same each time, in order, and end at closing time."""
    first, second = plot(1), plot(1)
    assert [(s.at, s.actor, s.order) for s in first] == [(s.at, s.actor, s.order) for s in second]
    assert [s.at for s in first] == sorted(s.at for s in first)
    assert all(s.at < CLOSING for s in first)


async def test_the_demo_tells_its_story() -> None:
    """A page, a history with who and why, two answers about one Saturday, a refusal that left no trace."""
    text = await told("memory://")
    assert "status delivered, total 118.30" in text
    assert "VoucherRedeemed  anna" in text
    assert "happened 16 May 16:45" in text
    assert "Saturday, as it was known        shipped" in text
    assert "Saturday, as it had happened     delivered" in text
    assert "out-of-stock: 9 of product tent" in text


async def test_the_demo_says_what_to_type_next(url: str) -> None:
    """The commands name the file that it left, and an order that is in it."""
    text = await told(url)
    path = url.removeprefix("sqlite:///")
    assert f"storied history order:{HERO} --store {path}\n" in text
    assert f"storied stats --store {path}\n" in text
    assert Path(path).exists()


async def test_the_demo_plays_every_state_of_an_order() -> None:
    """Orders are delivered, under way, cancelled and unavailable."""
    clock = demo.StageClock()
    async with app.open("memory://", clock=clock) as shop:
        await demo.perform(shop, clock)
        counts = await shop.count(OrderPage, by="status", after=await shop.store.head())
    assert {"shipped", "delivered", "unavailable", "canceled"} <= counts.keys()
    assert sum(counts.values()) > 150


async def test_a_second_run_adds_nothing(url: str) -> None:
    """What was played is told again, not played again."""
    await told(url)
    before = await content(url)
    assert "The shop was played before" in await told(url)
    assert await content(url) == before


async def test_an_interrupted_run_goes_on(url: str, tmp_path: Path) -> None:
    """Stopped in the middle and started again, the demo leaves each scene once."""
    scenes = plot(demo.SEED)

    clock = demo.StageClock()
    async with app.open(url, views=False, clock=clock) as shop:
        for number, scene in enumerate(scenes[:60]):
            clock.time = scene.at
            await demo.perform_scene(shop, scene, f"demo-{number}")
    count, _ = await content(url)
    await told(url)
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    await told(whole)
    assert 0 < count < (await content(url))[0]
    assert (await content(url))[0] == (await content(whole))[0]


async def test_the_demo_leaves_other_stores_alone(url: str) -> None:
    """A store that holds something else is refused, and nothing is added to it."""
    async with app.open(url, views=False) as shop:
        await shop.record(SellerJoined(seller="s-1", city="curitiba"))
    before = await content(url)
    with pytest.raises(Rejected, match="holds other events"):
        await told(url)
    assert await content(url) == before
