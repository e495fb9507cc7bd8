"""Who keeps views up to date gives signs of life, so that a dead projection can be told from an idle one."""

import time
from pathlib import Path

import pytest

from storied.engines.opening import open_documents
from storied.projections import beating
from storied.store.documents import Heartbeat
from storied.testing.waiting import eventually
from tests.projections.shop import Placed
from tests.projections.shop import shop as app


async def signs(url: str) -> dict[str, Heartbeat]:
    """The youngest sign for each view, as another process sees them."""
    async with open_documents(url) as documents:
        return {beat.view: beat for beat in reversed(await documents.heartbeats())}


async def test_an_opened_app_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each of its views: where it stands and how far it is behind."""
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.02)
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    async with app.open(url) as shop:
        receipt = await shop.record(Placed(order="o-1", customer="c-1"))

        async def caught_up() -> bool:
            found = await signs(url)
            return set(found) == set(app.views) and all(
                (beat.life, beat.position, beat.lag_us) == ("running", receipt.position, 0) for beat in found.values()
            )

        await eventually(caught_up)


async def test_the_first_sign_is_there_once_an_app_is_open(tmp_path: Path) -> None:
    """It says where each view was left, so that one that stands still is not taken for dead at first."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    async with app.open(url) as shop:
        receipt = await shop.record(Placed(order="o-1", customer="c-1"))
        for view in app.views.values():
            await shop.wait(view, receipt.position)
    assert await signs(url) == {}
    async with app.open(url):
        found = await signs(url)
        assert set(found) == set(app.views)
        assert {(beat.life, beat.position, beat.head, beat.lag_us) for beat in found.values()} == {
            ("running", receipt.position, receipt.position, 0)
        }
    assert await signs(url) == {}


async def test_views_that_are_new_live_from_the_start(tmp_path: Path) -> None:
    """Nothing was left of them, and their first documents are served at once."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    async with app.open(url):
        assert {beat.life for beat in (await signs(url)).values()} == {"running"}


async def test_the_first_sign_says_how_far_a_view_was_left_behind(tmp_path: Path) -> None:
    """By what came since, and not by the oldest event."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    async with app.open(url) as shop:
        receipt = await shop.record(Placed(order="o-1", customer="c-1"))
        for view in app.views.values():
            await shop.wait(view, receipt.position)
    async with app.open(url, views=False) as shop:
        began = time.monotonic()
        await shop.record(Placed(order="o-2", customer="c-1"))
    async with app.open(url):
        found = await signs(url)
        most = (time.monotonic() - began) * 1e6
        assert {beat.position for beat in found.values()} <= {1, 2}
        assert all(beat.lag_us <= most for beat in found.values())


async def test_a_view_that_failed_is_not_told_to_run_before_it_does(tmp_path: Path) -> None:
    """What stopped it may do so again."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    async with app.open(url) as shop:
        receipt = await shop.record(Placed(order="o-1", customer="c-1"))
        for view in app.views.values():
            await shop.wait(view, receipt.position)
    async with open_documents(url) as documents:
        failed = next(edition.table for edition in await documents.editions() if edition.live)
        await documents.report(failed, "it stopped")
    async with app.open(url):
        assert set(await signs(url)) == set(app.views) - {failed.name}


async def test_an_app_that_closes_says_goodbye(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for one that died."""
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.02)
    url = f"sqlite:///{tmp_path / 'shop.db'}"

    async def seen() -> bool:
        return bool(await signs(url))

    async with app.open(url):
        await eventually(seen)
    assert await signs(url) == {}


async def test_an_app_that_runs_no_views_gives_no_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of commands is no proof that the views live."""
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.02)
    url = f"sqlite:///{tmp_path / 'shop.db'}"

    async def seen() -> bool:
        return bool(await signs(url))

    async with app.open(url, views=False) as idle, app.open(url) as working:
        await eventually(seen)
        assert len({beat.worker for beat in (await signs(url)).values()}) == 1
        await idle.store.head()
        await working.store.head()
