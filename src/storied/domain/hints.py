"""Type hints of model classes and handlers, resolved when they are first needed.

A model may live inside a function (a test, a notebook cell), where postponed annotations are out of reach of
`typing.get_type_hints`; the names that were visible at the definition are kept beside it for that case.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

from storied.errors import DefinitionError


def visible_names(depth: int) -> dict[str, Any]:
    """The local names of the frames that enclose a definition, innermost first; *depth* frames up from the caller."""
    frame = sys._getframe(depth + 1)
    names: dict[str, Any] = {}
    for _ in range(3):
        if frame.f_locals is frame.f_globals:
            break
        names = {**frame.f_locals, **names}
        if frame.f_back is None or frame.f_back.f_globals is not frame.f_globals:
            break
        frame = frame.f_back
    return names


def resolved_hints(target: type | Callable[..., Any], names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The hints of a class or function with their `Annotated` marks.

    Raises `DefinitionError` when an annotation names something that is not there.
    """
    try:
        return typing.get_type_hints(target, localns=dict(names) if names else None, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{target.__qualname__} is annotated with {error.name!r}, which cannot be found. Import it at the top of "
            "the module (not only under TYPE_CHECKING), or define it before it is used."
        ) from error
