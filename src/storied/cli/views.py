"""``storied views``: how the views are doing, what is parked in them, and building one anew."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

import msgspec

from storied.app import App
from storied.cli.asking import view_named
from storied.cli.entering import add_token, check_operator
from storied.cli.failures import NotFound, StillParked, UsageProblem
from storied.cli.places import add_app, add_store, load_app, store_url
from storied.cli.printing import Output
from storied.cli.progress import showing_progress
from storied.cli.times import time_text
from storied.cli.verb import Verb
from storied.domain.views import view_spec
from storied.engines.memory.documents import MemoryDocuments
from storied.engines.opening import open_log, sqlite_address
from storied.projections.projector import Projector
from storied.projections.reporting import ViewReport, view_reports
from storied.projections.retrying import Retried
from storied.store.documents import Parked

ACTIONS = ("parked", "retry", "rebuild")
NUMBERS = ("POSITION", "LAG", "BEHIND", "PARKED", "BUILDING")
COLORS = {"running": "green", "building": "yellow", "parked": "yellow", "failed": "red", "dead": "red"}


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=ACTIONS, metavar="ACTION", help="parked, retry or rebuild")
    parser.add_argument("view", nargs="?", metavar="VIEW", help="the view's class, such as OrderPage")
    parser.add_argument("key", nargs="?", metavar="KEY", help="the key of one document, such as o-1")
    add_store(parser)
    add_app(parser)
    add_token(parser)


async def _run(arguments: Namespace, out: Output) -> None:
    if arguments.action is not None and arguments.view is None:
        raise UsageProblem(f"{arguments.action} needs a view. Name it: storied views {arguments.action} OrderPage.")
    if arguments.action == "rebuild" and arguments.key is not None:
        raise UsageProblem("a view is rebuilt as a whole. Leave out the key, or say retry.")
    app, url = load_app(arguments), store_url(arguments)
    named = {name: text for name in ("view", "key") if (text := getattr(arguments, name)) is not None}
    await check_operator(arguments, app, f"views {arguments.action or 'list'}", **named)
    if arguments.action is None:
        await _list(app, url, out)
    elif arguments.action == "parked":
        await _parked(app, url, arguments, out)
    elif arguments.action == "retry":
        await _retry(app, url, arguments, out)
    else:
        await _rebuild(app, url, arguments, out)


async def _list(app: App, url: str, out: Output) -> None:
    reports = await _reports(app, url)
    if out.json:
        for report in reports:
            out.document(_report_json(report))
        return
    rows = [_row(report) for report in reports]
    out.table(("VIEW", "STATE", *NUMBERS), rows, numbers=NUMBERS)
    for report in reports:
        if report.error is not None:
            out.line((f"{report.view}: ", COLORS.get(report.state, "")), report.error)
        elif (told := _kept_by_nobody(report)) is not None:
            out.line((f"{report.view}: ", COLORS.get(report.state, "")), told)
    if reports:
        out.line(f"the head is {reports[0].head}")


async def _reports(app: App, url: str) -> list[ViewReport]:
    """How the views are doing; looking neither runs them nor makes their file."""
    if sqlite_address(url).views_path.exists():
        async with app.open(url, views=False) as opened:
            return await opened.view_states()
    projectors = {name: Projector(view_spec(view)) for name, view in app.views.items()}
    async with open_log(url) as store:
        return await view_reports(projectors, store, MemoryDocuments(), {})


async def _parked(app: App, url: str, arguments: Namespace, out: Output) -> None:
    view = view_named(app, arguments.view)
    async with app.open(url, views=False) as opened:
        parked = [one for one in await opened.parked(view) if arguments.key in (None, one.key)]
    if arguments.key is not None and not parked:
        raise _not_parked(arguments)
    if out.json:
        for one in parked:
            out.document({**_parked_json(one), "trace": one.trace})
    elif arguments.key is not None:
        out.pairs([("key", arguments.key), ("event", f"{parked[0].position} {parked[0].type}")])
        for line in parked[0].trace.splitlines():
            out.line(line)
    elif parked:
        rows = [(one.key, str(one.position), one.type, one.error) for one in parked]
        out.table(("KEY", "POSITION", "EVENT", "ERROR"), rows, numbers=("POSITION",))
    else:
        out.line(f"nothing is parked in {arguments.view}")


async def _retry(app: App, url: str, arguments: Namespace, out: Output) -> None:
    view = view_named(app, arguments.view)
    async with app.open(url, views=False) as opened:
        done = await opened.retry(view, arguments.key)
    if arguments.key is not None and not done:
        raise _not_parked(arguments)
    for one in done:
        if out.json:
            out.document({"key": one.key, "parked": one.parked and _parked_json(one.parked)})
        elif one.parked is None:
            out.line(one.key, ("  up to date", "green"))
        else:
            out.line(
                one.key, ("  parked ", "yellow"), f"at {one.parked.position} {one.parked.type}: {one.parked.error}"
            )
    if not done and not out.json:
        out.line(f"nothing is parked in {arguments.view}")
    _check_free(arguments.view, done)


async def _rebuild(app: App, url: str, arguments: Namespace, out: Output) -> None:
    view, reached = view_named(app, arguments.view), 0
    async with app.open(url, views=False) as opened:
        head = await opened.store.head()
        with showing_progress(out) as tell:

            def told(position: int) -> None:
                nonlocal reached
                reached = position
                tell(f"building {arguments.view}", position, max(head, position))

            try:
                position = await opened.rebuild(view, told=told)
            except asyncio.CancelledError:
                said = f"stopped at {reached}; the old read model is served, and the same command goes on from there\n"
                sys.stderr.write("" if out.json else said)
                raise
        parked = len(await opened.parked(view))
    if out.json:
        out.document({"view": arguments.view, "position": position, "parked": parked})
        return
    held = f"; parked keys: {parked} (storied views parked {arguments.view})" if parked else ""
    out.line(f"built {arguments.view} anew up to position {position}{held}")


def _check_free(view: str, done: list[Retried]) -> None:
    count = sum(one.parked is not None for one in done)
    if count:
        raise StillParked(
            f"{count} of {len(done)} keys of {view} are parked again. Look at the errors with `storied views parked "
            f"{view} KEY`, mend the handler or what it needs, and retry them."
        )


def _not_parked(arguments: Namespace) -> NotFound:
    return NotFound(
        f"{arguments.key} is not parked in {arguments.view}. `storied views parked {arguments.view}` lists what is."
    )


def _kept_by_nobody(report: ViewReport) -> str | None:
    """What to do about a view that nobody keeps up to date, where that matters."""
    if report.state == "dead" and report.beat_seconds is not None:
        age = _duration(report.beat_seconds)
        return f"the last sign of life is {age} old. See what became of its worker, and start it again (storied work)."
    if report.lag_events and report.beat_seconds is None:
        return "nobody keeps it up to date. Start `storied work`; or the next program that opens the app does."
    return None


def _row(report: ViewReport) -> tuple[str, ...]:
    return (
        report.view,
        report.state,
        str(report.position),
        str(report.lag_events),
        _duration(report.lag_seconds) if report.lag_events else "-",
        str(report.parked) if report.parked else "-",
        "-" if report.built is None else f"{report.built} of {report.head}",
    )


def _duration(seconds: float) -> str:
    """A time in its largest unit, rounded down."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.1f} s"


def _report_json(report: ViewReport) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.structs.asdict(report)
    return {**told, "updated_at": None if report.updated_at is None else time_text(report.updated_at)}


def _parked_json(parked: Parked) -> dict[str, Any]:
    return {"key": parked.key, "position": parked.position, "type": parked.type, "error": parked.error}


VERB = Verb(
    "views",
    "tells how far the views are, and retries or rebuilds them",
    "storied views --app shop:app --store shop.db",
    _add_options,
    _run,
    notes="Without an action it lists the views; it does not run them.\n"
    "  parked VIEW [KEY]  lists the documents that are held back at an event, or tells all about one\n"
    "  retry VIEW [KEY]   runs today's code over what they have missed\n"
    "  rebuild VIEW       builds the read model anew beside the one that is served, and then replaces it;\n"
    "                     stopped with Ctrl-C, it goes on where it was when it is called again",
)
