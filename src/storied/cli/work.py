"""``storied work``: keeps the views of an app up to date, in a process of its own."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Awaitable, Callable

from storied.cli.logs import log_to_stderr
from storied.cli.places import STORE_VARIABLE, load_app, store_or_default
from storied.cli.printing import Output
from storied.cli.serve import add_target
from storied.cli.verb import Verb
from storied.services.serving.keeping import keep
from storied.services.serving.stopping import end_when_told, until_told
from storied.services.serving.supervising import Parent


def _add_options(parser: ArgumentParser) -> None:
    add_target(parser)
    parser.add_argument("--check", action="store_true", help="start, say so, and stop")
    parser.add_argument("--supervised", action="store_true", help=SUPPRESS)


async def _run(arguments: Namespace, out: Output) -> None:
    end_when_told()
    app = load_app(arguments)
    log_to_stderr()
    url, is_default = store_or_default(arguments, app)

    def started() -> None:
        if arguments.supervised:
            return
        if out.json:
            out.document({"app": app.name, "store": url, "views": sorted(app.views)})
        else:
            out.line(f"keeping {len(app.views)} views of {app.name} up to date")
            out.line(f"store {url}", f" (name another with --store or {STORE_VARIABLE})" if is_default else "")
        out.flush()

    await keep(app, url, _told(arguments), started)


def _told(arguments: Namespace) -> Callable[[], Awaitable[None]]:
    """What returns when it is time to stop."""
    if arguments.supervised:
        return Parent().until_told
    return _at_once if arguments.check else until_told


async def _at_once() -> None:
    """Returns."""


VERB = Verb(
    "work",
    "keeps the views of an app up to date, in a process of its own",
    "storied work shop:app --store shop.db",
    _add_options,
    _run,
    notes="It gives signs of life beside the read models, by which /readyz of the query service knows it. Several may\n"
    "run over one store: each event is applied once. It stops on SIGTERM or Ctrl-C; a second signal ends it at once.",
    is_server=True,
)
