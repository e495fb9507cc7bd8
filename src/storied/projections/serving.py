"""Serving: the live edition's answers, whatever code made it, not before the position that a reader has waited for.

The live edition may be replaced at any moment, by this process or by another. So where an answer stands is looked at
when it is there, not only before it is asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec

from storied.domain.times import At
from storied.errors import KeyParked, NotCaughtUp, ViewFailed, ViewRebuilding
from storied.projections.belonging import Held, as_it_was, held_of, not_met
from storied.projections.parking import Written, held_back
from storied.projections.past import Bounds, Past
from storied.projections.projector import Projector, key_parked
from storied.projections.runner import Runner, Runners
from storied.projections.standings import NOWHERE, POLL_SECONDS, LogOf, Standing, Standings
from storied.store.documents import NoSuchColumnError, Parked, ReadModels, SupersededError
from storied.store.query import check_position

WAIT_SECONDS = 5.0
"""How long a question waits for the position it asks for, unless it says otherwise."""
T = TypeVar("T")


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """What was asked for, the position it stands at, and what is held back, if that matters to the question."""

    value: T
    position: int
    held: Held = Held()

    @property
    def seen(self) -> int:
        """The last position up to which it is as the log says."""
        return self.position if self.held.first is None else min(self.position, self.held.first - 1)


class Then(msgspec.Struct, frozen=True):
    """When a question is about: now; not before the position `after`, of the log `log`; or as of `at`."""

    after: int | None = None
    at: At | None = None
    timeout: float = WAIT_SECONDS
    log: str | None = None
    """The identity of the log that `after` is a position of, where it is known."""
    bounds: Bounds | None = None
    """What a question about the past may cost; without them, what it takes."""


NOW = Then()


class Question(msgspec.Struct, Generic[T], frozen=True):
    """What is asked of documents: of the one with this key, or of several; and when."""

    ask: Callable[[ReadModels], Awaitable[tuple[T, int, bool]]]
    key: str | None
    then: Then
    visible: Mapping[str, Any] = {}
    """What documents have to be like to be seen by who asks."""
    where: Mapping[str, Any] = {}
    """What they have to be like to be among those asked for."""


class Served:
    """What the readers of one app are given: by this process's runners, or by whoever else keeps the views."""

    def __init__(self, log: LogOf, documents: ReadModels, past: Past, runners: Runners | None) -> None:
        self._log, self._documents, self._past, self._runners = log, documents, past, runners
        self.standings = Standings(documents, log)

    async def answer(self, projector: Projector, asked: Question[T]) -> Answer[T]:
        """The answer as of then, or of now and not before the position that is waited for.

        Raises `ViewRebuilding` when the live edition, being of other code, lacks the index that is asked for, and
        `KeyParked` when what is waited for, or was then, is held back at an event.
        """
        then = asked.then
        if then.at is not None:
            store = await self._log()
            at = await self._past.moment(store, then.at)
            return await self._exact(projector, asked, await self._past.documents(store, projector, at, then.bounds))
        if then.after is None:
            return await self._present(projector, asked)
        deadline = time.monotonic() + then.timeout
        await self.reach(projector, then.after, then.timeout, then.log)
        while True:
            try:
                answer = await self._fresh(projector, asked, then.after)
            except KeyParked:
                if not await self._may_heal(projector, deadline - time.monotonic()):
                    raise
                continue
            if answer.position >= then.after:
                return answer
            # what was waited for has just been replaced by an edition that is not as far yet
            await self._poll(projector, then.after, deadline - time.monotonic(), then.log)

    async def reach(self, projector: Projector, position: int, timeout: float, log: str | None = None) -> None:
        """Returns once readers are given *position* or beyond. Raises `NotCaughtUp` and `ViewFailed`."""
        check_position("after", position)
        runner = self._runner(projector)
        other = log is not None and log != (await self._log()).identity if runner is not None else False
        if runner is None or other or runner.state.life in ("building", "superseded"):
            await self._poll(projector, position, timeout, log)
            return
        deadline = time.monotonic() + timeout
        try:
            await runner.reached(position, timeout)
        except SupersededError:
            await self._poll(projector, position, deadline - time.monotonic(), log)

    async def shows(self, projector: Projector, written: Written, timeout: float) -> None:
        """Returns once readers are given documents that have taken what was written.

        Raises `NotCaughtUp`, `ViewFailed`, and `KeyParked` when one of them is held back.
        """
        deadline = time.monotonic() + timeout
        await self.reach(projector, written.position, timeout)
        while True:
            parked = await held_back(projector, self._documents, await self._log(), written)
            if parked is None:
                return
            if not await self._may_heal(projector, deadline - time.monotonic()):
                raise key_parked(projector, parked)

    async def _poll(self, projector: Projector, position: int, timeout: float, log: str | None) -> None:
        """Waits for the live edition, whoever keeps it up to date or is about to replace it, to reach *position*.

        Raises `NotCaughtUp`, and `ViewFailed` once whoever keeps it has left word that it stopped.
        """
        runner = self._runner(projector)
        deadline = time.monotonic() + timeout
        while True:
            standing = (await self.standings.now()).get(projector.name, NOWHERE)
            if standing.has_seen(position, log):
                return
            if runner is None and standing.has_stopped:
                raise ViewFailed(projector.name, position=standing.position + 1, told=standing.error)
            left = deadline - time.monotonic()
            if left <= 0:
                stands = standing.position if log in (None, standing.checkpoint.log) else 0
                raise NotCaughtUp(projector.name, wanted=position, position=stands, timeout=max(0.0, timeout))
            if runner is not None and runner.state.life == "building":
                with suppress(NotCaughtUp, SupersededError):
                    await runner.reached(position, POLL_SECONDS)
            elif runner is not None and runner.state.error is not None:
                raise runner.state.error
            else:
                wait = left if runner is None else min(left, POLL_SECONDS)
                await self.standings.until(lambda by: _is_settled(by.get(projector.name, NOWHERE), position, log), wait)

    async def _present(self, projector: Projector, asked: Question[T]) -> Answer[T]:
        """The live edition's answer as it is, and what is held back of it, which is asked for where anything is."""
        value, position, any_parked = await _indexed(projector, asked.ask(self._documents))
        if not any_parked:
            return Answer(value, position)
        held = await self._documents.held(projector.table, asked.key)
        return Answer(value, position, await self._matter(projector, asked, self._documents, held))

    async def _fresh(self, projector: Projector, asked: Question[T], after: int) -> Answer[T]:
        """The live edition's answer, and what is held back of it.

        Raises `KeyParked` when that is the very document asked for, at an event up to *after*.
        """
        before, answer, behind = await asyncio.gather(  # looked at twice: the edition may be replaced in between
            self._documents.held(projector.table, asked.key),
            _indexed(projector, asked.ask(self._documents)),
            self._documents.held(projector.table, asked.key),
        )
        parked = {one.key: one for one in (*before, *behind)}
        if asked.key in parked and parked[asked.key].position <= after:
            raise key_parked(projector, parked[asked.key])
        return Answer(answer[0], answer[1], await self._matter(projector, asked, self._documents, parked.values()))

    async def _exact(self, projector: Projector, asked: Question[T], documents: ReadModels) -> Answer[T]:
        """The answer of documents of the past, and what may belong to it and is held back.

        Raises `KeyParked` when one that was among those asked for is not whole.
        """
        held = await self._matter(projector, asked, documents, await documents.held(projector.table, asked.key))
        for parked in held.known:
            if not asked.where or await _was_like(projector, asked.where, documents, parked.key):
                raise key_parked(projector, parked)
        value, position, _ = await asked.ask(documents)
        return Answer(value, position, held)

    async def _matter(
        self, projector: Projector, asked: Question[T], documents: ReadModels, parked: Iterable[Parked]
    ) -> Held:
        return await held_of(projector, asked.visible, self._log, documents, parked)

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


def _is_settled(standing: Standing, position: int, log: str | None) -> bool:
    """Whether it has seen the position, or never will without somebody's help."""
    return standing.has_stopped or standing.has_seen(position, log)


async def _was_like(projector: Projector, where: Mapping[str, Any], documents: ReadModels, key: str) -> bool:
    """Whether the document met the criteria before it was held back."""
    document = as_it_was(projector, (await documents.get(projector.table, key))[0])
    return document is not None and not any(not_met(projector, where, key, document))


async def _indexed(projector: Projector, answer: Awaitable[tuple[T, int, bool]]) -> tuple[T, int, bool]:
    try:
        return await answer
    except NoSuchColumnError as error:
        raise ViewRebuilding(projector.name, error.message) from None
