"""``storied openapi``: what the services of an app can be asked, as an OpenAPI document."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import msgspec

from storied.cli.configuring import add_files, described_settings
from storied.cli.places import APP_VARIABLE, load_app
from storied.cli.printing import Output
from storied.cli.verb import Verb
from storied.services.openapi import openapi
from storied.services.sides import Side


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "app",
        nargs="?",
        metavar="MODULE:NAME",
        help=f"the app, such as shop:app; the current folder is searched first (else ${APP_VARIABLE})",
    )
    sides = parser.add_mutually_exclusive_group()
    sides.add_argument("--commands", action="store_true", help="only the command service")
    sides.add_argument("--queries", action="store_true", help="only the query service")
    add_files(parser)


async def _run(arguments: Namespace, out: Output) -> None:
    app = load_app(arguments)
    side: Side = "commands" if arguments.commands else "queries" if arguments.queries else "both"
    document = openapi(app, side, settings=described_settings(arguments, app))
    if out.json:
        out.document(document)
        return
    for line in msgspec.json.format(msgspec.json.encode(document), indent=2).decode().splitlines():
        out.line(line)


VERB = Verb(
    "openapi",
    "describes the services of an app, as an OpenAPI 3.1 document",
    "storied openapi shop:app > openapi.json",
    _add_options,
    _run,
    notes="It opens no store. The services give the same document at /openapi.json, and show it at /docs.",
)
