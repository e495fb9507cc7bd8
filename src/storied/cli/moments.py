"""The ``--at`` option, and how the verbs that take it word the answer's moment."""

from __future__ import annotations

from argparse import ArgumentParser

from storied.cli.times import TIME_HELP, parse_at


def add_at(parser: ArgumentParser) -> None:
    """Adds ``--at``."""
    parser.add_argument(
        "--at",
        type=parse_at,
        metavar="MOMENT",
        help="as it was: a position (12), a time (2018-01-31: what was recorded by then), "
        f"or occurred:TIME (what had happened by then); {TIME_HELP}",
    )
