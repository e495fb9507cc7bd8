"""``storied serve``: the services of an app over HTTP, in one process or several."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import AsyncIterator, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple

from storied.app import App
from storied.cli.configuring import add_files, settings_from
from storied.cli.failures import USAGE, UsageProblem, sentence
from storied.cli.logs import log_to_stderr
from storied.cli.places import (
    APP_VARIABLE,
    STORE_VARIABLE,
    add_store,
    app_named,
    is_debugging,
    load_app,
    store_or_default,
)
from storied.cli.printing import Output
from storied.cli.sources import run_from_source
from storied.cli.times import parse_count
from storied.cli.verb import Verb
from storied.errors import StoriedError
from storied.services.access.identity import takes_any_audience
from storied.services.gate import Gate
from storied.services.service import Service
from storied.services.serving.listening import address_of, hold
from storied.services.serving.stopping import end_when_told
from storied.services.serving.supervising import Parent, Program, Supervisor
from storied.services.settings import LOOPBACK
from storied.services.sides import Side, service_of
from storied.services.telemetry.observing import Meters
from storied.services.telemetry.sharing import Shared, Sheet, new_sheet
from storied.services.telemetry.tracing import are_recorded
from storied.services.web.hosts import is_loopback

log = logging.getLogger("storied.services")


def add_target(parser: ArgumentParser) -> None:
    """Adds the app, by position."""
    parser.add_argument(
        "app",
        nargs="?",
        metavar="MODULE:NAME",
        help=f"the app, such as shop:app; the current folder is searched first (else ${APP_VARIABLE})",
    )
    add_store(parser)


def _add_options(parser: ArgumentParser) -> None:
    add_target(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8000, help="the port (8000); 0 takes a free one")
    sides = parser.add_mutually_exclusive_group()
    sides.add_argument(
        "--commands", action="store_true", help="only the command service; `storied work` runs the views"
    )
    sides.add_argument("--queries", action="store_true", help="only the query service, over the read models alone")
    parser.add_argument("--processes", type=parse_count, default=1, metavar="N", help="so many processes (1)")
    add_files(parser)
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="answer for this Host, too; * is any"
    )
    parser.add_argument(
        "--insecure-no-auth", action="store_true", help="let everybody who reaches the address do everything"
    )
    parser.add_argument("--reload", action="store_true", help="load the code again when it changes, to develop with")
    parser.add_argument("--quiet", action="store_true", help="do not log each request")
    parser.add_argument("--check", action="store_true", help="start, say so, and stop")
    parser.add_argument("--socket", type=int, help=SUPPRESS)  # these three are for processes that a process starts
    parser.add_argument("--sheets", type=int, nargs="+", help=SUPPRESS)
    parser.add_argument("--no-views", action="store_true", help=SUPPRESS)


async def _run(arguments: Namespace, out: Output) -> None:
    end_when_told()
    app_named(arguments)
    running = _optional("running", "services")
    log_to_stderr()
    parent = None
    if arguments.socket is not None:
        parent = Parent()
        parent.watch()
    changes = None
    if arguments.reload:
        run_from_source(Path.cwd())
    if arguments.reload and parent is None:
        changes = _changes(arguments)
    made = _made(arguments) if changes is None or arguments.check else await _made_at_last(arguments)
    given = arguments.socket
    with socket(fileno=given) if given is not None else hold(arguments.host, arguments.port) as holding:
        told = _Told(arguments, made, out, address_of(holding).url)
        if (arguments.processes > 1 or changes is not None) and not arguments.check:
            programs = _programs(arguments, made.url, holding)
            turn_away = partial(running.turn_away, made.service, made.gate)
            code = await Supervisor(programs, holding, turn_away, changes).run(told.tell)
            if code:
                raise SystemExit(code)
            return
        await running.serve(made.service, made.gate, holding, started=told, parent=parent)


class _Made(NamedTuple):
    """What is served, and whether nothing names its store."""

    app: App
    url: str
    is_default: bool
    gate: Gate
    service: Service[Any]


def _made(arguments: Namespace) -> _Made:
    """It, by the code and the settings. Raises `StoriedError`."""
    app = load_app(arguments)
    url, is_default = store_or_default(arguments, app)
    settings = settings_from(arguments, app)
    gate = Gate(app, settings, Meters(Shared(arguments.sheets)) if arguments.sheets else None)
    views = _keeps_views(arguments) and arguments.processes == 1
    return _Made(app, url, is_default, gate, service_of(app, url, _side(arguments), gate, views=views))


async def _made_at_last(arguments: Namespace) -> _Made:
    """The same. A mistake in the code or the settings is told, and at the next change this process begins anew."""
    change = asyncio.create_task(_first(_changes(arguments)))
    await asyncio.sleep(0)  # it watches from here on: the code may change while it is loaded
    try:
        return _made(arguments)
    except StoriedError as error:
        if is_debugging(arguments):
            traceback.print_exc()
        print(sentence(error, json=arguments.json), file=sys.stderr)
        log.error("%s cannot be started; it is started again when the code changes", ":".join(app_named(arguments)))
        if not await change:
            raise
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - what was typed
    finally:
        change.cancel()


async def _first(changes: AsyncIterator[str]) -> str | None:
    """The name of what changes first; None when none is seen any more."""
    async for name in changes:
        return name
    return None


class _Told:
    """Says where the server listens and what about it one should know, once it takes requests."""

    def __init__(self, arguments: Namespace, made: _Made, out: Output, address: str) -> None:
        self.arguments, self.out, self.address = arguments, out, address
        self.app, self.url, self.is_default, self.gate, _ = made

    def __call__(self, server: Any) -> None:
        """The server has started."""
        if self.arguments.socket is None:
            self.tell()
        if self.arguments.check:
            server.stop()

    def tell(self) -> None:
        """Prints it."""
        arguments, side = self.arguments, _side(self.arguments)
        if self.out.json:
            self.out.document(
                {
                    "app": self.app.name,
                    "address": self.address,
                    "store": self.url,
                    "commands": side != "queries",
                    "queries": side != "commands",
                    "views": _keeps_views(arguments),
                    "processes": arguments.processes,
                    "authentication": self.gate.verifier is not None,
                    "rules": self.app.access.configured,
                }
            )
        else:
            what = {"both": "commands, queries and views", "commands": "commands", "queries": "queries"}[side]
            self.out.line(f"serving the {what} of {self.app.name} at ", (self.address, "bold"))
            self.out.line(
                f"store {self.url}", f" (name another with --store or {STORE_VARIABLE})" if self.is_default else ""
            )
            for warning in self._warnings():
                self.out.line(("! ", "yellow"), warning)
        self.out.flush()

    def _warnings(self) -> Iterator[str]:
        exposed = not is_loopback(self.arguments.host)
        if not _routes(self.app, _side(self.arguments)):
            yield 'nothing has a route: write them as in @app.command("POST /orders"), @app.view("GET /orders/{order}")'
        if self.gate.verifier is None and exposed:
            yield "NO AUTHENTICATION: whoever reaches this address may do everything that no rule forbids"
        elif self.gate.verifier is None and self.app.access.configured:
            yield "the app has rules and nothing says who asks: only what is for EVERYONE is open (--keys, or [jwt])"
        elif self.gate.verifier is None:
            yield "no authentication: everybody on this machine is let in (--keys, or [jwt] in --config)"
        if self.gate.settings.tracing and not are_recorded():
            yield "tracing is on, and no OpenTelemetry SDK is set up, so no span is recorded"
        if takes_any_audience(self.gate.verifier):
            yield "tokens for any other app of the same issuer are taken: name this one, audience = … in [jwt]"
        if exposed and not set(self.gate.settings.hosts) - {*LOOPBACK, "0.0.0.0", "[::]"}:  # noqa: S104 - compared
            yield "only requests for localhost are answered: name this server with --allow-host"


def _routes(app: App, side: Side) -> list[str]:
    """The routes that the side has from the app."""
    commands = [text for command in app.handlers for text in app.routes[command]]
    queries = [text for view in app.views.values() for text in app.routes[view]]
    queries += [text for query in app.queries.values() for text in query.routes]
    return (commands if side != "queries" else []) + (queries if side != "commands" else [])


def _side(arguments: Namespace) -> Side:
    return "commands" if arguments.commands else "queries" if arguments.queries else "both"


def _keeps_views(arguments: Namespace) -> bool:
    """Whether the views are kept up to date here, by this process or one that it starts."""
    return _side(arguments) == "both" and not arguments.no_views


def _programs(arguments: Namespace, url: str, holding: socket) -> list[Program]:
    """The processes to keep running: those that serve, and beside several one for the views, if they are run here."""
    app = arguments.app or ""
    base = (sys.executable, "-m", "storied.cli")
    common = ("--store", url, *(f"--{flag}" for flag in ("json", "debug") if getattr(arguments, flag, False)))
    flags = [
        flag for flag in ("commands", "queries", "insecure_no_auth", "reload", "quiet") if getattr(arguments, flag)
    ]
    options = ["--host", arguments.host, "--socket", str(holding.fileno())]
    options += ["--" + flag.replace("_", "-") for flag in flags]
    for name in ("config", "keys"):
        if getattr(arguments, name) is not None:
            options += [f"--{name}", str(getattr(arguments, name))]
    for host in arguments.allow_host:
        options += ["--allow-host", host]
    target, several = (app,) if app else (), arguments.processes > 1
    if several:
        options.append("--no-views")
    sheets = [new_sheet() for _ in range(arguments.processes)]
    programs: list[Program] = []
    for n, own in enumerate(sheets, 1):
        files = (own, *(one for one in sheets if one != own))
        words = (*base, "serve", *target, *common, *options, "--sheets", *map(str, files))
        programs.append(Program(f"server {n}", words, files=files, sheet=Sheet(own), hopeless=(USAGE,)))
    if _keeps_views(arguments) and several:
        words = (*base, "work", *target, *common, "--supervised")
        programs.append(Program("worker", words, last=True, hopeless=(USAGE,)))
    return programs


def _changes(arguments: Namespace) -> AsyncIterator[str]:
    """What changes of the code below this folder, and of the files that the options name. Raises `UsageProblem`."""
    if arguments.processes > 1:
        raise UsageProblem("--reload goes with one process. Leave --processes out.")
    files = [Path(name) for name in (arguments.config, arguments.keys) if name is not None]
    found: AsyncIterator[str] = _optional("reloading", "reload").changes([Path.cwd()], files)
    return found


def _optional(module: str, extra: str) -> Any:
    """The module of `storied.services.serving` that needs the extra. Raises `UsageProblem`."""
    try:
        return import_module(f"storied.services.serving.{module}")
    except ImportError as error:
        raise UsageProblem(
            f"this needs {error.name}, which is not installed. Install it: pip install 'storied[{extra}]'."
        ) from error


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ArgumentTypeError(f"{text!r} is not a port. Give a number up to 65535; 0 takes a free one.")
    return int(text)


VERB = Verb(
    "serve",
    "serves the commands and queries of an app over HTTP",
    "storied serve shop:app --store shop.db --port 8000",
    _add_options,
    _run,
    notes="Without --commands or --queries one process runs both sides and keeps the views up to date. It stops on\n"
    "SIGTERM or Ctrl-C when it has answered what it has taken; a second signal ends it at once. Without a verifier it\n"
    "lets everybody in, so it listens on this machine only.",
    is_server=True,
)
