"""Turns: commands of one process that lost a race for the same entities queue up instead of racing again.

Racing is right between processes, and at first; but of many commands on one busy entity each round of a race lets one
through, so the last of them would lose every time. Who comes while others queue joins them: otherwise those who come
fresh and need not wait would win again and again. It is a matter of speed only: the append condition keeps them right.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from storied.store.query import QueryItem


class Turns:
    """A queue for each entity that commands are waiting for."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[QueryItem, asyncio.Lock] = WeakValueDictionary()

    def are_taken(self, items: Iterable[QueryItem]) -> bool:
        """Whether somebody has a turn with one of the entities, or waits for it."""
        return bool(self._locks) and any(item in self._locks for item in items)

    @asynccontextmanager
    async def take(self, items: Iterable[QueryItem]) -> AsyncIterator[None]:
        """Waits for its turn with each of the entities, in one order for all, so that nobody waits in a circle."""
        ordered = sorted(set(items), key=lambda item: (item.tags, item.types))
        locks = [self._locks.setdefault(item, asyncio.Lock()) for item in ordered]
        async with AsyncExitStack() as held:
            for lock in locks:
                await held.enter_async_context(lock)
            yield
