"""Logs: what servers have to say, on standard error."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

PLAIN = ("storied.access", "storied.audit")
"""Loggers whose messages are whole lines of JSON."""


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """A line of JSON as it is; the rest with the time in UTC, level, logger and process."""
        if record.name in PLAIN:
            return record.getMessage()
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """As the lines of JSON have it."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def log_to_stderr() -> None:
    """Sends the logs of this process to standard error: all of storied's, and warnings of others."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one.formatter, _Lines)]:
        root.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s"))
    root.addHandler(handler)
    logging.getLogger("storied").setLevel(logging.INFO)
    # it warns of each request that is no HTTP, as often as one comes
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
