"""What a verb of the command line is: its name and help, its options, and what it does."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Awaitable, Callable
from typing import NoReturn

import msgspec

from storied.cli.failures import UsageProblem
from storied.cli.printing import Output


class Verb(msgspec.Struct, frozen=True):
    """One verb. `run` gets what was typed and where to print."""

    name: str
    summary: str
    example: str
    add_options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Output], Awaitable[None]]
    notes: str = ""
    is_server: bool = False
    """Whether it runs for long and should have the fastest event loop that is installed."""


class Parser(ArgumentParser):
    """An argument parser that raises `UsageProblem` instead of printing and leaving."""

    def __init__(self, **settings: object) -> None:
        super().__init__(
            **settings,  # type: ignore[arg-type]  # passed through as they came
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raises `UsageProblem` with the message and where to read more."""
        end = "" if message.endswith(".") else "."
        raise UsageProblem(f"{message}{end} See `{self.prog} --help`.")
