"""Waiting, after a command is stored, until views have seen it: a wish of the client, which can fail without harm."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Set

from storied.domain.views import View, view_spec
from storied.errors import StoriedError
from storied.opened import OpenApp
from storied.services.web.preconditions import Wish

_log = logging.getLogger("storied.services")


async def wait_for_views(
    shop: OpenApp, views: Mapping[str, type[View]], position: int, types: Set[str], wanted: Wish, limit: float
) -> str | None:
    """What of the wish came true, as ``Preference-Applied`` tells it: never an error, since the command is stored.

    Waits for the views that are named, or else for each that reads one of the events' *types*. A name that no view has
    is passed over, and when there is no other, so is the wish: None.
    """
    seconds = min(wanted.seconds, limit)
    names = [name for name in wanted.views if name in views] if wanted.views is not None else concerned(views, types)
    if wanted.views is not None and not names:
        return None
    reached = await asyncio.gather(*(_reaches(shop, views[name], position, seconds) for name in names))
    there = [name for name, arrived in zip(names, reached, strict=True) if arrived]
    late = [name for name, arrived in zip(names, reached, strict=True) if not arrived]
    told = f'wait={seconds:g}; views="{" ".join(there)}"'
    return f'{told}; late="{" ".join(late)}"' if late else told


def concerned(views: Mapping[str, type[View]], types: Set[str]) -> list[str]:
    """The views that read events of one of the types, which are names in the store."""
    return [name for name, view in views.items() if not types.isdisjoint(view_spec(view).types())]


async def _reaches(shop: OpenApp, view: type[View], position: int, seconds: float) -> bool:
    try:
        await shop.wait(view, position, timeout=seconds)
    except Exception as error:  # whatever it is, the command is stored, and that is what its sender is told
        if not isinstance(error, StoriedError):
            _log.exception("view %s could not be waited for", view.__name__)
        return False
    return True
