"""The pages of the reference that the benchmarks write, whole: what stands in them was measured, or is here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.figures import Figure, Measure
from benchmarks.machine import Machine

_FIGURES = """\
# Figures

What storied does in a second, beside the bar that is aimed at and beside the same rows through bare apsw, in the same
run: those of the event, its type's index, its tags and the append's id, as many in a transaction as there are callers.
The log is durable (`synchronous=FULL`); its events are of about 256 bytes with two tags. Each figure is {rounds}, in a
fresh folder. Over HTTP, what stands beside is the same server answering with a constant, or one process alone. A ratio
holds on other machines; an absolute figure holds for this machine and this hour. `./dev bench --docs` makes this
page and [growth](growth.md) again.
"""
_GROWTH = """\
# Growth

What the length of the log does to throughput and memory. The log is one file that grows; each event is about 256 bytes
with two tags, one that ascends (a basket's) and one that comes back in no order (a customer's). `./dev bench --docs`
makes this page and [figures](figures.md) again.
"""
_CYCLES = """\
Tags of new events are gathered, up to {cycle:,} events, and then moved into the index with the appends that follow. So
appends are measured beyond a whole such cycle where the log is long: the mean is over all of them, and the slowest
window is the worst of {window:,} appends in a row. A tag that comes in no order touches a page of its own in the index,
and the longer the log, the fewer appends share one. Ids that ascend with time do not have this cost.
"""
_MEMORY = """\
Reading, folding and projecting take chunks, so memory follows SQLite's page cache (64 MiB a connection), not the log.
"""


def figures_table(measured: Iterable[tuple[Measure, Figure]]) -> list[str]:
    """A Markdown table of what was measured, and below it why some have nothing beside them."""
    table = ["| What | storied | Bar | Bare loop | Ratio |", "|---|--:|--:|--:|--:|"]
    reasons: dict[str, None] = {}
    for measure, figure in measured:
        bare, ratio = ("–", "–") if figure.bare is None else (f"{figure.bare:,.0f}", f"{figure.ours / figure.bare:.2f}")
        if figure.bare is None:
            reasons[measure.alone or "nothing was measured beside it"] = None
        table.append(f"| {measure.name} ({measure.unit}) | {figure.ours:,.0f} | {measure.wanted} | {bare} | {ratio} |")
    return [*table, *(line for reason in reasons for line in ("", f"No bare loop (–): {reason}."))]


def figures_page(machine: Machine, rounds: int, measured: Iterable[tuple[Measure, Figure]]) -> str:
    """``docs/reference/figures.md``."""
    told = "of one run" if rounds == 1 else f"the median of {rounds} runs"
    return _page(_FIGURES.format(rounds=told), machine.report(), figures_table(measured))


def growth_page(machine: Machine, appending: Sequence[str], memory: Sequence[str], cycle: int, window: int) -> str:
    """``docs/reference/growth.md``, of the tables of `growth.curve` and `growth.memory`."""
    cycles = _CYCLES.format(cycle=cycle, window=window)
    return _page(_GROWTH, machine.report(), appending, cycles, memory, _MEMORY)


def _page(*parts: str | Sequence[str]) -> str:
    return "\n".join(part if isinstance(part, str) else "\n".join([*part, ""]) for part in parts)
