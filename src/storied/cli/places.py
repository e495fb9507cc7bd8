"""Where things are: the store and the app that the options, or else the environment, name."""

from __future__ import annotations

import importlib
import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from storied.app import App
from storied.cli.failures import UsageProblem
from storied.engines.opening import given_url, sqlite_address
from storied.errors import StoreUnavailable, StoriedError

STORE_VARIABLE, APP_VARIABLE, DEBUG_VARIABLE = "STORIED_STORE", "STORIED_APP", "STORIED_DEBUG"


def add_store(parser: ArgumentParser) -> None:
    """Adds ``--store``."""
    parser.add_argument(
        "--store",
        metavar="URL",
        help=f"the store: sqlite:///shop.db, or just shop.db (else ${STORE_VARIABLE})",
    )


def add_app(parser: ArgumentParser) -> None:
    """Adds ``--app``."""
    parser.add_argument(
        "--app",
        metavar="MODULE:NAME",
        help=f"the app, such as shop:app; the current folder is searched first (else ${APP_VARIABLE})",
    )


def store_url(arguments: Namespace, *, make: bool = False) -> str:
    """The URL of the store, whose file is there unless *make* allows it to be made.

    Raises `UsageProblem` when none is named, and `StoreUnavailable`.
    """
    given: str | None = arguments.store or os.environ.get(STORE_VARIABLE)
    if not given:
        raise UsageProblem(f"no store is named. Give one with --store shop.db, or set {STORE_VARIABLE}.")
    url = given_url(given)
    if url == "memory://":
        raise UsageProblem(
            "memory:// ends with its process, so there is nothing to find. Name a file: --store shop.db."
        )
    path = sqlite_address(url).path
    if not make and _is_missing(path):
        raise StoreUnavailable(
            f"there is no store at {path}. Correct --store (or {STORE_VARIABLE}); a store is made by the first "
            "`storied append`, by `storied demo`, or by your app.",
            code="no-store",
        )
    return url


def store_or_default(arguments: Namespace, app: App) -> tuple[str, bool]:
    """The URL of the store, which may have yet to be made, and whether nothing names it: then it is called as the app.

    Raises `UsageProblem`, and `StoreUnavailable`.
    """
    if arguments.store or os.environ.get(STORE_VARIABLE):
        return store_url(arguments, make=True), False
    return given_url(f"{app.name.replace('/', '-')}.db"), True


def names_app(arguments: Namespace) -> bool:
    """Whether ``--app`` or the environment names an app."""
    return bool(arguments.app or os.environ.get(APP_VARIABLE))


def app_named(arguments: Namespace) -> tuple[str, str]:
    """The module and the name in it that ``--app`` says. Raises `UsageProblem`."""
    given: str | None = arguments.app or os.environ.get(APP_VARIABLE)
    if not given:
        raise UsageProblem(
            f"this needs to know the app. Give --app module:name, or set {APP_VARIABLE}; for the store of "
            "`storied demo` it is --app storied.examples.shop:app."
        )
    module_name, colon, name = given.partition(":")
    if not (module_name and colon and name):
        raise UsageProblem(f"{given!r} names no app. Write the module, a colon and the variable, such as shop:app.")
    return module_name, name


def load_app(arguments: Namespace) -> App:
    """The app that ``--app`` names. Raises `UsageProblem`, and `DefinitionError` as its module raised it."""
    module_name, name = app_named(arguments)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    found: object = _import(module_name)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, App):
        what = "is missing" if found is None else f"is a {type(found).__name__}, not an App"
        raise UsageProblem(f"{name} in module {module_name} {what}. Name the variable that holds storied.App(…).")
    return found


def is_debugging(arguments: Namespace | None) -> bool:
    """Whether tracebacks are wanted."""
    return bool(getattr(arguments, "debug", False) or os.environ.get(DEBUG_VARIABLE))


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except StoriedError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageProblem(
                f"there is no module {name}. Run this in the folder that holds it, or install it."
            ) from error
        raise UsageProblem(f"module {name} imports {error.name}, which is not installed. Install it.") from error
    except KeyboardInterrupt:
        raise
    except SystemExit as leaving:
        raise UsageProblem(
            f"module {name} cannot be imported: it leaves by sys.exit({leaving.code!r}). Give it what it asks for; "
            "--debug shows where."
        ) from leaving
    except BaseException as error:
        raise UsageProblem(
            f"module {name} cannot be imported: {type(error).__name__}: {error}. Mend it; --debug shows where."
        ) from error


def _is_missing(path: Path) -> bool:
    """Whether there is nothing to read: no file, or one without a byte."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        return False  # opening it will say what is wrong
