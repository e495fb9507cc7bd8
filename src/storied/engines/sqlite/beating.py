"""Signs of life in the read models' file, as functions of a connection; each runs inside one transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import apsw

from storied.engines.sqlite.statements import statements
from storied.store.documents import Heartbeat

KEPT_US = 24 * 60 * 60 * 1_000_000
"""How long the last sign of a worker that never said goodbye is kept."""

_SQL = statements("documents.sql")


def beat(connection: apsw.Connection, worker: str, beats: Sequence[Heartbeat]) -> None:
    """Puts the signs in the place of all that the worker gave."""
    now = time.time_ns() // 1000
    connection.execute(_SQL["forget_worker"], (worker, now - KEPT_US))
    rows = [(b.view, worker, b.life, b.position, b.head, b.lag_us, now) for b in beats]
    connection.executemany(_SQL["put_heartbeat"], rows)


def heartbeats(connection: apsw.Connection) -> list[Heartbeat]:
    """The last signs of each worker."""
    rows: Any = connection.execute(_SQL["list_heartbeats"]).fetchall()
    return [Heartbeat(*row) for row in rows]
