"""Queries: questions over several views, as functions that a service gives a route and calls with what was asked.

A query function is async. One parameter is annotated with `Reader` and is given the views; one may be annotated with
`Principal`, or `Principal | None`, and is given who asks; the others come from the path and the query string, converted
to the types they are annotated with.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from storied.domain.access import Principal, unknown_principal
from storied.domain.hints import resolved_hints
from storied.errors import DefinitionError, InvalidQuery

_IN_BRACES = re.compile(r"\{(\w+)\}")


class QueryParameter(msgspec.Struct, frozen=True):
    """One parameter that is asked for: its name, its type, and whether it may be left out."""

    name: str
    type: Any
    required: bool


class QueryFunction:
    """A query function as storied sees it: what it is asked with, and the routes it is asked by.

    *reader* is the class whose instance it is given to read with. `principal` is the parameter that is given who asks,
    and `takes_unknown` says whether that may be somebody who showed no credential.
    """

    def __init__(
        self, function: Callable[..., Any], routes: tuple[str, ...], names: dict[str, Any], reader: type
    ) -> None:
        self.function, self.routes = function, routes
        self.name: str = getattr(function, "__qualname__", repr(function))
        if not inspect.iscoroutinefunction(function):
            raise DefinitionError(f"query {self.name} is not async, but the views are awaited. Write async def.")
        hints = resolved_hints(function, names)
        self.returns: Any = hints.get("return", Any)
        readers: list[str] = []
        askers: list[str] = []
        parameters: list[QueryParameter] = []
        for name, given in inspect.signature(function).parameters.items():
            if name not in hints or given.kind in (given.VAR_POSITIONAL, given.VAR_KEYWORD, given.POSITIONAL_ONLY):
                raise DefinitionError(
                    f"parameter {name} of query {self.name} cannot be asked for. Give it a type and a name of its own, "
                    "without stars or a slash."
                )
            if hints[name] is reader:
                readers.append(name)
            elif hints[name] in (Principal, Principal | None):
                askers.append(name)
            else:
                parameters.append(QueryParameter(name, hints[name], given.default is given.empty))
        if len(readers) != 1:
            raise DefinitionError(
                f"query {self.name} has {len(readers) or 'no'} parameters to read the views with. Annotate one with "
                f"{reader.__name__}."
            )
        if len(askers) > 1:
            raise DefinitionError(f"query {self.name} has {len(askers)} parameters for who asks. Keep one.")
        self.reader, self.parameters = readers[0], tuple(parameters)
        self.principal = askers[0] if askers else None
        self.takes_unknown = self.principal is None or hints[self.principal] is not Principal
        for route in routes:
            self._check_route(route)

    def _check_route(self, route: str) -> None:
        if not route.startswith("GET "):
            raise DefinitionError(f"route {route!r} of query {self.name} does not begin with GET. Queries only read.")
        known = {parameter.name for parameter in self.parameters}
        unknown = [name for name in _IN_BRACES.findall(route) if name not in known]
        if unknown:
            raise DefinitionError(
                f"route {route!r} has {', '.join(unknown)}, for which query {self.name} has no parameter. Add it to "
                "the function, or take it out of the route."
            )

    async def ask(self, reader: Any, arguments: Mapping[str, Any]) -> Any:
        """What the function returns. Raises as `check` does, and what the function raises.

        Raises `AccessDenied` when it has to know who asks, and that is nobody known.
        """
        self.check(arguments)
        if self.principal is not None:
            arguments = {self.principal: None, **arguments}
            if arguments[self.principal] is None and not self.takes_unknown:
                raise unknown_principal()
        return await self.function(**{self.reader: reader}, **arguments)

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Passes what it can be asked with. Raises `InvalidQuery` for what it does not have, or has to have."""
        known = {parameter.name for parameter in self.parameters}
        unknown = sorted(set(arguments) - known - {self.principal})
        missing = sorted(p.name for p in self.parameters if p.required and p.name not in arguments)
        if unknown or missing:
            wrong = f"does not take {', '.join(unknown)}" if unknown else f"needs {', '.join(missing)}"
            raise InvalidQuery(f"query {self.name} {wrong}. It takes {', '.join(sorted(known)) or 'nothing'}.")
