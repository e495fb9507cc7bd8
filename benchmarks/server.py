"""One server process, to be measured: ``python -m benchmarks.server KIND URL PORT``.

KIND is ``constant`` (the bytes of one document, from a bare ASGI application), ``queries``, ``empty`` (a bare ASGI
application that reads a body and answers nothing) or ``commands``. All run in the same server with the same settings.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

from benchmarks.shelf import NOTE, app, book_id
from storied.services.commands import command_service
from storied.services.queries import query_service

DOCUMENT = f'{{"book":"{book_id(1)}","author":"a-1","note":"{NOTE}","times":0}}'.encode()

HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"private, no-cache"),
    (b"etag", b'"90ae173c2cc30e8f8b"'),
    (b"storied-position", b"10000"),
    (b"x-request-id", b"01a20f39-4335-76c0-a216-9decfcbc1255"),
    (b"content-length", b"%d" % len(DOCUMENT)),
]
"""What the query service sends beside a document."""


async def constant(scope: Any, receive: Any, send: Any) -> None:
    """The bytes of one document, whatever is asked."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": DOCUMENT})


async def empty(scope: Any, receive: Any, send: Any) -> None:
    """Nothing, once the body is there."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def application(kind: str, url: str) -> Any:
    """The application of this kind."""
    match kind:
        case "constant":
            return constant
        case "empty":
            return empty
        case "queries":
            return query_service(app, url)
        case "commands":
            return command_service(app, url, views=False)
    raise SystemExit(f"there is no kind {kind!r}")


def main() -> None:
    """Serves until it is told to end."""
    kind, url, port = sys.argv[1:]
    uvicorn.run(
        application(kind, url),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        lifespan="on" if kind in ("queries", "commands") else "off",
    )


if __name__ == "__main__":
    main()
