"""The checker of journals is content with an honest log, and notices each kind of broken promise."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec
import pytest

from chaos.checking import check
from chaos.journal import Entry, Saw, Sent, Told
from storied.store.query import AppendCondition, Query
from storied.store.records import NewEvent, Recorded, placed
from storied.testing.contract.specimens import event

A, B, C, D = (event("Moved", "account:a", note=n) for n in range(4))
NEVER = AppendCondition(Query.of(tags=["account:a"]))
JOURNAL: list[Entry] = [
    Sent("one", (A, B), (NEVER,), at=1),
    Told("one", "stored", 1, 2, at=2),
    Sent("two", (C,), (NEVER,), at=3),
    Told("two", "conflict", position=1, at=4),
    Sent("three", (C,), (), at=5),
    Told("three", "unknown-outcome", at=6),
    Told("three", "stored", 3, 3, at=7),
    Saw("watcher", ((1, A.id), (2, B.id)), at=8),
    Saw("watcher", ((3, C.id),), at=9),
]
Journal: TypeAlias = list[Entry]
Log: TypeAlias = list[Recorded]


def log(*events: NewEvent) -> Log:
    """The events at their places."""
    return [placed(event, position, 1000 + position) for position, event in enumerate(events, 1)]


def lost(journal: Journal, records: Log) -> None:
    """The last acknowledged event is gone."""
    del records[2:], journal[-1]


def misplaced(journal: Journal, records: Log) -> None:
    """It stands elsewhere than it was said to."""
    journal[1] = Told("one", "stored", 2, 3, at=2)


def made_up(journal: Journal, records: Log) -> None:
    """Somebody else's event is there."""
    records.append(placed(D, 4, 2000))


def doubled(journal: Journal, records: Log) -> None:
    """An event is there twice."""
    records.append(placed(C, 4, 2000))


def changed(journal: Journal, records: Log) -> None:
    """An event is not as it was sent."""
    records[2] = placed(msgspec.structs.replace(C, data='{"note":"other"}'), 3, 1003)


def halved(journal: Journal, records: Log) -> None:
    """Half of an append of unknown outcome is there."""
    journal[1] = Told("one", "unknown-outcome", at=2)
    records[:] = log(A)
    del journal[5:]


def refused_and_stored(journal: Journal, records: Log) -> None:
    """A refused append is there all the same."""
    journal[5:] = [Told("three", "conflict", position=1, at=6)]


def hole(journal: Journal, records: Log) -> None:
    """A position is missing."""
    records[2] = placed(C, 4, 1003)


def time_goes_back(journal: Journal, records: Log) -> None:
    """A later event was recorded earlier."""
    records[2] = placed(C, 3, 5)


def skipped(journal: Journal, records: Log) -> None:
    """A subscriber did not see an event."""
    journal[-2] = Saw("watcher", ((1, A.id),), at=8)


def seen_too_early(journal: Journal, records: Log) -> None:
    """A subscriber saw what nobody had sent."""
    journal[-1] = Saw("watcher", ((3, C.id),), at=4)


def seen_too_much(journal: Journal, records: Log) -> None:
    """A subscriber saw what is not there."""
    journal.append(Saw("watcher", ((4, D.id),), at=10))


def in_spite_of_its_condition(journal: Journal, records: Log) -> None:
    """An append is stored although what it excludes stands before it."""
    journal[4] = Sent("three", (C,), (NEVER,), at=5)


def refused_for_nothing(journal: Journal, records: Log) -> None:
    """A refusal names an event that the condition does not look at."""
    journal[2] = Sent("two", (C,), (AppendCondition(Query.of(tags=["account:b"])),), at=3)


def overtaken(journal: Journal, records: Log) -> None:
    """What was sent after an answer stands before it."""
    journal[0] = Sent("one", (A, B), (), at=20)
    journal[1] = Told("one", "stored", 1, 2, at=21)
    del journal[7:]


def forged(journal: Journal, records: Log) -> None:
    """A digest does not fit."""
    records[0] = msgspec.structs.replace(records[0], digest=bytes(32))


def two_answers(journal: Journal, records: Log) -> None:
    """An id is answered twice, differently."""
    journal.append(Told("one", "stored", 1, 1, at=10))


BROKEN: list[tuple[Callable[[Journal, Log], None], str]] = [
    (lost, "I1"),
    (misplaced, "I1"),
    (made_up, "I2"),
    (doubled, "I2"),
    (changed, "I2"),
    (halved, "I2"),
    (refused_and_stored, "I2"),
    (hole, "I3"),
    (time_goes_back, "I3"),
    (skipped, "I4"),
    (seen_too_early, "I4"),
    (seen_too_much, "I4"),
    (in_spite_of_its_condition, "I5"),
    (refused_for_nothing, "I5"),
    (overtaken, "I5"),
    (forged, "I8"),
    (two_answers, "I11"),
]


def test_an_honest_log_is_accepted() -> None:
    """Nothing is held against a log that kept every promise."""
    assert check(JOURNAL, log(A, B, C)) == []


@pytest.mark.parametrize(("change", "promise"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_promise_is_noticed(change: Callable[[Journal, Log], None], promise: str) -> None:
    """The violation bears the number of the promise."""
    journal, records = list(JOURNAL), log(A, B, C)
    change(journal, records)
    assert promise in {violation.promise for violation in check(journal, records)}
