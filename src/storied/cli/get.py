"""``storied get``: one document of a view."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import msgspec

from storied.cli.asking import add_view_options, asked
from storied.cli.failures import NotFound
from storied.cli.printing import Output
from storied.cli.values import fields_text
from storied.cli.verb import Verb
from storied.domain.views import view_spec
from storied.projections.asking import meets
from storied.projections.projector import Projector


def _add_options(parser: ArgumentParser) -> None:
    add_view_options(parser)
    parser.add_argument("key", metavar="KEY", help="the document's key, such as o-1")


async def _run(arguments: Namespace, out: Output) -> None:
    async with asked(arguments) as it:
        document = await it.opened.get(
            it.view, arguments.key, after=it.after, at=arguments.at, timeout=arguments.timeout
        )
    if document is None or not meets(Projector(view_spec(it.view)), document, it.visible):
        raise NotFound(
            f"{arguments.view} has no document {arguments.key} at position {it.position}. "
            f"Look for it with `storied find {arguments.view}`."
        )
    if out.json:
        out.document({"view": arguments.view, "key": arguments.key, "position": it.position, "document": document})
        return
    out.line((arguments.view, "bold"), f" {arguments.key}  at position {it.position}")
    out.pairs(fields_text(msgspec.to_builtins(document)), indent="   ")


VERB = Verb(
    "get",
    "prints one document of a view, now or as it was",
    "storied get OrderPage o-1 --app shop:app --store shop.db",
    _add_options,
    _run,
)
