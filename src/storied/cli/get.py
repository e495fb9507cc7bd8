"""``storied get``: one document of a view, or its history."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import msgspec

from storied.cli.asking import Asked, add_view_options, asked
from storied.cli.changes import print_changes
from storied.cli.failures import NotFound, UsageProblem
from storied.cli.printing import Output
from storied.cli.times import parse_count, parse_position
from storied.cli.values import fields_text
from storied.cli.verb import Verb
from storied.domain.showing import shown
from storied.domain.views import View, view_spec
from storied.errors import KeyParked
from storied.projections.asking import meets
from storied.projections.projector import Projector


def _add_options(parser: ArgumentParser) -> None:
    add_view_options(parser)
    parser.add_argument("key", metavar="KEY", help="the document's key, such as o-1")
    parser.add_argument("--history", action="store_true", help="what each event changed in it: what, when, who and why")
    parser.add_argument("--after", type=parse_position, metavar="N", help="of the history, only beyond this position")
    parser.add_argument("--limit", type=parse_count, metavar="COUNT", help="of the history, at most so many events")


async def _run(arguments: Namespace, out: Output) -> None:
    if arguments.history:
        await print_changes(arguments, out)
        return
    if arguments.after is not None or arguments.limit is not None:
        raise UsageProblem("--after and --limit are about a history. Add --history, or leave them out.")
    async with asked(arguments) as it:
        document = await _document(it, arguments)
    if document is None:
        raise NotFound(
            f"{arguments.view} has no document {shown(arguments.key)} at position {it.position}. "
            f"Look for it with `storied find {arguments.view}`."
        )
    if out.json:
        out.document({"view": arguments.view, "key": arguments.key, "position": it.position, "document": document})
        return
    out.line((arguments.view, "bold"), f" {arguments.key}  at position {it.position}")
    out.pairs(fields_text(msgspec.to_builtins(document)), indent="   ")


async def _document(it: Asked, arguments: Namespace) -> View | None:
    """The document; None when it is not there, or is not theirs who ask. Raises `KeyParked` to those who may see it."""
    projector = Projector(view_spec(it.view))
    try:
        document = await it.opened.get(
            it.view, arguments.key, after=it.after, at=arguments.at, timeout=arguments.timeout
        )
    except KeyParked:
        document = await it.opened.get(it.view, arguments.key)  # as it was before what it is held back at
        if it.visible and (document is None or not meets(projector, document, it.visible)):
            return None
        raise
    return None if document is None or not meets(projector, document, it.visible) else document


VERB = Verb(
    "get",
    "prints one document of a view, now or as it was, or what each event changed in it",
    "storied get OrderPage o-1 --app shop:app --store shop.db",
    _add_options,
    _run,
    notes="With --history: the events of the document, from the log, the first one first; with --json, JSON Lines.\n"
    "It goes up to --at, and needs a rule with history=True where the app has rules.",
)
