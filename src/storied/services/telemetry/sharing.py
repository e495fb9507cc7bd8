"""Sharing: what several processes measure, each on a sheet that the others can read, so that each can tell the sum.

A sheet is memory that outlives who writes on it. Whoever starts the processes makes one for each, and a process that is
started in the place of a dead one counts on where that had come to, so nothing counted is lost. Nothing is locked
either: one process writes on a sheet, and a number is stored at once.

A sheet has pages, and a page records behind each other: a head of eight bytes, the metric with its labels as JSON, and
the numbers. The head is written last, and says how long the others are; where it is zero, nothing follows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from mmap import mmap
from tempfile import TemporaryFile

import msgspec

from storied.services.telemetry.metrics import Cells, Labels, Metric

PAGE = 256 * 1024
"""Bytes; some thousand records."""
_EIGHT = 8
_NAME_BITS = 32

Name = tuple[str, str, Labels]
"""The kind of a metric, what it is called, and the labels."""


def new_sheet() -> int:
    """The descriptor of a sheet on which nothing stands."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("storied-metrics")
    with TemporaryFile() as file:
        return os.dup(file.fileno())


class Sheet:
    """The numbers of one process, by metric and labels; its descriptor may be open in many."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._page, self._number, self._at = memoryview(b""), -1, 0
        self._cells: dict[Name, Cells] = {}

    def cells(self) -> Mapping[Name, Cells]:
        """Everything that stands here now. What is there stays, so only what is new is looked for."""
        pages = os.fstat(self._file).st_size // PAGE  # asked first: what is behind a page was written after all of it
        while True:
            while self._at < len(self._page) and (head := self._page.cast("Q")[self._at // _EIGHT]):
                self._take(head & (1 << _NAME_BITS) - 1, head >> _NAME_BITS)
            if self._number + 1 >= pages:
                return self._cells
            self._turn()

    def room(self, metric: Metric, labels: Labels) -> Cells:
        """The numbers of the metric for these labels, as whoever wrote here before has left them, or else zeros."""
        name = (metric.kind, metric.name, labels)
        found = self.cells().get(name)
        if found is None or len(found) != metric.size:  # of another size are those of another version
            self._write(msgspec.json.encode(name), metric.size)
        return self.cells()[name]

    def leave(self) -> None:
        """Takes back what holds only for a process that lives, the gauges; what was counted stays."""
        for (kind, _, _), cells in self.cells().items():
            if kind == "gauge":
                for index in range(len(cells)):
                    cells[index] = 0

    def _take(self, length: int, count: int) -> None:
        start = self._at + _EIGHT
        name = msgspec.json.decode(self._page[start : start + length], type=Name)
        start += _padded(length)
        self._at = start + count * _EIGHT
        self._cells[name] = self._page[start : self._at].cast("d")

    def _write(self, name: bytes, count: int) -> None:
        """A record of zeros behind all others, on a new page where the last has no room."""
        start = self._at + _EIGHT
        if start + _padded(len(name)) + count * _EIGHT > len(self._page):
            os.pwrite(self._file, bytes(PAGE), (self._number + 1) * PAGE)
            self._turn()
            start = _EIGHT
        body = name.ljust(_padded(len(name))) + bytes((count + 1) * _EIGHT)  # and no next head: somebody who died may
        body = body[: len(self._page) - start]  # have begun to write here
        self._page[start : start + len(body)] = body
        self._page.cast("Q")[self._at // _EIGHT] = len(name) | count << _NAME_BITS

    def _turn(self) -> None:
        self._number, self._at = self._number + 1, 0
        self._page = memoryview(mmap(self._file, PAGE, offset=self._number * PAGE))


class Shared:
    """The sheets of some processes, that of this one first."""

    def __init__(self, files: Sequence[int]) -> None:
        self._sheets = [Sheet(file) for file in files]
        self.room = self._sheets[0].room

    def sums(self, metrics: Iterable[Metric]) -> list[Metric]:
        """The metrics as all processes together have measured them, those that have died included."""
        found = {(metric.kind, metric.name): metric.emptied() for metric in metrics}
        for sheet in self._sheets:
            for (kind, name, labels), cells in sheet.cells().items():
                metric = found.get((kind, name))
                if metric is None or len(labels) != len(metric.labels) or len(cells) != metric.size:
                    continue  # of a process that runs another version
                sum_ = metric.at(labels)
                for index, value in enumerate(cells):
                    sum_[index] += value
        return list(found.values())


def _padded(length: int) -> int:
    return -(-length // _EIGHT) * _EIGHT
