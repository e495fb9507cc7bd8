"""The tally, in a module that takes its time where SLOW, a folder, has pipes: a test decides when it goes on, and how.

Who imports it to serve, or to work, with a parent waits at the pipe `import`, if it is there, and then runs what is
in the file `said`. Whoever opens it waits at the pipe `opening`. Who waits leaves its process id in a name beside it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from storied import App
from storied.opened import OpenApp
from tests.services import tally

FOLDER = Path(os.environ["SLOW"])


def wait_at(name: str) -> None:
    """Returns when the pipe was opened, and closed, at the other end."""
    pipe = FOLDER / name
    if pipe.exists():
        pipe.with_name(f"{name}-{os.getpid()}").touch()
        pipe.read_bytes()


class SlowlyOpened(App):
    """An app that is opened when it is told so."""

    @asynccontextmanager
    async def open(self, url: str, **more: Any) -> AsyncIterator[OpenApp]:
        """As any app."""
        await asyncio.to_thread(wait_at, "opening")
        async with super().open(url, **more) as opened:
            yield opened


if "--sheets" in sys.argv or "--supervised" in sys.argv:
    wait_at("import")
    if (FOLDER / "said").exists():
        exec((FOLDER / "said").read_text(encoding="utf-8"))

app = tally.app
app.__class__ = SlowlyOpened
