"""Reopening: a store that takes no writes any more is opened anew, so that a disk that recovers needs no human.

After a failed write a store's handle is fenced, and only another one can tell what is on the disk. Whoever was told
that the outcome is unknown repeats the command, and is answered by the new handle. A file that was moved, or another
one in its place, is for somebody to look at: a new handle would begin an empty log there.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storied.app import App
from storied.engines.opening import is_made
from storied.errors import StoreFenced, StoreUnavailable, UnknownOutcome
from storied.opened import OpenApp

log = logging.getLogger("storied.services")


class SameStore:
    """Opens the app on the store at *where*: the first time whatever is there, and from then on the same log alone.

    An app that is open already is its owner's, and is never opened anew.
    """

    def __init__(self, app: App, where: str | OpenApp, *, views: bool) -> None:
        self._app, self._where, self._views = app, where, views
        self._identity: str | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[OpenApp]:
        """The app, open. Raises `StoreUnavailable`."""
        if isinstance(self._where, OpenApp):
            yield self._where
            return
        if self._identity is not None and not is_made(self._where):
            raise _other(self._where)
        async with self._app.open(self._where, views=self._views) as shop:
            if self._identity is not None:
                if shop.store.identity != self._identity:
                    raise _other(self._where)
                log.info("the store at %s is open again", self._where)
            self._identity = shop.store.identity
            yield shop

    def forget(self) -> None:
        """Takes whatever log is there the next time, as at first."""
        self._identity = None

    def may_reopen(self, error: StoreFenced | UnknownOutcome) -> bool:
        """Whether another handle may do what this one, as its error says, does not."""
        return isinstance(self._where, str) and not (isinstance(error, StoreFenced) and error.moved)


def _other(url: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"the log that this service was started with is not at {url} any more. Put it back, or start the service anew.",
        code="store-moved",
    )
