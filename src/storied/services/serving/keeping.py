"""Keeping: the views of an app on the store that stands at a URL, also when another comes to stand there.

What was moved away is let go of, and nothing is made in its place: whoever puts a store there knows what belongs there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from storied.app import App
from storied.engines.opening import look_of
from storied.errors import StoreError, StoreUnavailable
from storied.projections.troubles import Trouble

LOOK_SECONDS = 1.0
"""How long a store has to have looked the same before it is opened: it may be in the middle of being copied there."""

log = logging.getLogger("storied.services")


async def keep(app: App, url: str, told: Callable[[], Awaitable[None]], started: Callable[[], None]) -> None:
    """Keeps the views up to date until *told* returns; *started* is called once they are, the first time.

    Raises `StoreError` when the store cannot be opened at first, and is opened only where one is afterwards.
    """
    trouble = Trouble("the store cannot be opened yet", "the store can be opened")
    async with app.open(url) as opened:
        started()
        identity = opened.store.identity
        stopping = asyncio.ensure_future(told())
        await _first(stopping, opened.until_lost())
    while not stopping.done():
        await _first(stopping, _settled(url))
        try:
            if not stopping.done():
                async with app.open(url, make=False) as opened:
                    trouble.over()
                    what = "the same log as before" if opened.store.identity == identity else "another log than before"
                    log.warning("the views are kept up to date again, from %s", what)
                    identity = opened.store.identity
                    await _first(stopping, opened.until_lost())
        except StoreError as error:
            trouble.met(error)
    await stopping


async def _settled(url: str) -> None:
    """Returns once a store stands at the URL, and looks the same as a moment ago."""
    before: tuple[int, ...] | None = None
    while True:
        try:
            found = look_of(url)
        except StoreUnavailable:
            found = None
        if found is not None and found == before:
            return
        before = found
        await asyncio.sleep(LOOK_SECONDS)


async def _first(stopping: asyncio.Future[None], other: Awaitable[Any]) -> None:
    """Returns when one of them does, and ends the other of the two."""
    task: asyncio.Future[Any] = asyncio.ensure_future(other)
    try:
        await asyncio.wait([stopping, task], return_when=asyncio.FIRST_COMPLETED)
    finally:
        task.cancel()
        await asyncio.wait([task])
