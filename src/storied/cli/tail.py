"""``storied tail``: the last events, and then those that come."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from storied.cli.places import add_store, store_url
from storied.cli.printing import Output
from storied.cli.records import print_line
from storied.cli.times import parse_count, parse_position
from storied.cli.verb import Verb
from storied.engines.opening import open_log
from storied.store.query import Query

LAST = 10


def _add_options(parser: ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with events as they come, until Ctrl-C")
    parser.add_argument("--type", action="append", default=[], metavar="TYPE", help="only this type (or these)")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="only with this tag (and these)")
    parser.add_argument("--after", type=parse_position, metavar="N", help="only beyond this position")
    parser.add_argument(
        "-n", type=parse_count, metavar="COUNT", help=f"how many (else {LAST}; with --after all of them)"
    )


async def _run(arguments: Namespace, out: Output) -> None:
    query = Query.of(types=arguments.type, tags=arguments.tag)
    count: int | None = arguments.n if arguments.n or arguments.after is not None else LAST
    after: int = arguments.after or 0
    async with open_log(store_url(arguments)) as store:
        head = await store.head()
        if count is None:
            async for record in store.read(query, after=after, until=head):
                print_line(out, record)
        else:
            last = await store.read(query, after=after, until=head, limit=count, backwards=True).list()
            for record in reversed(last):
                print_line(out, record)
        if not arguments.follow:
            return
        out.flush()
        async for record in store.subscribe(query, after=max(head, after)):
            print_line(out, record)
            out.flush()


VERB = Verb(
    "tail",
    "prints the last events, and with -f those that come",
    "storied tail --store shop.db --type OrderPlaced -n 3",
    _add_options,
    _run,
    notes="Several --type mean any of them, several --tag all of them. With --json: JSON Lines, an event a line.",
)
