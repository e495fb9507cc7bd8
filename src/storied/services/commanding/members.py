"""Members: which POST to a collection creates what a view serves below it, and which fields stand in such paths."""

from __future__ import annotations

from storied.app import App
from storied.domain.commands import Command
from storied.domain.views import view_spec
from storied.services.web.routing import Template, parse_template


def key_of_member(app: App, command: type[Command], template: Template) -> str | None:
    """The field that names what a POST to a collection creates, where a view serves the collection's members."""
    if template.method != "POST":
        return None
    members = [parse_template(text) for view in app.views.values() for text in app.routes[view]]
    for member in members:
        name = member.parameters[-1] if member.parameters else ""
        if member.parts == (*template.parts, f"{{{name}}}") and name in command.__struct_fields__:
            return name
    return None


def keys_in_paths(app: App) -> frozenset[str]:
    """The keys of the views whose documents are served each at a path of its own."""
    routes = [(view_spec(view).key, text) for view in app.views.values() for text in app.routes[view]]
    return frozenset(key for key, text in routes if key in parse_template(text).parameters)
