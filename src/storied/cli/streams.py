"""``storied streams``: which things the store knows of, by part of their name."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import get_args

from storied.cli.places import add_store, store_url
from storied.cli.printing import Output
from storied.cli.times import parse_count, time_text
from storied.cli.verb import Verb
from storied.engines.opening import open_log
from storied.store.searching import Stream, StreamOrder, StreamQuery


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("part", metavar="PART", nargs="?", default="", help="a part of the tag, in any case (else all)")
    add_store(parser)
    parser.add_argument("--limit", type=parse_count, default=100, metavar="COUNT", help="at most so many (100)")
    parser.add_argument(
        "--sort",
        choices=get_args(StreamOrder),
        default="name",
        help="by name, the most recent first, or the most events first",
    )
    parser.add_argument("--beyond", default="", metavar="TAG", help="by name: go on behind this tag")


async def _run(arguments: Namespace, out: Output) -> None:
    wanted = StreamQuery(arguments.part, arguments.sort, arguments.limit, arguments.beyond)
    async with open_log(store_url(arguments)) as store:
        found = await store.streams(wanted)
    if out.json:
        for stream in found:
            out.document(_json(stream))
        return
    rows = [
        (s.tag, str(s.events), str(s.first), str(s.last), s.last_type, time_text(s.last_recorded_at)) for s in found
    ]
    out.table(("TAG", "EVENTS", "FIRST", "LAST", "LAST EVENT", "RECORDED"), rows, numbers=("EVENTS", "FIRST", "LAST"))


def _json(stream: Stream) -> dict[str, object]:
    return {
        "tag": stream.tag,
        "events": stream.events,
        "first": stream.first,
        "last": stream.last,
        "last_type": stream.last_type,
        "last_recorded_at": time_text(stream.last_recorded_at),
    }


VERB = Verb(
    "streams",
    "searches the streams by part of their tag",
    "storied streams order: --sort recent --limit 5 --store shop.db",
    _add_options,
    _run,
    notes="With --json: JSON Lines, a stream a line.",
)
