"""Origin: whether the documents that are served were made of the log that is there, looked at once a second.

A store may be restored, or another put in its place, while the read models are served on. Their documents are then of
another log than commands are stored in, and nobody who reads them could tell.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from storied.engines.alone import log_at
from storied.errors import StoreError, StoreUnavailable
from storied.store.documents import ReadModels

LOOK_SECONDS = 1.0

log = logging.getLogger("storied.services")


class Origin:
    """Which views of the store at *url* are of another log. *changed* is called whenever that begins, or is over."""

    def __init__(self, url: str, documents: ReadModels, changed: Callable[[], None]) -> None:
        self._log, self._documents, self._changed = log_at(url), documents, changed
        self._foreign: dict[str, float] = {}

    @property
    def foreign(self) -> bool:
        """Whether any view was of another log when it was last looked at."""
        return bool(self._foreign)

    def seconds(self) -> dict[str, float]:
        """For how many seconds each view that is of another log has been so, as far as is known."""
        return {view: time.monotonic() - since for view, since in self._foreign.items()}

    def check(self) -> None:
        """Passes while no view is of another log. Raises `StoreUnavailable`."""
        if self._foreign:
            raise StoreUnavailable(
                f"the documents of {', '.join(sorted(self._foreign))} were made of another log than the one that is "
                "there. A process that runs the views builds them anew; where another log was put there by mistake, "
                "put back what belongs there.",
                code="other-log",
            )

    async def look(self) -> None:
        """Looks now. A log that is not to be had, or read models that are not, tell nothing."""
        try:
            editions = [edition for edition in await self._documents.editions() if edition.live]
        except StoreError:
            editions = []
        others = await self._log.foreign({edition.table.name: edition.checkpoint for edition in editions})
        found = {view: self._foreign.get(view, time.monotonic()) for view in others}
        began, ended = found.keys() - self._foreign.keys(), self._foreign and not found
        self._foreign = found
        if began:
            log.error("views of another log than the one that is there are not served: %s", ", ".join(sorted(began)))
        if ended:
            log.info("all views are of the log that is there again")
        if began or ended:
            self._changed()

    async def run(self) -> None:
        """Looks again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()
