"""``storied history``: everything that happened to one thing, with who, when and why."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from storied.cli.failures import NotFound
from storied.cli.places import add_store, store_url
from storied.cli.printing import Output
from storied.cli.records import print_story
from storied.cli.times import parse_count, parse_position
from storied.cli.verb import Verb
from storied.engines.opening import open_log
from storied.store.query import Query


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("tag", metavar="TAG", help="the stream, such as order:o-1")
    add_store(parser)
    parser.add_argument("--after", type=parse_position, default=0, metavar="N", help="only beyond this position")
    parser.add_argument("--until", type=parse_position, metavar="N", help="only up to this position")
    parser.add_argument("--backwards", action="store_true", help="the last event first")
    parser.add_argument("--limit", type=parse_count, metavar="COUNT", help="at most so many")


async def _run(arguments: Namespace, out: Output) -> None:
    query = Query.of(tags=[arguments.tag])
    async with open_log(store_url(arguments)) as store:
        reading = store.read(
            query,
            after=arguments.after,
            until=arguments.until,
            limit=arguments.limit,
            backwards=arguments.backwards,
        )
        found = False
        async for record in reading:
            print_story(out, record)
            found = True
        if not found:
            raise NotFound(
                f"no event carries {arguments.tag} in that stretch. Look for the tag with `storied streams PART`."
            )


VERB = Verb(
    "history",
    "prints what happened in one stream: what, when, who and why",
    "storied history order:o-1 --store shop.db",
    _add_options,
    _run,
    notes="`recorded` is when the store learned it; `occurred`, where it differs, is when it happened.\n"
    "With --json: JSON Lines, an event a line.\n"
    "What each event changed in a document of a view: storied get VIEW KEY --history.",
)
