"""The waiting room: tasks that wait for the head to pass a position.

Appends of this process wake them at once. Those of other processes are noticed by asking for the head every 20 ms,
and only while somebody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from storied.errors import StoreClosed

POLL_SECONDS = 0.02


class WaitingRoom:
    """Who waits for which position. *ask* gives the head."""

    def __init__(self, ask: Callable[[], Awaitable[int]]) -> None:
        self._ask = ask
        self._head = 0
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._poller: asyncio.Task[None] | None = None
        self._closed = False

    def head_is(self, position: int) -> None:
        """Wakes those who wait for less than *position*."""
        if position > self._head:
            self._head = position
            self._wake(lambda wanted: wanted < position)

    async def beyond(self, position: int) -> None:
        """Returns once the head is beyond *position*. Raises `StoreClosed` when the room closes."""
        while self._head <= position:
            if self._closed:
                raise StoreClosed
            future = asyncio.get_running_loop().create_future()
            self._waiting[future] = position
            if self._poller is None:
                self._poller = asyncio.create_task(self._poll())
            try:
                await future
            finally:
                self._waiting.pop(future, None)
        if self._closed:
            raise StoreClosed

    def close(self) -> None:
        """Sends everybody home with `StoreClosed`. Idempotent."""
        self._closed = True
        self._wake(lambda _: True)

    async def _poll(self) -> None:
        try:
            while self._waiting and not self._closed:
                self.head_is(await self._ask())
                await asyncio.sleep(POLL_SECONDS)
        except StoreClosed:
            self.close()
        except Exception as error:  # whoever waits must hear of it, or would wait for ever
            for future in self._waiting:
                if not future.done():
                    future.set_exception(error)
        finally:
            self._poller = None

    def _wake(self, due: Callable[[int], bool]) -> None:
        for future, wanted in self._waiting.items():
            if due(wanted) and not future.done():
                future.set_result(None)
