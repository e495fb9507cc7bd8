"""Turns: commands of one process that lost a race for the same entities queue up instead of racing again.

Racing is right between processes, and at first; but of many commands on one busy entity each round of a race lets one
through, so the last of them would lose every time. Who comes while others queue joins them: otherwise those who come
fresh and need not wait would win again and again. It is a matter of speed only: the append condition keeps them right.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from storied.store.query import QueryItem


class _Queue:
    """Those who take turns with one entity, and how many they are."""

    __slots__ = ("lock", "members")

    def __init__(self) -> None:
        self.lock, self.members = asyncio.Lock(), 0


class Turns:
    """A queue for each entity that commands are waiting for."""

    def __init__(self) -> None:
        self._queues: dict[QueryItem, _Queue] = {}

    def are_taken(self, items: Iterable[QueryItem]) -> bool:
        """Whether somebody has a turn with one of the entities, or waits for it."""
        return bool(self._queues) and any(item in self._queues for item in items)

    @asynccontextmanager
    async def take(self, items: Iterable[QueryItem]) -> AsyncIterator[None]:
        """Waits for its turn with each of the entities, in one order for all, so that nobody waits in a circle."""
        ordered = sorted(set(items), key=lambda item: (item.tags, item.types))
        queues = [self._queues.setdefault(item, _Queue()) for item in ordered]
        for queue in queues:
            queue.members += 1
        try:
            async with AsyncExitStack() as held:
                for queue in queues:
                    await held.enter_async_context(queue.lock)
                yield
        finally:
            for item, queue in zip(ordered, queues, strict=True):
                queue.members -= 1
                if not queue.members:
                    del self._queues[item]
