"""Metrics: counters, gauges and histograms, and how Prometheus reads them (text format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from typing import Protocol, Self

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper edges of a histogram of seconds."""

Labels = tuple[str, ...]


class Cells(Protocol):
    """Numbers in a row that are changed in place: a list, or memory that processes share."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[float]: ...

    def __getitem__(self, index: int, /) -> float: ...

    def __setitem__(self, index: int, value: float, /) -> None: ...


class Metric:
    """Something that is measured, by labels; *room* says where the numbers of some labels stand."""

    kind = ""
    size = 1
    """How many numbers there are for the same labels."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = (), room: Room | None = None) -> None:
        self.name, self.text, self.labels, self._room = name, text, tuple(labels), room
        self.values: dict[Labels, Cells] = {}

    def at(self, labels: Labels) -> Cells:
        """The numbers of these labels, from now on among the values."""
        found = self.values.get(labels)
        if found is None:
            found = [0.0] * self.size if self._room is None else self._room(self, labels)
            self.values[labels] = found
        return found

    def emptied(self) -> Self:
        """The same without any values, in memory of its own."""
        found = copy(self)
        found.values, found._room = {}, None
        return found

    def lines(self) -> Iterable[str]:
        """Each value as a line."""
        for labels, (value,) in sorted(self.values.items()):
            yield f"{self.name}{_braces(zip(self.labels, labels, strict=True))} {_number(value)}"


Room = Callable[[Metric, Labels], Cells]


class Counter(Metric):
    """Something that is counted, by labels."""

    kind = "counter"

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Counts on."""
        (self.values.get(labels) or self.at(labels))[0] += amount


class Gauge(Counter):
    """Something that goes up and down, by labels."""

    kind = "gauge"

    def set(self, value: float, labels: Labels = ()) -> None:
        """Says how much it is."""
        self.at(labels)[0] = value


class Histogram(Metric):
    """How long something took, by labels. Its numbers are the counts by bucket, and behind them the sum."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        room: Room | None = None,
        *,
        edges: Sequence[float] = SECONDS,
    ) -> None:
        super().__init__(name, text, labels, room)
        self.edges, self.size = tuple(edges), len(edges) + 2

    def observe(self, value: float, labels: Labels = ()) -> None:
        """Notes one."""
        found = self.values.get(labels) or self.at(labels)
        found[bisect_left(self.edges, value)] += 1
        found[-1] += value

    def lines(self) -> Iterable[str]:
        """The buckets, each with what is in those before it, the sum and the count."""
        for labels, cells in sorted(self.values.items()):
            pairs = list(zip(self.labels, labels, strict=True))
            *buckets, total = cells
            count = 0.0
            for edge, inside in zip((*map(_number, self.edges), "+Inf"), buckets, strict=True):
                count += inside
                yield f"{self.name}_bucket{_braces([*pairs, ('le', edge)])} {_number(count)}"
            yield f"{self.name}_sum{_braces(pairs)} {_number(total)}"
            yield f"{self.name}_count{_braces(pairs)} {_number(count)}"


def exposition(metrics: Iterable[Metric], process: str = "") -> bytes:
    """The metrics as Prometheus reads them; labelled with the process, where there are several."""
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [_labelled(line, process) for line in metric.lines()] if process else metric.lines()
    return ("\n".join(lines) + "\n").encode()


def _labelled(line: str, process: str) -> str:
    name, _, value = line.rpartition(" ")
    inside = f'process="{_escaped(process)}"'
    return f"{name[:-1]},{inside}}} {value}" if name.endswith("}") else f"{name}{{{inside}}} {value}"


def _braces(pairs: Iterable[tuple[str, str]]) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
