"""The entry of the ``storied`` command: finds the verb, runs it, and exits with a code that says how it went."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from argparse import SUPPRESS, Namespace
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper

from storied.cli import (
    append,
    backup,
    check,
    demo,
    export,
    find,
    get,
    history,
    importing,
    keys,
    openapi,
    serve,
    state,
    stats,
    streams,
    tail,
    verify,
    views,
    work,
)
from storied.cli.escaping import visible
from storied.cli.failures import INTERRUPTED, MEANINGS, PIPE_CLOSED, REFUSED, exit_code, sentence
from storied.cli.places import is_debugging
from storied.cli.printing import Output
from storied.cli.verb import Parser, Verb

VERBS: tuple[Verb, ...] = (
    demo.VERB,
    append.VERB,
    tail.VERB,
    history.VERB,
    state.VERB,
    get.VERB,
    find.VERB,
    streams.VERB,
    stats.VERB,
    views.VERB,
    verify.VERB,
    check.VERB,
    backup.VERB,
    export.VERB,
    importing.VERB,
    serve.VERB,
    work.VERB,
    openapi.VERB,
    keys.VERB,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and gives its exit code; *argv* is without the program's name."""
    typed = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that cannot show a character shows its escape
            stream.reconfigure(errors="backslashreplace")
    arguments: Namespace | None = None
    try:
        arguments = make_parser().parse_args(typed)
        with asyncio.Runner(loop_factory=_fastest_loop() if arguments.is_server else None) as runner:
            runner.run(_run(arguments))
        sys.stdout.flush()
    except SystemExit as leaving:  # --help and --version; and what code of the app may do
        return _finished(leaving)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _pipe_closed()
    except Exception as error:
        if is_debugging(arguments):
            traceback.print_exc()
        print(sentence(error, json="--json" in typed), file=sys.stderr)
        return exit_code(error)
    return 0


def make_parser() -> Parser:
    """The parser of the whole command line."""
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
    parser = Parser(
        prog="storied",
        description="Looks into a store of events: what happened, and what is true.",
        epilog=f"exit codes:\n{codes}\n\n`storied VERB --help` shows the options of a verb, and an example.",
    )
    parser.add_argument("--version", action="version", version=f"storied {version('storied')}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    for verb in VERBS:
        notes = f"{verb.notes}\n\n" if verb.notes else ""
        each = verbs.add_parser(
            verb.name,
            help=verb.summary,
            description=f"{verb.summary[0].upper()}{verb.summary[1:]}.",
            epilog=f"{notes}example:\n  $ {verb.example}",
        )
        verb.add_options(each)
        each.add_argument("--json", action="store_true", help="print JSON, and errors as JSON on standard error")
        each.add_argument("--debug", action="store_true", default=SUPPRESS, help="print the traceback of an error")
        each.set_defaults(run=verb.run, is_server=verb.is_server)
    return parser


async def _run(arguments: Namespace) -> None:
    await arguments.run(arguments, Output(sys.stdout, json=arguments.json))


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes uvloop's event loops, where that is installed."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


def _finished(leaving: SystemExit) -> int:
    """The code it says; of a text, which is printed, that is 1, as Python has it."""
    if isinstance(leaving.code, int):
        return leaving.code
    if leaving.code is None:
        return 0
    print(f"storied: {visible(str(leaving.code))}", file=sys.stderr)
    return REFUSED


def _pipe_closed() -> int:
    """Leaves without a word; the interpreter must not try to write what is left."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    return PIPE_CLOSED
