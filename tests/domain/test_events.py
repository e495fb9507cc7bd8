"""An event class says its name, version and former names, and what it cannot be is refused at its definition."""

from typing import Any

import msgspec
import pytest

from storied.domain.events import Event, event_spec
from storied.domain.tags import Id
from storied.errors import DefinitionError


class Paid(Event):
    order: Id
    amount: int = 0


def test_an_event_is_stored_under_its_class_s_name() -> None:
    """Not under its module's, so that files can be moved."""
    assert (event_spec(Paid).name, event_spec(Paid).version) == ("Paid", 1)


def test_a_name_can_be_given() -> None:
    """And former names are asked for too."""

    class Renamed(Event, name="renamed", version=4, formerly=("Old", "Older")):
        pass

    spec = event_spec(Renamed)
    assert (spec.names, spec.version) == (("renamed", "Old", "Older"), 4)


def test_one_former_name_need_not_be_a_tuple() -> None:
    """A lone name is not taken letter by letter."""

    class Renamed(Event, formerly="Old"):
        pass

    assert event_spec(Renamed).names == ("Renamed", "Old")


@pytest.mark.parametrize("config", [{"name": "a\nb"}, {"name": "x" * 129}, {"formerly": ("",)}, {"formerly": "\0"}])
def test_a_name_is_short_and_printable(config: dict[str, Any]) -> None:
    """Today's and every former one."""
    with pytest.raises(DefinitionError, match="printable name"):

        class Odd(Event, **config):
            pass


@pytest.mark.parametrize("version", [0, -1, 1.5, True, "1", None])
def test_a_version_counts_from_1(version: Any) -> None:
    """In whole numbers."""
    with pytest.raises(DefinitionError, match="version"):

        class Odd(Event, version=version):
            pass


@pytest.mark.parametrize("cls", [Event, int, msgspec.Struct])
def test_what_is_not_an_event_has_no_spec(cls: type) -> None:
    """`Event` itself is none either."""
    with pytest.raises(DefinitionError, match=r"Derive it from storied\.Event"):
        event_spec(cls)


def test_an_event_cannot_be_changed() -> None:
    """It is a fact."""
    with pytest.raises(AttributeError):
        Paid(order="o").amount = 2  # type: ignore[misc]


def test_fields_are_given_by_name() -> None:
    """So that a field may be added anywhere, with a default or without."""
    with pytest.raises(TypeError):
        Paid("o")  # type: ignore[call-arg]


def test_a_subclass_has_a_name_of_its_own() -> None:
    """It inherits fields, not the place in the store."""

    class Refunded(Paid):
        pass

    assert event_spec(Refunded).name == "Refunded"
    assert event_spec(Refunded).tags(Refunded(order="o")) == ("order:o",)


def test_a_name_that_cannot_be_found_is_told() -> None:
    """The error names it and says where to import it."""

    class Odd(Event):
        thing: "Nowhere"  # type: ignore[name-defined]  # noqa: F821 - that is the point

    with pytest.raises(DefinitionError, match="'Nowhere'"):
        event_spec(Odd).hints()
