"""Running a piece of a test in a process of its own, where it may fork, lower limits and drop rights."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

_PREAMBLE = """
import asyncio, json, os, resource, sqlite3, subprocess, sys, warnings
from pathlib import Path
from storied import App, Event, Id, View, on
from storied.engines.sqlite.store import SqliteStore
from storied.errors import StoriedError
from storied.testing.contract.specimens import event, events, notes, stored

PLACE = Path(sys.argv[1])

async def verdict(work):
    try:
        await asyncio.wait_for(work, 10)
    except StoriedError as error:
        return error.code
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "done"

def tell(**facts):
    print(json.dumps(facts), flush=True)
"""


def run(place: Path, script: str, *prefix: str) -> list[dict[str, Any]]:
    """What the script told, an object for each `tell(…)`. *prefix* goes before the interpreter's name."""
    source = _PREAMBLE + textwrap.dedent(script)
    command = [*prefix, sys.executable, "-W", "error", "-c", source, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(place: Path, script: str, *prefix: str) -> dict[str, Any]:
    """All that the script told, as one object."""
    return {name: value for facts in run(place, script, *prefix) for name, value in facts.items()}
