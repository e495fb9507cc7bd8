"""Import Olist's orders into the example shop: ``python -m storied.examples.shop.importer FOLDER --store URL``.

The facts are cut into batches, and each is appended under an id made of the files' digest and its number. What the
store has under that id it does not store again, so an import that was killed goes on where it stopped when it is
started once more, and a finished one does nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from storied import AppendIdReused, Fact, NotCaughtUp, OpenApp, Rejected
from storied.engines.opening import given_url
from storied.errors import StoriedError

from . import app
from .olist import Olist, facts, read_folder

BATCH = 500
"""Facts in one append. Changing it changes what the ids stand for: finish an import with the size it was begun with."""
IN_FLIGHT = 8
"""Appends under way at once. They are stored in the order in which they were sent."""
LOOK_SECONDS = 0.2

Report = Callable[[str, int, int], None]
"""Is told the stage (``reading``, ``storing``, ``view OrderPage``), how much of it is done, and how much there is."""


class ImportSummary(Struct, frozen=True):
    """What an import did. `stored` counts the events of this run; the rest had been there."""

    orders: int
    events: int
    stored: int
    position: int
    store_seconds: float
    view_seconds: float
    example: str
    """An order to look at."""


def silent(stage: str, done: int, total: int) -> None:
    """A `Report` to nobody."""


async def import_olist(folder: Path, url: str, report: Report = silent) -> ImportSummary:
    """Stores everything in the five CSV files of *folder* and returns once the views show it.

    Raises `FileNotFoundError` when a file is missing. It may be interrupted at any time and started again.
    """
    started = time.monotonic()
    report("reading", 0, 1)
    olist = read_folder(folder)
    history = facts(olist)
    report("reading", 1, 1)
    batches = [history[at : at + BATCH] for at in range(0, len(history), BATCH)]
    prefix = f"olist-{olist.digest[:16]}"
    async with app.open(url) as shop:
        await claim(shop, olist.digest)
        first = await first_missing(shop, prefix, len(batches))
        await send(shop, prefix, batches, first, report)
        stored = time.monotonic()
        position = await shop.store.head()
        await follow_views(shop, position, report)
    return ImportSummary(
        orders=len(olist.orders),
        events=len(history),
        stored=sum(map(len, batches[first:])),
        position=position,
        store_seconds=stored - started,
        view_seconds=time.monotonic() - stored,
        example=_most_reviewed(olist),
    )


def _most_reviewed(olist: Olist) -> str:
    return max(
        (row["order_id"] for row in olist.orders), key=lambda order: len(olist.reviews.get(order, ())), default=""
    )


async def claim(shop: OpenApp, digest: str) -> None:
    """Marks the store as holding the import of these files. Raises `Rejected` when it holds that of others.

    The mark is an append of no events under a fixed id, with the files' digest as its fingerprint.
    """
    try:
        await shop.store.append([], append_id="olist-import", fingerprint=digest.encode())
    except AppendIdReused:
        raise Rejected(
            "other-import",
            "this store holds the import of other files, or of the same files before they were changed. Nothing was "
            "stored. Import them into a new store with --store.",
        ) from None


def append_id(prefix: str, number: int) -> str:
    """The id under which the store knows a batch."""
    return f"{prefix}-{number:05d}"


async def first_missing(shop: OpenApp, prefix: str, count: int) -> int:
    """The number of the first batch that the store does not have, found by halving: batches are stored in order."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if await shop.store.receipt(append_id(prefix, middle)) is None:
            high = middle
        else:
            low = middle + 1
    return low


async def send(shop: OpenApp, prefix: str, batches: Sequence[Sequence[Fact]], first: int, report: Report) -> None:
    """Appends the batches from number *first* on, several at a time."""
    total = sum(map(len, batches))
    done = sum(map(len, batches[:first]))
    report("storing", done, total)
    for start in range(first, len(batches), IN_FLIGHT):
        numbers = range(start, min(start + IN_FLIGHT, len(batches)))
        appends = (shop.record(*batches[n], actor="olist-import", append_id=append_id(prefix, n)) for n in numbers)
        done += sum(receipt.count for receipt in await asyncio.gather(*appends))
        report("storing", done, total)


async def follow_views(shop: OpenApp, position: int, report: Report) -> None:
    """Returns once every view stands at *position*."""
    for name, view in app.views.items():
        while True:
            try:
                await shop.wait(view, position, timeout=LOOK_SECONDS)
            except NotCaughtUp as late:
                report(f"view {name}", late.position, position)
            else:
                report(f"view {name}", position, position)
                break


@contextmanager
def reporting(console: Console) -> Iterator[Report]:
    """A report for people: bars on a terminal, and where there is none a line for each tenth of the way."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
            progress.update(bars[stage], completed=done)

        yield show


class _Lines:
    """A report in plain lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[str, int] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 10
        if tenth != self._told.get(stage):
            self._told[stage] = tenth
            self._console.print(f"{stage}: {done:,} of {total:,}", highlight=False, soft_wrap=True)
            self._console.file.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The program: 0 when everything is imported, 1 when it cannot be, 130 when it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m storied.examples.shop.importer", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="the folder with olist_orders_dataset.csv (or .csv.gz) and the others"
    )
    parser.add_argument(
        "--store", default="olist.db", help="where to: sqlite:///olist.db, or just olist.db (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    console = Console()
    try:
        with reporting(console) as report:
            summary = asyncio.run(import_olist(options.folder, given_url(options.store), report))
    except KeyboardInterrupt:
        print("interrupted: what was stored stays. Type the same again, and it goes on there.", file=sys.stderr)
        return 130
    except (FileNotFoundError, LookupError, StoriedError) as error:
        print(f"nothing more was imported: {error}", file=sys.stderr)
        return 1
    console.print(told(summary, options.store), highlight=False, soft_wrap=True)
    return 0


def told(summary: ImportSummary, store: str) -> str:
    """The summary in words, with what to type next."""
    log, both = f"--store {store}", f"--store {store} --app storied.examples.shop:app"
    return f"""
{summary.orders:,} orders make {summary.events:,} events, {summary.stored:,} of them stored now in \
{summary.store_seconds:.1f} s; the views had them {summary.view_seconds:.1f} s later.
What to type next:
  storied history order:{summary.example} {log}
  storied get OrderPage {summary.example} {both}
  storied find OrderPage status=shipped --at occurred:2017-12-24 {both}
  storied find CustomerOverview --order=-spent --limit 5 {both}
  storied stats {log}"""


if __name__ == "__main__":
    sys.exit(main())
