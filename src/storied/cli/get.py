"""``storied get``: one document of a view."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import msgspec

from storied.cli.asking import Asked, add_view_options, asked
from storied.cli.failures import NotFound
from storied.cli.printing import Output
from storied.cli.values import fields_text
from storied.cli.verb import Verb
from storied.domain.views import View, view_spec
from storied.errors import KeyParked
from storied.projections.asking import meets
from storied.projections.projector import Projector


def _add_options(parser: ArgumentParser) -> None:
    add_view_options(parser)
    parser.add_argument("key", metavar="KEY", help="the document's key, such as o-1")


async def _run(arguments: Namespace, out: Output) -> None:
    async with asked(arguments) as it:
        document = await _document(it, arguments)
    if document is None:
        raise NotFound(
            f"{arguments.view} has no document {arguments.key} at position {it.position}. "
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
    "prints one document of a view, now or as it was",
    "storied get OrderPage o-1 --app shop:app --store shop.db",
    _add_options,
    _run,
)
