"""``./dev bench [PART …] [--rounds N] [--markdown FILE]``: runs the measurements whose name has PART in it.

Each is run several times in a fresh folder, beside the bare loop over the same rows; the medians are printed with
their ratio. ``--growth`` and ``--toolkits`` measure other things instead; ``--docs`` writes the pages of the reference.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.figures import Figure, Measure
from benchmarks.growth import CYCLE, LENGTHS, WINDOW, curve, memory
from benchmarks.machine import this_machine
from benchmarks.measures import MEASURES
from benchmarks.pages import figures_page, growth_page
from benchmarks.toolkits import compare

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def main() -> int:
    """Runs what was asked for; 0 when every figure reached its bar, else 1."""
    options = _options()
    if options.toolkits:
        return _compare(options.rounds, options.markdown)
    if options.docs:
        _grow(options.lengths, options.docs / "growth.md")
        return _measure(options.parts, options.rounds, options.docs / "figures.md")
    if options.growth:
        return _grow(options.lengths, options.markdown)
    return _measure(options.parts, options.rounds, options.markdown)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measure the hot paths.")
    parser.add_argument("parts", nargs="*", help="run only measurements with one of these in their name")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each; the median counts (default 3)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page to this file as well")
    parser.add_argument("--growth", action="store_true", help="throughput as the log grows, and memory")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, metavar="N", help="of the log, for --growth")
    parser.add_argument("--toolkits", action="store_true", help="what each toolkit for services costs")
    where = "write figures.md and growth.md into this folder (default docs/reference)"
    parser.add_argument("--docs", type=Path, nargs="?", const=REFERENCE, metavar="FOLDER", help=where)
    return parser.parse_args()


def _measure(parts: Sequence[str], rounds: int, file: Path | None) -> int:
    """Prints the figures as they come, and writes their page."""
    machine, measured = this_machine(), []
    print("\n".join(machine.lines()))
    print(f"{'':50} {'storied':>12} {'bar':>10} {'bare':>12} {'ratio':>6}")
    for measure in [m for m in MEASURES if not parts or any(part in m.name for part in parts)]:
        figure = median([run(measure) for _ in range(rounds)])
        measured.append((measure, figure))
        bare, ratio = ("", "") if figure.bare is None else (f"{figure.bare:,.0f}", f"{figure.ours / figure.bare:.2f}")
        below = "" if measure.is_good(figure) else "  below"
        print(f"{measure.name:50} {figure.ours:>12,.0f} {measure.wanted:>10} {bare:>12} {ratio:>6}{below}", flush=True)
    if file:
        file.write_text(figures_page(machine, rounds, measured), encoding="utf-8")
    return 0 if all(measure.is_good(figure) for measure, figure in measured) else 1


def _grow(lengths: Sequence[int], file: Path | None) -> int:
    """Prints what growth does to throughput and memory as it is found, and writes its page."""
    machine = this_machine()
    print("\n".join(machine.lines()))
    appending = _told(curve(lengths))
    remembered = _told(memory(min(1_000_000, max(lengths))))
    if file:
        file.write_text(growth_page(machine, appending, remembered, CYCLE, WINDOW), encoding="utf-8")
    return 0


def _compare(rounds: int, file: Path | None) -> int:
    """Prints what toolkits cost, and writes it to *file*."""
    machine = this_machine()
    lines = _told(compare(rounds))
    if file:
        file.write_text("\n".join([*machine.report(), "", *lines, ""]), encoding="utf-8")
    return 0


def _told(lines: Iterable[str]) -> list[str]:
    """The lines, each printed as it comes."""
    told = []
    for line in lines:
        print(line, flush=True)
        told.append(line)
    return told


def run(measure: Measure) -> Figure:
    """One run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measure.run(Path(folder)))  # type: ignore[arg-type]  # every run is a coroutine function


def median(figures: list[Figure]) -> Figure:
    """The median of each column."""
    loops = [figure.bare for figure in figures if figure.bare is not None]
    return Figure(statistics.median(f.ours for f in figures), statistics.median(loops) if loops else None)


if __name__ == "__main__":
    sys.exit(main())
