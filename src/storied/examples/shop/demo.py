"""The demo: a small shop plays half a year, and what storied remembers of it is shown. Behind ``storied demo``.

The clock that the shop is opened with is the plot's, so that its log looks like one of half a year. Every command has
an id of its own, so that a demo that was interrupted goes on when it is started again, and a finished one is only told.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TextIO

from rich.console import Console

from storied import Event, Fact, OpenApp, Rejected

from . import app
from .orders import Order
from .plot import CLOSING, OPENING, Scene, plot
from .telling import Play, tell

SEED = 7
PLAYED = "demo-played"
"""The append id that stands in the store once the play is over."""


class StageClock:
    """The time of the scene that is played."""

    def __init__(self) -> None:
        self.time = OPENING

    def __call__(self) -> datetime:
        """The present on the stage."""
        return self.time


async def run_demo(url: str, out: TextIO) -> None:
    """Plays the shop in the store at *url*, unless it is there already, and tells about it.

    Raises `Rejected` with code ``not-a-demo`` when the store holds something else.
    """
    console = Console(file=out, markup=False, highlight=False, emoji=False)
    clock = StageClock()
    async with app.open(url, clock=clock) as shop:
        with console.status("A shop plays half a year …"):
            play = await perform(shop, clock)
        with console.status("The views catch up …"):
            for view in app.views.values():
                await shop.wait(view, await shop.store.head(), timeout=60)
        await tell(shop, console, play, url)


async def perform(shop: OpenApp, clock: StageClock) -> Play:
    """Plays every scene that the store does not have yet."""
    begun, played = await shop.store.receipt("demo-0"), await shop.store.receipt(PLAYED)
    if begun is None and await shop.store.head():
        raise Rejected(
            "not-a-demo",
            "this store holds other events than the demo's, so nothing was added. Give the demo a new file.",
        )
    if played is not None:
        clock.time = CLOSING
        return Play(repeated=True)
    commands, refused, started = 0, set[str](), time.monotonic()
    for number, scene in enumerate(plot(SEED)):
        name = f"demo-{number}"
        if scene.order in refused or (begun and await shop.store.receipt(name)):
            continue
        clock.time = scene.at
        try:
            commands += await perform_scene(shop, scene, name)
        except Rejected:
            refused.add(scene.order)
    clock.time = CLOSING
    await shop.store.append([], append_id=PLAYED)
    return Play(commands, len(refused), time.monotonic() - started)


async def perform_scene(shop: OpenApp, scene: Scene, name: str) -> bool:
    """Does what the scene says, under *name*: doing it again changes nothing. Whether it was a command."""
    order = await shop.state(Order, scene.order) if scene.order else Order()
    done = scene.make(order)
    correlation = f"cart-{scene.order}" if scene.order else None
    if isinstance(done, Event):
        report = Fact(done, occurred_at=scene.happened)
        await shop.record(report, actor=scene.actor, append_id=name, correlation=correlation)
        return False
    await shop.execute(done, actor=scene.actor, command_id=name, correlation=correlation)
    return True
