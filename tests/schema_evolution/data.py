"""Where the real schema history is: 222 published JSON Schemas of 24 event types, and 36 published example events.

It is the Eiffel protocol's (eiffel-community/eiffel, Apache-2.0) and no part of this repository. STORIED_SCHEMAS names
its folder; otherwise it is looked for beside the checkout.
"""

import gzip
import json
import os
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

Schema = dict[str, Any]


def folder() -> Path:
    """The folder of the data; skips the test where there is none."""
    named = os.environ.get("STORIED_SCHEMAS")
    place = Path(named) if named else ROOT.parent / "shared" / "data" / "schema_evolution"
    if not (place / "eiffel_schemas.jsonl.gz").exists():
        pytest.skip(f"the Eiffel schemas are not at {place}; name their folder with STORIED_SCHEMAS")
    return place


@cache
def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def schemas() -> dict[str, dict[str, Schema]]:
    """The schemas by event type and version, the versions in their order."""
    found: dict[str, dict[str, Schema]] = defaultdict(dict)
    for line in _lines(folder() / "eiffel_schemas.jsonl.gz"):
        found[line["event_type"]][line["version"]] = line["schema"]
    return found


def examples() -> list[tuple[str, str, Any]]:
    """Type, version and payload of each published example."""
    return [
        (line["event_type"], line["version"], line["event"])
        for line in _lines(folder() / "eiffel_example_events.jsonl.gz")
    ]


def ordinal(event_type: str, version: str) -> int:
    """The version as a number from 1, by its place in the type's history."""
    return list(schemas()[event_type]).index(version) + 1
