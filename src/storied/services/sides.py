"""Sides: what one process runs, the commands, the queries, or both, as one service behind one gate."""

from __future__ import annotations

from typing import Any, Literal

from storied.app import App
from storied.opened import OpenApp
from storied.services.commands import CommandService, command_service
from storied.services.gate import Gate
from storied.services.joining import Joined
from storied.services.queries import QueryService, query_service
from storied.services.service import Service
from storied.services.settings import Settings

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
    return _joined(command_service(app, url, settings=settings, gate=gate, views=views), queries, gate)


def joined_service(app: App, where: str | OpenApp, *, settings: Settings | None = None, views: bool = True) -> Joined:
    """Both services of *app* as one ASGI application, as ``storied serve`` has it: one address for both sides.

    *where* and *views* are as `command_service` has them. Raises `DefinitionError`.
    """
    gate = Gate(app, settings or Settings())
    commands = command_service(app, where, settings=gate.settings, gate=gate, views=views)
    return _joined(commands, query_service(app, where, settings=gate.settings, gate=gate), gate)


def _joined(commands: CommandService, queries: QueryService, gate: Gate) -> Joined:
    return Joined([commands, queries], [commands.readied, queries.readied], gate)
