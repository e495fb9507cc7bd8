"""Sides: what one process runs, the commands, the queries, or both, as one service behind one gate."""

from __future__ import annotations

from typing import Any, Literal

from storied.app import App
from storied.services.commands import command_service
from storied.services.gate import Gate
from storied.services.joining import Joined
from storied.services.queries import query_service
from storied.services.service import Service

Side = Literal["commands", "queries", "both"]


def service_of(app: App, url: str, side: Side, gate: Gate, *, views: bool) -> Service[Any]:
    """The service of one side of the app, or of both; *views*: whether a side that writes keeps the views up to date.

    Raises `DefinitionError`.
    """
    settings = gate.settings
    if side == "commands":
        return command_service(app, url, settings=settings, gate=gate, views=views)
    queries = query_service(app, url, settings=settings, gate=gate)
    if side == "queries":
        return queries
    commands = command_service(app, url, settings=settings, gate=gate, views=views)
    return Joined([commands, queries], [commands.readied, queries.readied], gate)
