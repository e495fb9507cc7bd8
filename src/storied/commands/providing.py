"""Providing: what a handler asks for by type, beside its command, its entities and the context."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from storied.domain.commands import CommandHandler
from storied.errors import DefinitionError


class Providers:
    """Values and factories by the type they stand for."""

    def __init__(self, factories: Mapping[Any, Callable[[], Any]]) -> None:
        self._factories = factories

    def check(self, handler: CommandHandler) -> None:
        """Passes when everything the handler asks for is provided. Raises `DefinitionError`."""
        for parameter in handler.parameters:
            if parameter.kind == "provided" and parameter.type not in self._factories:
                wanted = getattr(parameter.type, "__name__", str(parameter.type))
                raise DefinitionError(
                    f"handler {handler.name} asks for {parameter.name}: {wanted}, which nothing provides. "
                    f"Call app.provide({wanted}, …), or make it an Entity or a field of the command."
                )

    async def for_handler(self, handler: CommandHandler) -> dict[Any, Any]:
        """What the handler asks for, by type; an async factory is awaited."""
        provided: dict[Any, Any] = {}
        for parameter in handler.parameters:
            if parameter.kind == "provided":
                made = self._factories[parameter.type]()
                provided[parameter.type] = await made if inspect.isawaitable(made) else made
        return provided
