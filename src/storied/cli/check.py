"""``storied check``: whether today's code reads every event that was ever stored."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from storied.cli.entering import add_token, check_operator
from storied.cli.failures import DoesNotDecode
from storied.cli.places import add_app, add_store, load_app, store_url
from storied.cli.printing import Output
from storied.cli.progress import showing_progress
from storied.cli.times import parse_position
from storied.cli.verb import Verb
from storied.engines.opening import open_log
from storied.operating.checking import Checked, Count, check_events


def _add_options(parser: ArgumentParser) -> None:
    add_store(parser)
    add_app(parser)
    add_token(parser)
    parser.add_argument("--strict", action="store_true", help="types that the app has no class for fail the check too")
    parser.add_argument("--after", type=parse_position, default=0, metavar="N", help="only events beyond this position")


async def _run(arguments: Namespace, out: Output) -> None:
    app = load_app(arguments)
    await check_operator(arguments, app, "check")
    event_types = app.event_types()
    url = store_url(arguments)
    with showing_progress(out) as tell:
        async with open_log(url) as store:
            found = await check_events(store, event_types, tell, after=arguments.after)
    if out.json:
        out.document(_json(url, found))
    else:
        _print(out, found)
    if found.first is not None:
        raise DoesNotDecode(f"{_events(found.failed)} of {found.events} cannot be read by this code. {found.first}")
    if arguments.strict and found.unknown:
        raise DoesNotDecode(
            f"the app has no class for {_events(found.unknown)} of {found.events}. Handle their types somewhere in the "
            "app, name them in formerly=, or leave out --strict."
        )


def _print(out: Output, found: Checked) -> None:
    known = [shape for shape in found.shapes if shape.known]
    unknown = [shape for shape in found.shapes if not shape.known]
    if known:
        rows = [(s.type, str(s.version), str(s.events), str(s.failed) if s.failed else "-") for s in known]
        out.table(("TYPE", "VERSION", "EVENTS", "FAILED"), rows, numbers=("VERSION", "EVENTS", "FAILED"))
    for shape in known:
        if shape.error is not None:
            out.line(
                ("  - ", "red"), f"{shape.type} {shape.version}, first at {shape.error.position}: ", shape.error.reason
            )
    if unknown:
        out.line("" if known else "no event of a type that the app knows")
        rows = [(s.type, str(s.version), str(s.events), str(s.first)) for s in unknown]
        out.table(("NOT KNOWN", "VERSION", "EVENTS", "FIRST"), rows, numbers=("VERSION", "EVENTS", "FIRST"))
    if found.ok:
        out.line((f"all {found.events - found.unknown} events of known types decode", "green"))


def _json(url: str, found: Checked) -> dict[str, Any]:
    return {
        "store": url,
        "identity": found.identity,
        "head": found.head,
        "events": found.events,
        "failed": found.failed,
        "unknown": found.unknown,
        "ok": found.ok,
        "first_failed_position": found.first.position if found.first else None,
        "types": [_shape(shape) for shape in found.shapes],
    }


def _shape(shape: Count) -> dict[str, Any]:
    error = shape.error
    return {
        "type": shape.type,
        "version": shape.version,
        "known": shape.known,
        "events": shape.events,
        "first": shape.first,
        "failed": shape.failed,
        "first_failed": error.position if error else None,
        "error": error.reason if error else None,
    }


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


VERB = Verb(
    "check",
    "decodes every stored event with the app's code: the gate before a deploy",
    "storied check --app shop:app --store shop.db",
    _add_options,
    _run,
    notes="Exits with 1 when an event does not decode. Types without a class in the app are listed; with --strict\n"
    "they fail the check too.",
)
