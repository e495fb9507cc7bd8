"""Looking over a log in memory: which streams there are, and how much it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storied.store.records import Recorded
from storied.store.searching import LogFacts, Stream, StreamQuery, best


def find_streams(log: Sequence[Recorded], by_tag: Mapping[str, Sequence[int]], wanted: StreamQuery) -> list[Stream]:
    """The streams asked for, in their order."""
    matches = wanted.matcher()
    found = []
    for tag, positions in by_tag.items():
        if tag > wanted.after and matches(tag):
            last = log[positions[-1] - 1]
            found.append(Stream(tag, len(positions), positions[0], last.position, last.type, last.recorded_us))
    return best(found, wanted.order)[: wanted.limit]


def measure(log: Sequence[Recorded], by_type: Mapping[str, Sequence[int]]) -> LogFacts:
    """How much the log holds."""
    return LogFacts(
        engine="memory",
        head=len(log),
        types={name: len(by_type[name]) for name in sorted(by_type)},
        first_recorded_us=log[0].recorded_us if log else None,
        last_recorded_us=log[-1].recorded_us if log else None,
        bytes=None,
    )
