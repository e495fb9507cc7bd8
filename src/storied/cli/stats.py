"""``storied stats``: the store in numbers."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import datetime
from typing import Any

from storied.cli.places import add_store, store_url
from storied.cli.printing import Output
from storied.cli.times import time_text
from storied.cli.verb import Verb
from storied.engines.opening import SqliteAddress, open_documents, open_log, sqlite_address
from storied.engines.sqlite.searching import bytes_on_disk
from storied.store.documents import Checkpoint
from storied.store.records import from_microseconds

DURABILITY = {
    "full": "every commit is synced to the disk before it is acknowledged",
    "normal": "a power cut may take the last acknowledged commits",
}


def _add_options(parser: ArgumentParser) -> None:
    add_store(parser)


async def _run(arguments: Namespace, out: Output) -> None:
    url = store_url(arguments)
    address = sqlite_address(url)
    async with open_log(url) as store:
        views = await _views(url, address, store.identity)
        facts = await store.measure()
        identity = store.identity
    for view in views:
        view["lag"] = max(0, facts.head - view["position"])
    found: dict[str, Any] = {
        "store": url,
        "identity": identity,
        "engine": facts.engine,
        "durability": address.synchronous,
        "head": facts.head,
        "events": facts.events,
        "first_recorded_at": _time(facts.first_recorded_us),
        "last_recorded_at": _time(facts.last_recorded_us),
        "log_bytes": facts.bytes,
        "views_bytes": bytes_on_disk(address.views_path),
        "types": [{"type": name, "events": count} for name, count in sorted(facts.types.items(), key=_most)],
        "views": views,
    }
    if out.json:
        out.document(found)
    else:
        _print(out, found)


async def _views(url: str, address: SqliteAddress, identity: str) -> list[dict[str, Any]]:
    """The checkpoints of the views, if any were ever built; looking does not make their file."""
    if not address.views_path.exists():
        return []
    async with open_documents(url) as documents:
        editions = await documents.editions()
    return [
        {
            "view": edition.table.name,
            "position": edition.checkpoint.position,
            "lag": 0,
            "of_this_log": _belongs(edition.checkpoint, identity),
        }
        for edition in editions
        if edition.live
    ]


def _print(out: Output, found: dict[str, Any]) -> None:
    names = ("store", "identity", "engine")
    out.pairs(
        [
            *((name, found[name]) for name in names),
            ("durability", f"{found['durability']}: {DURABILITY[found['durability']]}"),
            ("events", f"{found['events']}, the head is {found['head']}"),
            ("recorded", f"{found['first_recorded_at'] or '-'} to {found['last_recorded_at'] or '-'}"),
            ("on disk", f"{found['log_bytes']} bytes of log, {found['views_bytes']} bytes of views"),
        ]
    )
    if found["types"]:
        out.line("")
        out.table(("TYPE", "EVENTS"), [(t["type"], str(t["events"])) for t in found["types"]], numbers=("EVENTS",))
    if found["views"]:
        out.line("")
        rows = [
            (v["view"], str(v["position"]), str(v["lag"]) if v["of_this_log"] else "built from another log")
            for v in found["views"]
        ]
        out.table(("VIEW", "CHECKPOINT", "LAG"), rows, numbers=("CHECKPOINT", "LAG"))


def _belongs(checkpoint: Checkpoint, identity: str) -> bool:
    return checkpoint.position == 0 or checkpoint.log == identity


def _time(microseconds: int | None) -> str | None:
    time: datetime | None = None if microseconds is None else from_microseconds(microseconds)
    return None if time is None else time_text(time)


def _most(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


VERB = Verb(
    "stats",
    "prints the store in numbers: events, sizes, views and their lag",
    "storied stats --store shop.db",
    _add_options,
    _run,
    notes="`durability` is what this --store URL asks for; it is a setting of each process, not of the file.",
)
