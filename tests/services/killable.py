"""A server process of its own for the command service, to be killed: ``python -m tests.services.killable URL PORT``."""

from __future__ import annotations

import sys

import uvicorn

from storied.services.commands import command_service
from tests.services.ledger import ledger

if __name__ == "__main__":
    url, port = sys.argv[1:]
    uvicorn.run(command_service(ledger, url), port=int(port), log_level="error", ws="none", access_log=False)
