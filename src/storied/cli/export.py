"""``storied export``: everything that a store holds, as lines of JSON."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from storied.cli.places import add_store, store_url
from storied.cli.printing import Output
from storied.cli.progress import showing_progress
from storied.cli.verb import Verb
from storied.engines.newfile import new_file
from storied.engines.opening import open_log
from storied.engines.sqlite.connection import unavailable
from storied.operating.exporting import Exported, export


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("target", metavar="FILE", help="the new file, such as shop.jsonl; - is standard output")
    add_store(parser)


async def _run(arguments: Namespace, out: Output) -> None:
    url = store_url(arguments)
    if arguments.target == "-":
        with showing_progress(out) as tell:
            async with open_log(url) as store:
                await export(store, sys.stdout.buffer.write, tell)
        return
    target = Path(arguments.target)
    made = await _to_file(url, target, out)
    if out.json:
        out.document(
            {
                "target": arguments.target,
                "identity": made.identity,
                "head": made.head,
                "appends": made.appends,
                "bytes": made.bytes,
            }
        )
    else:
        out.line(f"exported {made.head} events and {made.appends} appends ({made.bytes} bytes) to {target}")


async def _to_file(url: str, target: Path, out: Output) -> Exported:
    with showing_progress(out) as tell:
        try:
            with new_file(target) as partial:
                async with open_log(url) as store:
                    with partial.open("wb") as file:
                        return await export(store, file.write, tell)
        except OSError as error:
            raise unavailable(target, error) from error


VERB = Verb(
    "export",
    "writes everything that the store holds as JSON Lines",
    "storied export shop.jsonl --store shop.db",
    _add_options,
    _run,
    notes="The same store gives the same bytes. `storied import` makes a store of them again.",
)
