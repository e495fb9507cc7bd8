"""``storied import``: a store out of an export, as it was."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import BinaryIO

from storied.cli.failures import UsageProblem
from storied.cli.places import add_store, store_url
from storied.cli.printing import Output
from storied.cli.progress import showing_progress
from storied.cli.verb import Verb
from storied.engines.opening import open_log
from storied.operating.feeding import batches_of_lines
from storied.operating.importing import Imported, import_lines


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="FILE", help="what `storied export` wrote; - is standard input")
    add_store(parser)


async def _run(arguments: Namespace, out: Output) -> None:
    url = store_url(arguments, make=True)
    if arguments.source == "-":
        made = await _import(url, sys.stdin.buffer, out)
    else:
        try:
            file = open(arguments.source, "rb")  # noqa: ASYNC230, SIM115 - it is read in a thread, and closed below
        except OSError as error:
            raise UsageProblem(f"{arguments.source} cannot be read: {error.strerror}. Name an export.") from error
        with file:
            made = await _import(url, file, out)
    if out.json:
        out.document(
            {
                "store": url,
                "identity": made.identity,
                "head": made.head,
                "stored": made.stored,
                "known": made.known,
                "appends": made.appends,
            }
        )
        return
    known = f", {made.known} were there" if made.known else ""
    out.line(f"imported {made.stored} events and {made.appends} appends{known}; the head is {made.head}")


async def _import(url: str, file: BinaryIO, out: Output) -> Imported:
    with showing_progress(out) as tell:
        async with open_log(url) as store:
            return await import_lines(store, batches_of_lines(file), tell)


VERB = Verb(
    "import",
    "makes a store out of what `storied export` wrote, as it was",
    "storied import shop.jsonl --store copy.db",
    _add_options,
    _run,
    notes="Makes the store when it is absent. After an interruption, the same command goes on where it stopped.",
)
