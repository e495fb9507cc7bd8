"""Metrics: counters, gauges and histograms, and how Prometheus reads them (text format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper edges of a histogram of seconds."""

Labels = tuple[str, ...]


class Counter:
    """Something that is counted, by labels."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self.name, self.text, self.labels = name, text, tuple(labels)
        self.values: dict[Labels, float] = {}

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Counts on."""
        self.values[labels] = self.values.get(labels, 0) + amount

    def lines(self) -> Iterable[str]:
        """Each value as a line."""
        for labels, value in sorted(self.values.items()):
            yield f"{self.name}{_braces(zip(self.labels, labels, strict=True))} {_number(value)}"


class Gauge(Counter):
    """Something that goes up and down, by labels."""

    kind = "gauge"

    def set(self, value: float, labels: Labels = ()) -> None:
        """Says how much it is."""
        self.values[labels] = value


class Histogram:
    """How long something took, by labels."""

    kind = "histogram"

    def __init__(self, name: str, text: str, labels: Sequence[str] = (), edges: Sequence[float] = SECONDS) -> None:
        self.name, self.text, self.labels, self.edges = name, text, tuple(labels), tuple(edges)
        self.values: dict[Labels, list[float]] = {}
        """The counts by bucket, and behind them the sum."""

    def observe(self, value: float, labels: Labels = ()) -> None:
        """Notes one."""
        found = self.values.get(labels)
        if found is None:
            found = self.values[labels] = [0] * (len(self.edges) + 2)
        found[bisect_left(self.edges, value)] += 1
        found[-1] += value

    def lines(self) -> Iterable[str]:
        """The buckets, each with what is in those before it, the sum and the count."""
        for labels, found in sorted(self.values.items()):
            pairs = list(zip(self.labels, labels, strict=True))
            count = 0.0
            for edge, inside in zip((*map(_number, self.edges), "+Inf"), found[:-1], strict=True):
                count += inside
                yield f"{self.name}_bucket{_braces([*pairs, ('le', edge)])} {_number(count)}"
            yield f"{self.name}_sum{_braces(pairs)} {_number(found[-1])}"
            yield f"{self.name}_count{_braces(pairs)} {_number(count)}"


Metric = Counter | Gauge | Histogram


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
