"""``storied append``: raw events into a store, all or none."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from storied.cli.failures import UsageProblem
from storied.cli.incoming import Given, parse_line
from storied.cli.places import add_store, store_url
from storied.cli.printing import Output
from storied.cli.times import TIME_HELP, parse_count, parse_position, parse_time
from storied.cli.verb import Verb
from storied.engines.opening import open_log
from storied.store.query import AppendCondition, Query, QueryItem
from storied.store.records import NewEvent


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("type", metavar="TYPE", help="the event's type; - reads JSON Lines from standard input")
    parser.add_argument("data", metavar="JSON", nargs="?", help="the payload, a JSON object")
    add_store(parser)
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="what it is about, such as order:o-1")
    parser.add_argument("--actor", help="who did it")
    parser.add_argument("--occurred-at", type=parse_time, metavar="TIME", help=f"when it happened; {TIME_HELP}")
    parser.add_argument("--event-version", type=parse_count, default=1, metavar="N", help="the payload's version (1)")
    parser.add_argument(
        "--if-none",
        action="append",
        nargs="+",
        default=[],
        metavar="TAG/TYPE",
        help="only if there is no event with all of these tags and any of these types; again for an alternative",
    )
    parser.add_argument(
        "--after", type=parse_position, metavar="N", help="... beyond this position (alone: no event at all)"
    )
    parser.add_argument("--append-id", metavar="ID", help="names the append: repeating it stores nothing twice")


async def _run(arguments: Namespace, out: Output) -> None:
    events = _events(arguments)
    condition = _condition(arguments.if_none, arguments.after)
    async with open_log(store_url(arguments, make=True)) as store:
        receipt = await store.append(events, condition=condition, append_id=arguments.append_id)
    if out.json:
        first = receipt.first if receipt.count else None
        out.document(
            {
                "append_id": receipt.append_id,
                "position": receipt.position,
                "first": first,
                "count": receipt.count,
            }
        )
        return
    where = f"position {receipt.position}" if receipt.count == 1 else f"positions {receipt.first}-{receipt.position}"
    plural = "" if receipt.count == 1 else "s"
    out.line(f"stored {receipt.count} event{plural} at {where}, append id {receipt.append_id}")


def _events(arguments: Namespace) -> list[NewEvent]:
    """The events that were typed, or that standard input holds. Raises `UsageProblem` and `InvalidEvent`."""
    given = Given(tags=tuple(arguments.tag), actor=arguments.actor, occurred_at=arguments.occurred_at)
    if arguments.type != "-":
        if arguments.data is None:
            raise UsageProblem('the payload is missing. Give it as JSON: storied append NoteTaken \'{"text": "hi"}\'.')
        return [given.event(arguments.type, arguments.data, arguments.event_version)]
    if arguments.data is not None:
        raise UsageProblem("with - the events come from standard input. Leave the payload out.")
    lines = sys.stdin.buffer
    events = [parse_line(line, number, given) for number, line in enumerate(lines, 1) if line.strip()]
    if not events:
        raise UsageProblem('standard input holds no event. Give one a line: {"type": "NoteTaken", "data": {}}.')
    return events


def _condition(if_none: list[list[str]], after: int | None) -> AppendCondition | None:
    """What must not have happened. A word with a colon is a tag, another one a type."""
    if not if_none and after is None:
        return None
    items = tuple(
        QueryItem(
            types=tuple(word for word in words if ":" not in word),
            tags=tuple(word for word in words if ":" in word),
        )
        for words in if_none
    )
    return AppendCondition(Query(items), after or 0)


VERB = Verb(
    "append",
    "stores an event, or those of standard input, all or none",
    """storied append NoteTaken '{"text": "hi"}' --tag note:n-1 --if-none note:n-1 NoteTaken --store notes.db""",
    _add_options,
    _run,
    notes="Makes the store when it is absent. Put --if-none behind TYPE and JSON. A line of standard input is\n"
    '{"type": …, "data": {…}} with, if you like, "tags", "version", "actor" and "occurred_at"; --tag is added to\n'
    "each, --actor and --occurred-at stand in where a line has none.",
)
