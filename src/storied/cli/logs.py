"""Logs: what servers have to say, on standard error."""

from __future__ import annotations

import logging
import sys

PLAIN = ("storied.access", "storied.audit")
"""Loggers whose messages are whole lines of JSON."""


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """A line of JSON as it is; the rest with level and logger."""
        if record.name in PLAIN:
            return record.getMessage()
        return super().format(record)


def log_to_stderr() -> None:
    """Sends the logs of this process to standard error: all of storied's, and warnings of others."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one.formatter, _Lines)]:
        root.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    logging.getLogger("storied").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(
        logging.ERROR
    )  # it warns of each request that is no HTTP, as often as one comes
