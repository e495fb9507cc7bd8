"""Whether a log keeps the promises, as far as a journal of what clients saw can tell. Pure.

====  ==============================================================================================
I1    No acknowledged event is lost.
I2    Nothing is stored that nobody sent; an append of unknown outcome is there once, or not at all.
I3    Positions are 1 to n without a hole, and time never goes back.
I4    Each subscriber saw exactly a prefix of the log, in order, and nothing before it was sent.
I5    Conditions held where their append stands, a refusal names a true reason, and real time is kept:
      what was answered before another append was sent stands before it.
I8    Digests verify.
I11   Every answer to one append id is the same.
====  ==============================================================================================
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from chaos.journal import Entry, Saw, Sent, Told
from storied.store.records import Recorded, digest_of, encode_tags

STORED = "stored"
CONFLICT = "conflict"
UNKNOWN = frozenset({"unknown-outcome", "cancelled"})


class Violation(msgspec.Struct, frozen=True):
    """A broken promise: which, and the sentence that shows it."""

    promise: str
    sentence: str


class Appended(msgspec.Struct):
    """All that is known of one append id."""

    sent: list[Sent] = []
    told: list[Told] = []
    first: int = 0

    @property
    def position(self) -> int:
        """The position of its last event in the log; 0 when it is not there."""
        return self.first and self.first + len(self.sent[0].events) - 1


def check(journal: Sequence[Entry], log: Sequence[Recorded]) -> list[Violation]:
    """Every promise that *log*, read whole, breaks against *journal*; empty when it keeps them all."""
    appends = _appends(journal)
    owners = {event.id: append_id for append_id, known in appends.items() for event in known.sent[0].events}
    for record in reversed(log):
        owner = appends.get(owners.get(record.id, ""))
        if owner is not None:
            owner.first = record.position
    return [
        *_order(log),
        *_digests(log),
        *_only_what_was_sent(appends, owners, log),
        *_acknowledged(appends),
        *_answers(appends),
        *_conditions(appends, log),
        *_real_time(appends),
        *_subscribers(journal, appends, owners, log),
    ]


def _appends(journal: Sequence[Entry]) -> dict[str, Appended]:
    appends: dict[str, Appended] = defaultdict(Appended)
    for entry in journal:
        if isinstance(entry, Sent):
            appends[entry.append_id].sent.append(entry)
        elif isinstance(entry, Told):
            appends[entry.append_id].told.append(entry)
    return {append_id: known for append_id, known in appends.items() if known.sent}


def _order(log: Sequence[Recorded]) -> Iterator[Violation]:
    for expected, record in enumerate(log, 1):
        if record.position != expected:
            yield Violation("I3", f"position {record.position} stands where {expected} belongs")
            return
    for before, record in pairwise(log):
        if record.recorded_us < before.recorded_us:
            yield Violation("I3", f"{record.position} was recorded before {before.position}")


def _digests(log: Sequence[Recorded]) -> Iterator[Violation]:
    for record in log:
        if record.digest != digest_of(record):
            yield Violation("I8", f"the digest of {record.position} does not fit its content")


def _only_what_was_sent(
    appends: dict[str, Appended], owners: dict[str, str], log: Sequence[Recorded]
) -> Iterator[Violation]:
    for event_id, count in Counter(record.id for record in log).items():
        if event_id not in owners:
            yield Violation("I2", f"event {event_id} is stored and nobody sent it")
        if count > 1:
            yield Violation("I2", f"event {event_id} is stored {count} times")
    for append_id, known in appends.items():
        if not known.first:
            continue
        stored = log[known.first - 1 : known.position]
        found = [(r.id, r.type, r.version, r.tags_json, r.data, r.metadata_json) for r in stored]
        sent = [(e.id, e.type, e.version, encode_tags(e.tags), e.data, e.metadata) for e in known.sent[0].events]
        if found != sent:
            yield Violation("I2", f"append {append_id} at {known.first} is not whole, or not as it was sent")


def _acknowledged(appends: dict[str, Appended]) -> Iterator[Violation]:
    for append_id, known in appends.items():
        outcomes = {told.outcome for told in known.told}
        places = {(told.first, told.position) for told in known.told if told.outcome == STORED}
        there = (known.first, known.position)
        if places and places != {there}:
            yield Violation("I1", f"append {append_id} was acknowledged at {sorted(places)} and stands at {there}")
        unanswered = len(known.told) < len(known.sent)
        if known.first and not places and not unanswered and not outcomes & UNKNOWN:
            yield Violation("I2", f"append {append_id} was refused ({', '.join(sorted(outcomes))}) and is stored")


def _answers(appends: dict[str, Appended]) -> Iterator[Violation]:
    for append_id, known in appends.items():
        receipts = {(told.first, told.position) for told in known.told if told.outcome == STORED}
        if len(receipts) > 1:
            yield Violation("I11", f"append {append_id} was answered differently: {sorted(receipts)}")


def _conditions(appends: dict[str, Appended], log: Sequence[Recorded]) -> Iterator[Violation]:
    streams: dict[str, list[Recorded]] = defaultdict(list)
    for record in log:
        for tag in record.tags:
            streams[tag].append(record)
    for append_id, known in appends.items():
        for condition in known.sent[0].conditions if known.first else ():
            items = condition.query.items
            one = items[0].tags if len(items) == 1 else ()
            for record in streams.get(one[0], []) if one else log:
                inside = condition.after < record.position < known.first
                if inside and condition.query.matches(record.type, record.tags):
                    yield Violation("I5", f"append {append_id} stands at {known.first} in spite of {record.position}")
                    break
        for told in known.told:
            if told.outcome == CONFLICT and not _justified(known.sent[0], told, log):
                yield Violation("I5", f"append {append_id} was refused for {told.position}, which it does not exclude")


def _justified(sent: Sent, told: Told, log: Sequence[Recorded]) -> bool:
    if not 1 <= told.position <= len(log):
        return False
    record = log[told.position - 1]
    return any(c.after < told.position and c.query.matches(record.type, record.tags) for c in sent.conditions)


def _real_time(appends: dict[str, Appended]) -> Iterator[Violation]:
    """Goes through what happened in the order of time, with the highest place that was acknowledged by then."""
    happened: list[tuple[int, int, str, int]] = []
    for append_id, known in appends.items():
        if known.first:
            stored = [told.at for told in known.told if told.outcome == STORED]
            happened.append((known.sent[0].at, 1, append_id, known.first))
            if stored:
                happened.append((min(stored), 0, append_id, known.position))
    reached, whose = 0, ""
    for _, sent, append_id, position in sorted(happened):
        if not sent and position > reached:
            reached, whose = position, append_id
        elif sent and position < reached:
            yield Violation("I5", f"append {append_id} stands at {position}, but {whose} at {reached} was done before")


def _subscribers(
    journal: Sequence[Entry], appends: dict[str, Appended], owners: dict[str, str], log: Sequence[Recorded]
) -> Iterator[Violation]:
    truth = [(record.position, record.id) for record in log]
    seen: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for entry in journal:
        if not isinstance(entry, Saw):
            continue
        seen[entry.subscriber] += entry.events
        for position, event_id in entry.events:
            owner = appends.get(owners.get(event_id, ""))
            if owner is not None and owner.sent[0].at > entry.at:
                yield Violation("I4", f"{entry.subscriber} saw {position} before it was sent")
    for subscriber, events in seen.items():
        if events != truth[: len(events)]:
            at = next(n for n, (one, other) in enumerate(zip(events, [*truth, None] * 2, strict=False)) if one != other)
            yield Violation("I4", f"{subscriber} saw {events[at]} as its {at + 1}th event")
