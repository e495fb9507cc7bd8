"""Serving: the live edition's answers, whatever code made it, not before the position that a reader has waited for.

The live edition may be replaced at any moment, by this process or by another. So where an answer stands is looked at
when it is there, not only before it is asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec

from storied.domain.times import At, Clock
from storied.errors import KeyParked, NotCaughtUp, ViewRebuilding
from storied.projections.building import same_log
from storied.projections.past import Past
from storied.projections.projector import Projector, key_parked
from storied.projections.runner import Runner, Runners
from storied.store.documents import Documents, NoSuchColumnError, Parked, SupersededError
from storied.store.moments import moment
from storied.store.port import EventStore
from storied.store.query import check_position

POLL_SECONDS = 0.01
T = TypeVar("T")


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """What was asked for, the position it stands at, and what is held back, if that matters to the question."""

    value: T
    position: int
    parked: tuple[Parked, ...] = ()


class Question(msgspec.Struct, Generic[T], frozen=True):
    """What is asked of documents: of the one with this key, or of several; when; and how long it may take."""

    ask: Callable[[Documents], Awaitable[tuple[T, int]]]
    key: str | None
    after: int | None
    at: At | None
    timeout: float


class Served:
    """What the readers of one app are given."""

    def __init__(
        self, store: EventStore, documents: Documents, past: Past, runners: Runners | None, clock: Clock
    ) -> None:
        self._store, self._documents, self._past, self._runners = store, documents, past, runners
        self._clock = clock

    async def answer(self, projector: Projector, asked: Question[T]) -> Answer[T]:
        """The answer as of then, or of now and not before the position that is waited for.

        Raises `ViewRebuilding` when the live edition, being of other code, lacks the index that is asked for, and
        `KeyParked` when what is waited for, or was then, is held back at an event.
        """
        if asked.at is not None:
            then = await moment(self._store, asked.at, self._clock)
            return await _exact(projector, asked, await self._past.documents(projector, then))
        if asked.after is None:
            return Answer(*await _indexed(projector, asked.ask(self._documents)))
        deadline = time.monotonic() + asked.timeout
        await self.reach(projector, asked.after, asked.timeout)
        while True:
            try:
                answer = await self._fresh(projector, asked, asked.after)
            except KeyParked:
                if not await self._may_heal(projector, deadline - time.monotonic()):
                    raise
                continue
            if answer.position >= asked.after:
                return answer
            # what was waited for has just been replaced by an edition that is not as far yet
            await self._poll(projector, asked.after, deadline - time.monotonic())

    async def reach(self, projector: Projector, position: int, timeout: float) -> None:
        """Returns once readers are given *position* or beyond. Raises `NotCaughtUp` and `ViewFailed`."""
        check_position("after", position)
        runner = self._runner(projector)
        if runner is None or runner.state.life in ("building", "superseded"):
            await self._poll(projector, position, timeout)
            return
        deadline = time.monotonic() + timeout
        try:
            await runner.reached(position, timeout)
        except SupersededError:
            await self._poll(projector, position, deadline - time.monotonic())

    async def _poll(self, projector: Projector, position: int, timeout: float) -> None:
        """Waits for the live edition, whoever keeps it up to date or is about to replace it, to reach *position*."""
        runner = self._runner(projector)
        deadline = time.monotonic() + timeout
        while True:
            reached = await self._stands(projector)
            if reached >= position:
                return
            if time.monotonic() >= deadline:
                raise NotCaughtUp(projector.name, wanted=position, position=reached, timeout=max(0.0, timeout))
            if runner is not None and runner.state.life == "building":
                with suppress(NotCaughtUp, SupersededError):
                    await runner.reached(position, POLL_SECONDS)
            elif runner is not None and runner.state.error is not None:
                raise runner.state.error
            else:
                await asyncio.sleep(POLL_SECONDS)

    async def _stands(self, projector: Projector) -> int:
        """The position of the live edition, if it is of this log."""
        for edition in await self._documents.editions():
            if edition.live and edition.table.name == projector.name:
                return edition.checkpoint.position if await same_log(self._store, edition.checkpoint) else 0
        return 0

    async def _fresh(self, projector: Projector, asked: Question[T], after: int) -> Answer[T]:
        """The live edition's answer. Raises `KeyParked` when the document is held back at an event up to *after*."""
        before, answer, behind = await asyncio.gather(  # looked at twice: the edition may be replaced in between
            self._documents.held(projector.table, asked.key),
            _indexed(projector, asked.ask(self._documents)),
            self._documents.held(projector.table, asked.key),
        )
        parked = {one.key: one for one in (*before, *behind)}
        if asked.key in parked and parked[asked.key].position <= after:
            raise key_parked(projector, parked[asked.key])
        return Answer(*answer, tuple(parked.values()))

    async def _may_heal(self, projector: Projector, timeout: float) -> bool:
        """Whether this process is about to replace the read model in which a key is parked; waits a little for it."""
        runner = self._runner(projector)
        if runner is None or runner.state.life != "building" or timeout <= 0:
            return False
        with suppress(NotCaughtUp, SupersededError):
            await runner.reached(0, min(timeout, POLL_SECONDS))
        return True

    def _runner(self, projector: Projector) -> Runner | None:
        return self._runners.by_name[projector.name] if self._runners is not None else None


async def _exact(projector: Projector, asked: Question[T], documents: Documents) -> Answer[T]:
    """The answer of documents of the past. Raises `KeyParked` when one that is asked for is not whole."""
    for parked in await documents.held(projector.table, asked.key):
        raise key_parked(projector, parked)
    return Answer(*await asked.ask(documents))


async def _indexed(projector: Projector, answer: Awaitable[tuple[T, int]]) -> tuple[T, int]:
    try:
        return await answer
    except NoSuchColumnError as error:
        raise ViewRebuilding(projector.name, error.message) from None
