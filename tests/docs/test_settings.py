"""The page of the services leaves no setting, route for operators, or metric out."""

import pytest

from storied.services.health import ViewHealth
from storied.services.settings import Settings
from storied.services.telemetry.observing import Meters
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "services.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_every_setting_is_documented(name: str) -> None:
    """Each has a row."""
    assert f"\n| `{name}` | " in PAGE


@pytest.mark.parametrize("name", [metric.name for metric in Meters().all()])
def test_every_metric_is_documented(name: str) -> None:
    """What is measured is named."""
    assert f"`{name}" in PAGE


@pytest.mark.parametrize("name", ["state", "position", "lag_seconds", "beat_seconds", "error"])
def test_what_operators_are_told_of_a_view_is_documented(name: str) -> None:
    """The members of the answer are those of the class."""
    assert name in ViewHealth.__struct_fields__
    assert f"`{name}`" in PAGE
