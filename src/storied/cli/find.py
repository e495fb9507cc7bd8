"""``storied find``: the documents of a view that meet some criteria."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from inspect import signature
from typing import Any

import msgspec

from storied.cli.asking import Asked, add_view_options, asked
from storied.cli.failures import UsageProblem
from storied.cli.printing import Output, Piece
from storied.cli.times import parse_count
from storied.cli.values import check_field, parse_criteria, value_text
from storied.cli.verb import Verb
from storied.domain.views import View, view_spec
from storied.opened import OpenApp
from storied.projections.serving import Then
from storied.projections.texts import Texts

MOST_NAMED = 10
"""Documents that are held back that a line names."""
_TAKEN = set(signature(OpenApp.find).parameters) - {"where"}


def _add_options(parser: ArgumentParser) -> None:
    add_view_options(parser)
    parser.add_argument("where", metavar="CRITERION", nargs="*", help="field=value, or 'field>=value' with > >= < <=")
    parser.add_argument("--order", metavar="FIELD", help="by this field (else the key); --order=-FIELD: largest first")
    parser.add_argument("--limit", type=parse_count, default=20, metavar="COUNT", help="at most so many (20)")
    parser.add_argument(
        "--fields", metavar="A,B", help="the columns (else the key and the indexed fields); all for all"
    )
    parser.add_argument("--cursor", help="go on behind the page that gave it")


async def _run(arguments: Namespace, out: Output) -> None:
    async with asked(arguments) as it:
        columns = _columns(it.view, arguments.fields)
        page = await _page(it, arguments)
        found = [it.opened.reader.texts.decoded(it.view, hit.document) for hit in page.hits]
    if out.json:
        out.document(
            {
                "view": arguments.view,
                "position": page.position,
                "documents": found,
                "cursor": page.cursor,
                "held": page.held,
                "parked": [{"key": key, "position": position} for key, position in page.parked.items()],
            }
        )
        return
    _print(out, found, columns)
    shown = "1 document" if len(found) == 1 else f"{len(found)} documents"
    out.line(f"{shown} at position {page.position}", f"; more: --cursor {page.cursor}" if page.cursor else "")
    if page.held is not None:
        out.line(*_warning(arguments.view, page))


def _warning(view: str, page: Texts) -> tuple[Piece, ...]:
    """What is to be known of a page that is not as the log says."""
    named = [f"{key} before event {position}" for key, position in list(page.parked.items())[:MOST_NAMED]]
    several = f"{', '.join(named)}{', …' if len(page.parked) > MOST_NAMED else ''}"
    what = f"stopped: {several}" if named else f"a document stopped before event {page.held}"
    return ("not whole", "bold"), f"; {what}; see `storied views parked {view}`"


async def _page(it: Asked, arguments: Namespace) -> Texts:
    """The page of documents that meet the criteria, of those that may be seen."""
    criteria = _criteria(it.view, arguments.where)
    texts, then = it.opened.reader.texts, Then(it.after, arguments.at, arguments.timeout)
    key = it.visible.get(view_spec(it.view).key)
    if key is not None:  # one may see only the document of this key
        return await texts.page_of_one(it.view, str(key), criteria, also=it.visible, then=then)
    return await texts.page(
        it.view,
        criteria,
        order_by=arguments.order,
        limit=arguments.limit,
        cursor=arguments.cursor,
        also=it.visible,
        then=then,
    )


def _criteria(view: type[View], words: Sequence[str]) -> dict[str, Any]:
    """What to ask for. Raises `UsageProblem`, also for fields that `find` cannot be asked for by name."""
    where = parse_criteria(view, words)
    key = view_spec(view).key
    if key in where:
        raise UsageProblem(
            f"{key} is the key of {view.__name__}. Ask for one document: storied get {view.__name__} KEY."
        )
    taken = sorted(where.keys() & _TAKEN)
    if taken:
        raise UsageProblem(f"a field called {taken[0]} cannot be asked for: find() has an argument of that name.")
    return where


def _columns(view: type[View], fields: str | None) -> list[str]:
    """The fields to show. Raises `UsageProblem` for one that the view does not have."""
    spec = view_spec(view)
    if fields is None:
        return list(dict.fromkeys((spec.key, *(field for index in spec.indexes for field in index))))
    if fields == "all":
        return list(view.__struct_fields__)
    wanted = fields.split(",")
    for field in wanted:
        check_field(view, field)
    return wanted


def _print(out: Output, found: Sequence[View], columns: list[str]) -> None:
    if found:
        documents: list[dict[str, Any]] = [msgspec.to_builtins(document) for document in found]
        out.table(columns, [[value_text(document.get(field)) for field in columns] for document in documents])


VERB = Verb(
    "find",
    "prints the documents of a view that meet the criteria",
    "storied find OrderPage status=paid 'total>=10' --order=-total --app shop:app --store shop.db",
    _add_options,
    _run,
    notes="Values are read by the field's type; null asks for documents without one. Only indexed fields can be\n"
    "asked for. Quote > and < for the shell.",
)
