"""Doubting: whether a store takes writes is known from the last that failed, until a look shows that it would.

A service whose commands all fail is not ready. Who asks balancers to send it no more of them gets none by which it
could see that writing works again, so it looks by itself, when somebody asks whether it is ready: seldom, and never
twice at once. It looks, too, where the system says that the disk is full: of several processes, one that has got no
command since then would say otherwise than the rest.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from time import monotonic

from storied.errors import StoreError, StoreFenced, StoreUnavailable, UnknownOutcome
from storied.opened import OpenApp
from storied.store.room import Roomy

LOOK_SECONDS = 2.0
"""How long a look counts, and a failure before the first."""
LASTING = frozenset({"disk-full", "read-only", "busy"})
"""Why a store that is sound takes no writes, until somebody sees to the disk, or to who holds it locked."""

log = logging.getLogger("storied.services")
Failure = StoreFenced | StoreUnavailable | UnknownOutcome


class Doubt:
    """What is known against an app's store."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failed: tuple[OpenApp, Failure] | None = None
        self._looked = -math.inf
        self._look: asyncio.Task[None] | None = None

    def failed(self, shop: OpenApp, error: Failure) -> None:
        """Hears of a write that failed. Whatever passes by itself in a moment is no reason to doubt."""
        if isinstance(error, StoreUnavailable):
            if error.code not in LASTING or (self._failed is not None and self._failed[0] is shop):
                return
            self._looked = self._clock()
        self._failed = shop, error

    async def reason(self, shop: OpenApp) -> str | None:
        """Why writing is not to be expected of the store; None when nothing speaks against it."""
        error = self._known(shop)
        if isinstance(error, StoreUnavailable) or (error is None and _seems_full(shop)):
            if self._look is None and self._clock() - self._looked >= LOOK_SECONDS:
                is_locked = error is not None and error.code == "busy"
                self._look = asyncio.create_task(self._look_again(shop, is_locked=is_locked))
            if self._look is not None:
                await asyncio.shield(self._look)
            error = self._known(shop)
        return None if error is None else str(error)

    def _known(self, shop: OpenApp) -> Failure | None:
        return self._failed[1] if self._failed is not None and self._failed[0] is shop else None

    async def _look_again(self, shop: OpenApp, *, is_locked: bool) -> None:
        try:
            if isinstance(shop.store, Roomy):
                await (shop.store.check_turn() if is_locked else shop.store.check_room())
        except StoreError as error:
            if isinstance(error, StoreUnavailable):
                self.failed(shop, error)
            return
        finally:
            self._looked, self._look = self._clock(), None
        if isinstance(self._known(shop), StoreUnavailable):
            self._failed = None
            log.info("the store takes writes again" if is_locked else "the store has room for writes again")


def _seems_full(shop: OpenApp) -> bool:
    return isinstance(shop.store, Roomy) and shop.store.seems_full()
