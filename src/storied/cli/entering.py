"""Entering: who types, where the app has rules about who may do what; the command line asks the same rules."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from storied.app import App
from storied.cli.configuring import add_files, verifier_from
from storied.cli.logs import log_to_stderr
from storied.domain.access import OPERATIONS, Principal, Subject
from storied.domain.views import View, view_spec
from storied.errors import AccessDenied
from storied.projections.asking import of_rule
from storied.projections.projector import Projector
from storied.services.access.identity import identify
from storied.services.telemetry.observing import audit

TOKEN_VARIABLE = "STORIED_TOKEN"  # noqa: S105 - the name of a variable
_HOW_TO_VERIFY = "name what the services verify with (--keys FILE, or --config FILE), or set app.verifier"


def add_token(parser: ArgumentParser) -> None:
    """Adds ``--token``, and the files by which it is verified where the app itself does not."""
    add_files(parser)
    parser.add_argument("--token", help=f"your API key or token, where the app has rules (better in ${TOKEN_VARIABLE})")


@contextmanager
def _told_how(arguments: Namespace, app: App) -> Iterator[None]:
    """Says how a credential is shown here to who has shown none, and first of all how one is verified."""
    try:
        yield
    except AccessDenied as denied:
        if denied.code != "unauthenticated" or _token(arguments):
            raise
        told = f"Who you are is not known. Give your key or token with --token, or better in {TOKEN_VARIABLE}"
        if verifier_from(arguments, app) is None:
            told += f"; and {_HOW_TO_VERIFY}"
        raise AccessDenied(f"{told}.", code=denied.code) from None


def _token(arguments: Namespace) -> str | None:
    return arguments.token or os.environ.get(TOKEN_VARIABLE) or None


async def entered(arguments: Namespace, app: App) -> Principal | None:
    """Who types, as the app's verifier finds out; None for nobody known, or where the app has no rules.

    Raises `AccessDenied` for a credential that does not hold.
    """
    if not app.access.configured:
        return None
    token = _token(arguments)
    if token is None:
        return None
    verifier = verifier_from(arguments, app)
    if verifier is None:
        raise AccessDenied(
            f"The app {app.name} has rules and no verifier, so nobody can say who they are. To have the token "
            f"verified, {_HOW_TO_VERIFY}.",
            code="unauthenticated",
        )
    return await identify(verifier, {"authorization": f"Bearer {token}"})


async def check_may(arguments: Namespace, app: App, subject: Subject) -> None:
    """Passes who may come to the subject. Raises `AccessDenied`."""
    with _told_how(arguments, app):
        app.access.check(await entered(arguments, app), subject)


async def check_operator(arguments: Namespace, app: App, action: str, **more: str) -> None:
    """Passes who may operate, and puts on record who did or tried to. Raises `AccessDenied`."""
    if not app.access.configured:
        return
    log_to_stderr()
    principal = None
    try:
        with _told_how(arguments, app):
            principal = await entered(arguments, app)
            app.access.check(principal, OPERATIONS)
    except AccessDenied:
        audit(action, None if principal is None else principal.id, allowed=False, **more)
        raise
    audit(action, None if principal is None else principal.id, allowed=True, **more)


async def visible_to(arguments: Namespace, app: App, view: type[View]) -> Mapping[str, Any]:
    """What documents of the view have to be like for who types to see them. Raises `AccessDenied`."""
    with _told_how(arguments, app):
        return of_rule(Projector(view_spec(view)), app.access.visible(await entered(arguments, app), view))


async def history_visible_to(arguments: Namespace, app: App, view: type[View]) -> Mapping[str, Any]:
    """The same of the histories of its documents, which rules of their own are about. Raises `AccessDenied`."""
    with _told_how(arguments, app):
        allowed = app.access.visible_history(await entered(arguments, app), view)
        return of_rule(Projector(view_spec(view)), allowed)
