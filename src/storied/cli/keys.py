"""``storied keys``: API keys for the services."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from storied.cli.failures import UsageProblem
from storied.cli.printing import Output
from storied.cli.times import parse_count
from storied.cli.verb import Verb
from storied.services.access.identity import ApiKeys, keys_file_entry, new_key

DAY = 24 * 60 * 60


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("new",), metavar="ACTION", help="new")
    parser.add_argument("principal", metavar="PRINCIPAL", help="who will send it: the actor of what they do")
    parser.add_argument("--role", action="append", default=[], metavar="ROLE", help="a role they have; again for more")
    parser.add_argument("--days", type=parse_count, metavar="N", help="it ends after so many days (never)")
    parser.add_argument("--file", type=Path, default=Path("keys.toml"), help="the file to add it to (keys.toml)")


async def _run(arguments: Namespace, out: Output) -> None:
    expires = None if arguments.days is None else float(int(time.time()) + arguments.days * DAY)
    secret, kept = new_key(arguments.principal, arguments.role, expires=expires)
    add_entry(arguments.file, keys_file_entry(kept))
    if out.json:
        out.document(
            {
                "key": secret,
                "id": kept.id,
                "principal": kept.principal,
                "roles": sorted(kept.roles),
                "expires": kept.expires,
                "file": str(arguments.file),
            }
        )
        return
    out.line((secret, "bold"))
    out.line(f"Keep it: it is not shown again. {arguments.file} knows only its hash, under the id {kept.id}.")


def add_entry(path: Path, entry: str) -> None:
    """Adds the entry to the file, which is made for its owner alone when it is absent. Raises `UsageProblem`."""
    if path.exists():
        ApiKeys.load(path)  # what is no file of keys is left as it is
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "a", encoding="utf-8") as file:
            file.write(entry + "\n")
    except OSError as error:
        raise UsageProblem(f"the key cannot be added to {path}: {error}. Name another --file.") from error


VERB = Verb(
    "keys",
    "makes an API key for the services",
    "storied keys new anna --role cashier --file keys.toml",
    _add_options,
    _run,
    notes="The key is printed once; the file gets its hash, by which `storied serve` verifies it. Take a key back by\n"
    "removing its table from the file and starting the services again.",
)
