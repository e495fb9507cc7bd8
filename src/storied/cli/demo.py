"""``storied demo``: the example shop plays half a year, and what is remembered of it is shown."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from io import StringIO
from pathlib import Path

from storied.cli.printing import Output
from storied.cli.verb import Verb
from storied.engines.opening import given_url, open_log
from storied.examples.shop.demo import run_demo

APP = "storied.examples.shop:app"


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--store", metavar="URL", help="where to play: a new file, or one it was played in (else a temporary folder)"
    )


async def _run(arguments: Namespace, out: Output) -> None:
    url = given_url(arguments.store or str(Path(tempfile.mkdtemp(prefix="storied-demo-")) / "shop.db"))
    await run_demo(url, StringIO() if out.json else out.stream)
    if out.json:
        async with open_log(url) as store:
            out.document({"store": url, "app": APP, "head": await store.head()})


VERB = Verb(
    "demo",
    "plays the example shop and shows what is remembered of it",
    "storied demo --store shop.db",
    _add_options,
    _run,
    notes=f"Looks at no environment. Its store works with --app {APP}. Started again, it only tells.",
)
