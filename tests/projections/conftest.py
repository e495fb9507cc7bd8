"""What the tests of the views share: both engines, by URL."""

from pathlib import Path

import pytest


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new store on each engine."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/app.db"
