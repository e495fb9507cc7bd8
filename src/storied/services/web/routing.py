"""Routes: templates such as ``POST /orders/{order}/payments``, and which endpoint a request belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from storied.domain.access import Subject
from storied.domain.showing import shown
from storied.errors import DefinitionError, RequestRefused
from storied.services.web.http import Endpoint

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
RECOGNISED = frozenset({*METHODS, "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
"""The methods of HTTP itself: a path may not take one of them, any other is for no path."""
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")


class Template(msgspec.Struct, frozen=True):
    """A route as written: its method, and the parts of its path; a part that is a parameter stands in `parameters`."""

    text: str
    method: str
    parts: tuple[str, ...]
    parameters: tuple[str, ...]
    path: str
    """The path with its parameters in braces."""

    @property
    def shape(self) -> str:
        """The route without the names of its parameters, as a client sees it: ``POST /orders/{}/payments``."""
        return f"{self.method} {_PARAMETER.sub('{}', self.path)}"

    def filled(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """The parts with these values in the places of the parameters."""
        return tuple(values[part[1:-1]] if part.startswith("{") else part for part in self.parts)


def parse_template(text: str, methods: Sequence[str] = METHODS) -> Template:
    """The template that *text* writes out. Raises `DefinitionError` with what is wrong with it."""
    method, _, path = text.partition(" ")
    if method not in methods:
        told = f"cannot begin with {method} here" if method in METHODS else "does not begin with a method"
        raise DefinitionError(f"route {text!r} {told}. Begin with one of {', '.join(methods)}.")
    if not path.startswith("/") or path != path.strip():
        raise DefinitionError(f"route {text!r} has no path. Write it as in '{method} /orders/{{order}}'.")
    parts = tuple(path[1:].split("/")) if path != "/" else ()
    parameters = []
    for part in parts:
        found = _PARAMETER.fullmatch(part)
        if found:
            parameters.append(found[1])
        elif not _LITERAL.fullmatch(part):
            raise DefinitionError(
                f"part {part!r} of route {text!r} is neither a name nor a parameter. Write a parameter as {{order}}, "
                "alone between two slashes, and end without a slash."
            )
    if len(set(parameters)) < len(parameters):
        raise DefinitionError(f"route {text!r} has a parameter twice. Give each a name of its own.")
    return Template(text, method, parts, tuple(parameters), path)


class Route(msgspec.Struct, frozen=True):
    """A template and what answers it.

    *subject* is what an app's rules are asked about; without one, a route is for those who operate the services. An
    *open* route is for everybody, whatever the rules say.
    """

    template: Template
    endpoint: Endpoint
    subject: Subject | None = None
    open: bool = False


class _Node:
    """One place in the tree of paths: what may come next, and what ends here, by method."""

    __slots__ = ("any", "literal", "routes")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.routes: dict[str, Route] = {}


class Router:
    """The routes of one service. A path written out goes before one with a parameter in the same place."""

    def __init__(self, routes: Sequence[Route] = ()) -> None:
        self._root = _Node()
        self.routes: list[Route] = []
        for route in routes:
            self.add(route.template, route.endpoint, route.subject, open=route.open)

    def add(
        self, template: Template, endpoint: Endpoint, subject: Subject | None = None, *, open: bool = False
    ) -> None:
        """Adds a route. Raises `DefinitionError` when another one answers the same requests."""
        node = self._root
        for part in template.parts:
            if part.startswith("{"):
                node.any = node = node.any or _Node()
            else:
                node = node.literal.setdefault(part, _Node())
        other = node.routes.get(template.method)
        if other is not None and open:
            raise DefinitionError(f"route {other.template.text!r} is the service's own. Choose another path.")
        if other is not None:
            raise DefinitionError(
                f"routes {other.template.text!r} and {template.text!r} are the same to a client. Change one."
            )
        node.routes[template.method] = route = Route(template, endpoint, subject, open)
        self.routes.append(route)

    def match(self, method: str, segments: Sequence[str]) -> tuple[Route, dict[str, str]]:
        """The route of a request and the values of its parameters. HEAD is answered as GET.

        Raises `RequestRefused`: ``not-found``, ``method-not-allowed`` with what is allowed, and ``not-implemented`` for
        a method that is not known at all.
        """
        if segments == [""]:
            segments = []
        values: list[str] = []
        node = _find(self._root, segments, 0, values)
        if node is None:
            raise RequestRefused("not-found", "Nothing is served at this path.")
        route = node.routes.get("GET" if method == "HEAD" else method)
        if route is None and method not in RECOGNISED:
            raise unknown_method(method)
        if route is None:
            allowed = allowed_methods(node.routes)
            raise RequestRefused(
                "method-not-allowed",
                f"This path does not take {method[:20]}. It takes {allowed}.",
                headers={"Allow": allowed},
            )
        return route, dict(zip(route.template.parameters, values, strict=True))


def unknown_method(method: str) -> RequestRefused:
    """The refusal of a method that is for no path."""
    return RequestRefused(
        "not-implemented", f"No path takes the method {shown(method, 20)}. OPTIONS tells which ones a path takes."
    )


def allowed_methods(routes: dict[str, Route]) -> str:
    """What an Allow header says where these routes end."""
    names = [name for name in METHODS if name in routes]
    if "GET" in routes:
        names.insert(1, "HEAD")
    return ", ".join([*names, "OPTIONS"])


def _find(node: _Node, segments: Sequence[str], at: int, values: list[str]) -> _Node | None:
    """The node at which the path ends, the values of the parameters on the way left in *values*."""
    before = len(values)
    for place in range(at, len(segments)):
        segment = segments[place]
        literal = node.literal.get(segment)
        if literal is not None and node.any is not None:  # both ways may lead on
            found = _find(literal, segments, place + 1, values)
            if found is not None:
                return found
            literal = None
        if literal is not None:
            node = literal
        elif node.any is not None and segment:
            values.append(segment)
            node = node.any
        else:
            break
    else:
        if node.routes:
            return node
    del values[before:]
    return None
