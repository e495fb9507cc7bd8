"""``storied get --history``: what each event changed in one document, by the very code that answers over HTTP."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncIterator, Iterator

import msgspec

from storied.cli.asking import view_named
from storied.cli.entering import history_visible_to
from storied.cli.failures import NotFound
from storied.cli.places import load_app, store_url
from storied.cli.printing import Output
from storied.cli.records import print_story, record_json
from storied.domain.showing import shown
from storied.domain.times import utc_now
from storied.domain.views import view_spec
from storied.engines.opening import open_log
from storied.projections.milestones import Milestones
from storied.projections.projector import Projector
from storied.services.querying.differing import Difference
from storied.services.querying.history import Histories, HistoryPage, Told, Visible
from storied.store.checks import check_key
from storied.store.moments import Moment, moment
from storied.store.port import EventStore

PAGE = 256
"""So many events are held in memory."""


async def print_changes(arguments: Namespace, out: Output) -> None:
    """Prints the history of the document, the first event first. Raises `NotFound`, and as the rules do."""
    app = load_app(arguments)
    view = view_named(app, arguments.view)
    visible = Visible({}, await history_visible_to(arguments, app, view))
    check_key(arguments.key)
    histories = Histories(Projector(view_spec(view)), Milestones())
    async with open_log(store_url(arguments)) as store:
        until = None if arguments.at is None else await moment(store, arguments.at, utc_now)
        now = Moment(await store.head())
        until = until or now
        first = True
        async for page in _pages(histories, store, arguments, visible, until, now):
            if not page.seen:
                raise NotFound(
                    f"{arguments.view} has no history of {shown(arguments.key)} up to position {until.position}. "
                    f"Look for the document with `storied find {arguments.view}`."
                )
            if first and not out.json:
                out.line((arguments.view, "bold"), f" {arguments.key}  up to position {until.position}")
            first = False
            for told in page.told:
                _print(out, told)
    if page.cursor is not None and not out.json:
        out.line(f"more: --after {page.cursor}")


async def _pages(
    histories: Histories, store: EventStore, arguments: Namespace, visible: Visible, until: Moment, now: Moment
) -> AsyncIterator[HistoryPage]:
    """The history beyond ``--after``, a page at a time, up to ``--limit`` events."""
    beyond, left = arguments.after or 0, arguments.limit
    while True:
        limit = PAGE if left is None else min(PAGE, left)
        page = await histories.page(store, arguments.key, until, visible, now=now, beyond=beyond, limit=limit)
        yield page
        left = None if left is None else left - len(page.told)
        if page.cursor is None or left == 0:
            return
        beyond = page.cursor


def _print(out: Output, told: Told) -> None:
    if out.json:
        out.document({**record_json(told.record), "changes": told.changes, "error": told.error})
    else:
        print_story(out, told.record, more=list(_lines(told)))


def _lines(told: Told) -> Iterator[tuple[str, str]]:
    """What the event did to the document, in words for people."""
    for change in told.changes:
        yield _line(change)
    if told.error is not None:
        yield "failed", told.error
    elif told.held is not None:
        yield "changed", f"nothing: the document is held back at {told.held}"
    elif not told.changes:
        yield "changed", "nothing"


def _line(change: Difference) -> tuple[str, str]:
    path = change.path or "the document"
    if change.after is msgspec.UNSET:
        return "removed", path if not change.path else f"{path}  {_json(change.before)}"
    if change.before is msgspec.UNSET:
        return "added", f"{path}  {_json(change.after)}"
    return "changed", f"{path}  {_json(change.before)} -> {_json(change.after)}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
