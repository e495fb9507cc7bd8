"""``storied verify``: whether the store is sound, from the first event to the last."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from storied.app import App
from storied.cli.entering import add_token, check_operator
from storied.cli.failures import FaultsFound
from storied.cli.places import add_app, add_store, load_app, names_app, store_url
from storied.cli.printing import Output
from storied.cli.progress import showing_progress
from storied.cli.verb import Verb
from storied.engines.opening import open_documents, open_log, sqlite_address
from storied.errors import StoreCorrupt, StoreError
from storied.operating.faults import Fault
from storied.operating.remaining import verify_remains
from storied.operating.verifying import Verified, ViewsToVerify, verify
from storied.operating.walking import Progress

SHOWN = 10
"""Faults that are printed; --json has up to 100."""


def _add_options(parser: ArgumentParser) -> None:
    add_store(parser)
    add_app(parser)
    add_token(parser)


async def _run(arguments: Namespace, out: Output) -> None:
    url = store_url(arguments)
    app = load_app(arguments) if names_app(arguments) else None
    if app is not None:
        await check_operator(arguments, app, "verify")
    with showing_progress(out) as tell:
        found = await _verified(url, app, tell)
    if out.json:
        out.document(_json(url, found))
    else:
        _print(out, found)
    if found.first is not None:
        where = "" if found.first.position is None else f", the first at position {found.first.position}"
        count = sum(found.counts.values())
        faults = "1 fault" if count == 1 else f"{count} faults"
        raise FaultsFound(f"{url} has {faults}{where}. Keep the file, and restore a backup beside it.")


async def _verified(url: str, app: App | None, tell: Progress) -> Verified:
    """What is wrong with the store; of one that is too damaged to be opened, how far its log is sound at least."""
    try:
        async with open_log(url) as store, _views(url, app) as views:
            return await verify(store, tell, views=views)
    except StoreError as error:
        if not (isinstance(error, StoreCorrupt) or error.code == "damaged"):
            raise
        found = await verify_remains(sqlite_address(url).path, error, tell)
        if found is None:
            raise
        return found


@asynccontextmanager
async def _views(url: str, app: App | None) -> AsyncIterator[ViewsToVerify | None]:
    """The views of the app, if one is named and they were ever built."""
    if app is None or not sqlite_address(url).views_path.exists():
        yield None
        return
    async with open_documents(url) as documents:
        yield ViewsToVerify(tuple(app.views.values()), documents)


def _print(out: Output, found: Verified) -> None:
    looked = f"{found.events} events, {found.tags} tags, {found.appends} appends"
    identity, head = (found.identity, str(found.head)) if found.opens else ("not known", "not known")
    pairs = [("identity", identity), ("head", head), ("looked at", looked)]
    if not found.ok:
        pairs.append(("sound up to", str(found.sound)))
    if found.first is not None and found.first.position is not None:
        pairs.append(("first bad", f"{found.first.position}: {found.first.message}"))
    pairs += [(f"view {name}", looked) for name, looked in found.views.items()]
    if not found.ok:
        pairs.append(("faults", ", ".join(f"{kind} {count}" for kind, count in found.counts.items())))
    out.pairs(pairs)
    if found.ok:
        out.line(("no fault found", "green"))
    for fault in found.faults[:SHOWN]:
        out.line(("  - ", "red"), fault.message)
    if sum(found.counts.values()) > SHOWN:
        out.line("  ...")


def _json(url: str, found: Verified) -> dict[str, Any]:
    return {
        "store": url,
        "identity": found.identity if found.opens else None,
        "head": found.head if found.opens else None,
        "events": found.events,
        "tags": found.tags,
        "appends": found.appends,
        "views": [{"view": name, "looked_at": looked} for name, looked in found.views.items()],
        "ok": found.ok,
        "sound_until": found.sound,
        "first_bad_position": found.first.position if found.first else None,
        "counts": found.counts,
        "faults": [_fault(fault) for fault in found.faults],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "position": fault.position,
        "view": fault.view,
        "key": fault.key,
        "message": fault.message,
    }


VERB = Verb(
    "verify",
    "reads the whole store and says what is wrong with it",
    "storied verify --store shop.db",
    _add_options,
    _run,
    notes="Exits with 1 when it finds a fault. Others may go on writing: it looks at what was there when it began.\n"
    "With an app it also holds each document of the views against a fresh fold of the log, made in memory.",
)
