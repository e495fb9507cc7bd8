"""A process of its own that projects in small chunks, to be killed: ``python -m tests.projections.projecting FILE``."""

from __future__ import annotations

import asyncio
import sys

from storied.projections import applying
from storied.testing.waiting import eventually
from tests.projections.shop import shop


async def project(file: str) -> None:
    """Says a line when the store is open, then keeps the views up to date until the process dies."""
    async with shop.open(f"sqlite:///{file}") as opened:
        sys.stdout.write("open\n")
        sys.stdout.flush()
        await eventually(lambda: opened.store is None, timeout=60)


if __name__ == "__main__":
    applying.CHUNK = 3
    asyncio.run(project(sys.argv[1]))
