"""The pages that the benchmarks write say what was measured, how, and on which machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import bare
from benchmarks.figures import Figure, Measure
from benchmarks.growth import CYCLE, LONG, WINDOW, windows
from benchmarks.machine import Machine, file_system, this_machine
from benchmarks.measures import MEASURES
from benchmarks.pages import figures_page, growth_page
from benchmarks.serving import SERVING
from benchmarks.together import TOGETHER

MACHINE = Machine((("CPU", "fast"), ("Kernel", "new")), (0.1, 0.2, 0.3))


async def nothing(folder: Path) -> Figure:
    """A measurement that measured this."""
    return Figure(2.0, 4.0)


def test_the_page_of_figures_is_whole() -> None:
    """Title, how it was measured, the machine with its load at both ends, and the table."""
    alone = Measure("waiting", "µs", 500, nothing, least=False, alone="a latency stands by itself")
    beside = Measure("appends", "appends/s", 3, nothing)
    page = figures_page(MACHINE, 3, [(beside, Figure(2, 4)), (alone, Figure(9, None))])
    assert page.startswith("# Figures\n\nWhat storied does")
    assert "the median of 3 runs" in page
    assert "- CPU: fast\n- Kernel: new\n- Load average (1, 5, 15 minutes): 0.1, 0.2, 0.3 at the start, " in page
    assert "| appends (appends/s) | 2 | 3 | 4 | 0.50 |\n| waiting (µs) | 9 | 500 | – | – |" in page
    assert page.endswith("\n\nNo bare loop (–): a latency stands by itself.\n")


def test_the_page_of_growth_is_whole() -> None:
    """Both tables, and what a cycle is."""
    page = growth_page(MACHINE, ["| appending |"], ["| memory |"], CYCLE, WINDOW)
    assert page.startswith("# Growth\n\nWhat the length")
    assert page.index("- CPU: fast") < page.index("| appending |\n\nTags") < page.index("| memory |\n\nReading")
    assert f"up to {CYCLE:,} events" in page


def test_only_a_latency_has_nothing_beside_it() -> None:
    """And says so; every other measurement gives a bare figure."""
    assert {measure.unit for measure in MEASURES if measure.alone} == {"µs"}
    assert all(measure.alone for measure in (*SERVING, *TOGETHER) if measure.unit == "µs")


def test_a_long_log_is_measured_over_more_than_a_cycle() -> None:
    """What gathers tags and what moves them is both in the mean."""
    assert windows(10_000) * WINDOW < 10_000
    assert windows(LONG) * WINDOW > max(45_000, CYCLE)


def test_the_machine_is_told() -> None:
    """All that a figure depends on."""
    assert [name for name, _ in this_machine().facts] == ["CPU", "Kernel", "Python", "SQLite", "File system"]


def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    """The last one, where several are mounted in one place."""
    inside = tmp_path / "in side"
    escaped = str(inside).replace(" ", "\\040")
    mounts = f"/dev/a / ext4 rw 0 0\nb {tmp_path} xfs rw 0 0\nc {escaped} tmpfs rw 0 0\n"
    found = [file_system(str(place), mounts) for place in (tmp_path.parent, tmp_path, inside / "x")]
    assert found == ["ext4", "xfs", "tmpfs"]
    assert file_system("/", "") == "unknown"


def test_the_bare_loops_run(tmp_path: Path) -> None:
    """On a few rows, of which each finds some."""
    bare.filled(tmp_path / "log.db", 100, 100)
    assert bare.command_rate(tmp_path / "log.db", 100, 8, 4) > 0
    assert bare.find_rate(tmp_path / "log.db", tmp_path / "views.db", 3) > 0
    assert bare.opening_time(tmp_path / "log.db") > 0


def test_one_option_writes_both_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into the folder that is named, or that of the reference."""
    monkeypatch.setattr(bench, "MEASURES", (Measure("appends", "appends/s", 1, nothing),))
    monkeypatch.setattr(bench, "curve", lambda lengths: [f"| {lengths} |"])
    monkeypatch.setattr(bench, "memory", lambda most: [f"| {most} |"])
    monkeypatch.setattr("sys.argv", ["bench", "--docs", str(tmp_path), "--lengths", "10", "20"])
    assert bench.main() == 0
    assert "| appends (appends/s) | 2 | 1 | 4 | 0.50 |" in (tmp_path / "figures.md").read_text()
    growth = (tmp_path / "growth.md").read_text()
    assert "| [10, 20] |" in growth
    assert "| 20 |" in growth
    assert "at the start" in capsys.readouterr().out
    assert {page.name for page in bench.REFERENCE.glob("*.md")} > {"figures.md", "growth.md"}
