"""``storied backup``: a copy of a store that is in use."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from storied.cli.places import add_store, store_url
from storied.cli.printing import Output
from storied.cli.progress import showing_progress
from storied.cli.verb import Verb
from storied.operating.backup import back_up


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", type=Path, help="the new file, such as backup.db")
    add_store(parser)
    parser.add_argument("--views", action="store_true", help="copy the read models too (they can be built anew)")


async def _run(arguments: Namespace, out: Output) -> None:
    with showing_progress(out) as tell:
        made = await back_up(store_url(arguments), arguments.target, views=arguments.views, progress=tell)
    if out.json:
        out.document(
            {
                "target": str(made.path),
                "identity": made.identity,
                "head": made.head,
                "bytes": made.bytes,
                "views": str(made.views) if made.views else None,
            }
        )
        return
    out.line(f"copied {made.head} events ({made.bytes} bytes) to {made.path}")
    if made.views:
        out.line(f"copied the views to {made.views}")


VERB = Verb(
    "backup",
    "copies a store that is in use into a new file",
    "storied backup backup.db --store shop.db",
    _add_options,
    _run,
    notes="Others may go on writing. When this ends, the copy is on the disk and was opened. No file is replaced.",
)
