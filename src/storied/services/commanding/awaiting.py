"""Waiting, after a command is stored, until views have seen it: a wish of the client, which can fail without harm."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Set

from storied.domain.views import View, view_spec
from storied.errors import KeyParked, StoriedError
from storied.opened import OpenApp
from storied.projections.parking import Written
from storied.services.web.preconditions import Wish
from storied.store.query import Query

_log = logging.getLogger("storied.services")


async def wait_for_views(
    shop: OpenApp, views: Mapping[str, type[View]], written: Written, types: Set[str], wanted: Wish, limit: float
) -> str | None:
    """What of the wish came true, as ``Preference-Applied`` tells it: never an error, since the command is stored.

    Waits for the views that are named, or else for each that reads events of one of the *types*. A name that no view
    has is passed over, and when there is no other, so is the wish: None. A task that is cancelled while it waits goes
    on, and stays cancelled: whoever runs it ends it, once the answer is sent.
    """
    seconds = min(wanted.seconds, limit)
    names = [name for name in wanted.views if name in views] if wanted.views is not None else concerned(views, types)
    if wanted.views is not None and not names:
        return None
    try:
        outcomes = await asyncio.gather(*(_outcome(shop, views[name], written, seconds) for name in names))
    except asyncio.CancelledError:  # the server goes: who waits is told what is stored, and the task ends behind that
        outcomes = ["late"] * len(names)
    by_outcome: dict[str, list[str]] = {"views": []}
    for name, outcome in zip(names, outcomes, strict=True):
        by_outcome.setdefault(outcome, []).append(name)
    return "; ".join([f"wait={seconds:g}", *(f'{outcome}="{" ".join(of)}"' for outcome, of in by_outcome.items())])


def concerned(views: Mapping[str, type[View]], types: Set[str]) -> list[str]:
    """The views that read events of one of the types, which are names in the store."""
    return [name for name, view in views.items() if not types.isdisjoint(view_spec(view).types())]


def types_of(query: Query) -> frozenset[str]:
    """The types of the events that the query asks for."""
    return frozenset(name for item in query.items for name in item.types)


async def _outcome(shop: OpenApp, view: type[View], written: Written, seconds: float) -> str:
    """What the view is listed under: it shows what was written, or its documents are held back, or it is late."""
    texts = shop.reader.texts
    try:
        await texts.served.shows(texts.projector(view), written, seconds)
    except KeyParked:
        return "parked"
    except Exception as error:  # whatever it is, the command is stored, and that is what its sender is told
        if not isinstance(error, StoriedError):
            _log.exception("view %s could not be waited for", view.__name__)
        return "late"
    return "views"
