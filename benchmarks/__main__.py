"""``./dev bench [PART …] [--rounds N] [--markdown FILE]``: runs the measurements whose name has PART in it.

Each is run several times in a fresh folder, beside the bare loop over the same rows; the medians are printed with
their ratio. Figures hold for the machine that is named, and only beside each other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import apsw

from benchmarks.figures import Figure, Measure
from benchmarks.growth import curve, memory
from benchmarks.measures import MEASURES
from benchmarks.toolkits import compare


def main() -> int:
    """Runs what was asked for; 0 when every figure reached its bar, else 1."""
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measure the hot paths.")
    parser.add_argument("parts", nargs="*", help="run only measurements with one of these in their name")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each; the median counts (default 3)")
    parser.add_argument("--markdown", type=Path, help="write the table to this file as well")
    parser.add_argument("--growth", action="store_true", help="throughput at 10,000 to 5,000,000 events, and memory")
    parser.add_argument("--toolkits", action="store_true", help="what each toolkit for services costs")
    options = parser.parse_args()
    if options.growth:
        return grow(options.markdown)
    if options.toolkits:
        return tell([machine(), ""], compare(options.rounds), options.markdown)
    chosen = [m for m in MEASURES if not options.parts or any(part in m.name for part in options.parts)]
    print(machine())
    lines = [f"{'':50} {'storied':>12} {'bar':>10} {'bare':>12} {'ratio':>6}"]
    print(lines[0])
    table = ["| What | storied | Bar | Bare loop | Ratio |", "|---|--:|--:|--:|--:|"]
    reached = True
    for measure in chosen:
        figure = median([run(measure) for _ in range(options.rounds)])
        good = measure.is_good(figure)
        reached = reached and good
        shown = [f"{figure.ours:,.0f}", measure.wanted, *beside(figure)]
        print(
            f"{measure.name:50} {shown[0]:>12} {shown[1]:>10} {shown[2]:>12} {shown[3]:>6}{'' if good else '  below'}"
        )
        sys.stdout.flush()
        table.append(f"| {measure.name} ({measure.unit}) | {' | '.join(shown)} |")
    if options.markdown:
        options.markdown.write_text("\n".join([machine(), "", *table, ""]), encoding="utf-8")
    return 0 if reached else 1


def tell(head: list[str], lines: Iterable[str], file: Path | None) -> int:
    """Prints the lines as they come, and writes them to *file*."""
    told = list(head)
    for line in lines:
        print(line, flush=True)
        told.append(line)
    if file:
        file.write_text("\n".join([*told, ""]), encoding="utf-8")
    return 0


def grow(file: Path | None) -> int:
    """Prints, and writes to *file*, what growth does to throughput and memory."""
    lines = [machine(), ""]
    for part in (curve([10_000, 100_000, 1_000_000, 5_000_000]), [""], memory(1_000_000)):
        for line in part:
            print(line, flush=True)
            lines.append(line)
    if file:
        file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return 0


def run(measure: Measure) -> Figure:
    """One run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measure.run(Path(folder)))  # type: ignore[arg-type]  # every run is a coroutine function


def median(figures: list[Figure]) -> Figure:
    """The median of each column."""
    loops = [figure.bare for figure in figures if figure.bare is not None]
    return Figure(statistics.median(f.ours for f in figures), statistics.median(loops) if loops else None)


def beside(figure: Figure) -> tuple[str, str]:
    """The bare figure and the ratio to it, as text."""
    return ("", "") if figure.bare is None else (f"{figure.bare:,.0f}", f"{figure.ours / figure.bare:.2f}")


def machine() -> str:
    """Which machine, Python and SQLite the figures are of."""
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
