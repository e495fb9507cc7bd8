"""Seeing: one document for a client that may see some of its view, and not others.

Such a client is answered by the same steps, with the same words and after the same waiting, whether a document is
another's or not there at all; also when it is held back, and when the read model still has another shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from storied.errors import KeyParked, ViewRebuilding
from storied.projections.asking import meets
from storied.projections.projector import Projector
from storied.projections.serving import NOW, Then
from storied.projections.texts import TextViews
from storied.store.documents import Shown

NOBODY = "\0"
"""A key that no document is asked for by; an empty one may come from a view's function."""


async def look(
    texts: TextViews, projector: Projector, key: str, then: Then, visible: Mapping[str, Any], *, recent: bool = False
) -> Shown:
    """The document as of then, if it is there and like what is visible; otherwise no document.

    A *recent* one may be as it was some milliseconds ago, where nothing else is asked for.

    Of a document that is held back, and may be theirs by now, they are told where it stopped, as of one that is.
    Raises as `TextViews.document` does, but `KeyParked` to those alone; and `ViewRebuilding` to whom not everything is
    visible, where the document is not among what other code has made.
    """
    view = projector.spec.cls
    if not visible:
        return await texts.document(view, key, then, recent=recent)
    if then.at is not None:
        return await _past(texts, projector, key, then, visible)
    while True:
        if then.after is not None:  # not for the document itself: held back, it would be waited for in another way
            await texts.document(view, NOBODY, then)
        shown = await _now(texts, projector, key, visible, recent=recent)
        if then.after is None:
            return shown
        if shown.document is not None or shown.held is not None:
            return await _seen(texts, projector, key, await texts.document(view, key, then), visible)
        if shown.position >= then.after:
            return shown  # otherwise what was waited for has just been replaced by an edition that is not as far yet


def sees(texts: TextViews, projector: Projector, shown: Shown, visible: Mapping[str, Any]) -> bool:
    """Whether there is a document, and it is one of those that may be seen, as far as can be told."""
    if shown.document is None:
        return False
    try:
        return not visible or meets(projector, texts.decoded(projector.spec.cls, shown.document), visible)
    except ViewRebuilding:  # it still has another shape, so whose it is cannot be told
        return False


async def _now(texts: TextViews, projector: Projector, key: str, visible: Mapping[str, Any], *, recent: bool) -> Shown:
    view = projector.spec.cls
    shown = await texts.document(view, key, recent=recent)
    if sees(texts, projector, shown, visible):
        return shown
    for edition in await texts.documents.editions():
        other = msgspec.structs.replace(edition.table, edition="") != projector.table
        if edition.live and edition.table.name == projector.name and other:
            raise ViewRebuilding(projector.name, "of some of its documents it cannot be told yet whose they are")
    again = await texts.document(view, key)  # this code's may have taken the other's place in between
    if again.document == shown.document:  # which need not be decoded again
        return await _hidden(texts, projector, key, again, visible)
    return await _seen(texts, projector, key, again, visible)


async def _past(texts: TextViews, projector: Projector, key: str, then: Then, visible: Mapping[str, Any]) -> Shown:
    view = projector.spec.cls
    try:
        return await _seen(texts, projector, key, await texts.document(view, key, then), visible)
    except KeyParked:
        if sees(texts, projector, await texts.document(view, key), visible):
            raise
        if await texts.may_be_like(view, key, visible) is not None:
            raise
        return Shown(None, await texts.stand(view, then))


async def _seen(texts: TextViews, projector: Projector, key: str, shown: Shown, visible: Mapping[str, Any]) -> Shown:
    """It, or no document."""
    return shown if sees(texts, projector, shown, visible) else await _hidden(texts, projector, key, shown, visible)


async def _hidden(texts: TextViews, projector: Projector, key: str, shown: Shown, visible: Mapping[str, Any]) -> Shown:
    """No document, at the position at which one that is not there would be, unless it stopped and may be theirs."""
    if shown.held is None:
        return Shown(None, shown.position)
    view = projector.spec.cls
    held = await texts.may_be_like(view, key, visible)
    return Shown(None, await texts.stand(view, NOW) if held is None else shown.position, held=held)
