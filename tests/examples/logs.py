"""What a log says, without what differs between two imports of the same files."""

from __future__ import annotations

import asyncio
import sys
from hashlib import sha256

from storied.examples.shop import app

KILLED_IMPORT = """
import asyncio, os, signal, sys
from pathlib import Path
from storied.examples.shop import importer

importer.BATCH, importer.IN_FLIGHT = int(sys.argv[3]), 2

def die_half_way(stage, done, total):
    if stage == "storing" and done >= total / 2:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(importer.import_olist(Path(sys.argv[1]), sys.argv[2], die_half_way))
"""
"""A process that imports a folder into a store in batches of a size, and is killed half way."""


async def import_killed(folder: object, url: str, batch: int) -> int:
    """The exit code of such a process: minus the number of the signal that ended it."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_IMPORT, str(folder), url, str(batch))
    return await process.wait()


async def content(url: str) -> tuple[int, str]:
    """How many events the log holds, and a digest over all of them but their ids and the time of recording."""
    digest, count = sha256(), 0
    async with app.open(url, views=False) as shop:
        async for record in shop.store.read():
            count += 1
            said = (record.position, record.type, record.version, record.tags_json, record.data, record.metadata_json)
            digest.update(repr(said).encode())
    return count, digest.hexdigest()
