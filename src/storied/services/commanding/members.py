"""Members: what a POST to a collection creates, where a view serves it, and which fields stand in such paths."""

from __future__ import annotations

from collections.abc import Sequence

from storied.app import App
from storied.domain.commands import Command
from storied.domain.views import view_spec
from storied.services.commanding.changes import Told
from storied.services.web.routing import Template, parse_template


def key_of_member(app: App, template: Template) -> str | None:
    """What names the thing that a POST to a collection creates, where a view serves the collection's members."""
    if template.method != "POST":
        return None
    members = [parse_template(text) for view in app.views.values() for text in app.routes[view]]
    for member in members:
        name = member.parameters[-1] if member.parameters else ""
        if name and member.parts == (*template.parts, f"{{{name}}}"):
            return name
    return None


def created(name: str, command: Command | None, events: Sequence[Told]) -> str | None:
    """Which one was created: as the command calls it, or else as its events do, where they are about one alone."""
    if not events:
        return None
    if command is not None and name in command.__struct_fields__:
        return str(getattr(command, name))
    begins = f"{name}:"
    found = {tag.removeprefix(begins) for event in events for tag in event.tags if tag.startswith(begins)}
    return found.pop() if len(found) == 1 else None


def keys_in_paths(app: App) -> frozenset[str]:
    """The keys of the views whose documents are served each at a path of its own."""
    routes = [(view_spec(view).key, text) for view in app.views.values() for text in app.routes[view]]
    return frozenset(key for key, text in routes if key in parse_template(text).parameters)
