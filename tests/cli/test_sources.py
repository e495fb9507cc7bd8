"""Code that is run from its source, whatever Python kept of it."""

from __future__ import annotations

import sys
from importlib.machinery import FileFinder
from pathlib import Path

import pytest

from storied.cli.sources import run_from_source


@pytest.mark.parametrize("place", ["elsewhere", "code/.venv/lib/site-packages/some"])
def test_what_is_installed_or_elsewhere_is_left_to_python(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts as quickly as ever."""
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks])
    run_from_source(tmp_path / "code")
    (tmp_path / "code").mkdir()
    (tmp_path / place).mkdir(parents=True)
    hook = sys.path_hooks[0]
    assert isinstance(hook(str(tmp_path / "code")), FileFinder)
    with pytest.raises(ImportError, match="left to Python"):
        hook(str(tmp_path / place))
