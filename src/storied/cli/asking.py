"""What the verbs that ask a view share: finding the view, and waiting until it has seen everything stored so far."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from storied.app import App
from storied.cli.entering import add_token, visible_to
from storied.cli.failures import UsageProblem
from storied.cli.moments import add_at
from storied.cli.places import add_app, add_store, load_app, store_url
from storied.domain.times import utc_now
from storied.domain.views import View
from storied.errors import KeyParked
from storied.opened import OpenApp
from storied.projections.serving import WAIT_SECONDS
from storied.store.moments import moment


class Asked(msgspec.Struct, frozen=True):
    """An opened app, the view asked for, the position that its answer has to have seen, and what may be seen of it."""

    opened: OpenApp
    view: type[View]
    position: int
    after: int | None
    visible: Mapping[str, Any]


def add_view_options(parser: ArgumentParser) -> None:
    """Adds the view and the options that go with asking it."""
    parser.add_argument("view", metavar="VIEW", help="the view's class, such as OrderPage")
    add_store(parser)
    add_app(parser)
    add_at(parser)
    add_token(parser)
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=WAIT_SECONDS,
        metavar="SECONDS",
        help=f"how long to wait until the view has seen every event stored so far ({WAIT_SECONDS:g})",
    )


@asynccontextmanager
async def asked(arguments: Namespace) -> AsyncIterator[Asked]:
    """The view that was named, in its opened app; this process keeps the views up to date meanwhile.

    For the past (``--at``) no view is kept up to date: the answer comes from the log.
    """
    app = load_app(arguments)
    view = view_named(app, arguments.view)
    visible = await visible_to(arguments, app, view)
    async with app.open(store_url(arguments), views=arguments.at is None) as opened:
        if arguments.at is None:
            head = await opened.store.head()
            found = Asked(opened, view, head, head, visible)
        else:
            then = await moment(opened.store, arguments.at, utc_now)
            found = Asked(opened, view, then.position, None, visible)
        try:
            yield found
        except KeyParked as error:
            if not app.access.configured:
                raise
            raise _without_reason(error) from None


def _without_reason(error: KeyParked) -> KeyParked:
    """The same without what the handler said: that may quote the event, which is for operators."""
    reason = "its handler could not take it"
    return KeyParked(error.view, key=error.key, position=error.position, type=error.type, reason=reason)


def view_named(app: App, name: str) -> type[View]:
    """The app's view of this name. Raises `UsageProblem`."""
    if name not in app.views:
        raise UsageProblem(
            f"the app {app.name} has no view {name}. It has {', '.join(sorted(app.views)) or 'none'}; name one of them."
        )
    return app.views[name]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 10**9:
        raise ArgumentTypeError(f"{text!r} is not a time to wait. Give seconds, such as 30.")
    return seconds
