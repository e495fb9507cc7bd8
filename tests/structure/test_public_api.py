"""The names one imports from `storied` are few, sorted, documented and do not change by accident."""

import inspect
from pathlib import Path

import pytest

import storied

PINNED = Path(__file__).with_name("public_api.txt")


def test_the_public_names_are_pinned() -> None:
    """Adding or removing a public name means changing public_api.txt, in plain sight of a reviewer."""
    assert list(storied.__all__) == PINNED.read_text(encoding="utf-8").split()


def test_the_public_names_are_sorted() -> None:
    """A sorted list has one place for each name; constants come first."""
    assert list(storied.__all__) == sorted(storied.__all__, key=lambda name: (not name.isupper(), name))


@pytest.mark.parametrize("name", storied.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    """What can be imported explains itself in help(), with a docstring of its own where it can have one."""
    value = getattr(storied, name)
    assert value.__dict__.get("__doc__") if inspect.isclass(value) else inspect.getdoc(value)
