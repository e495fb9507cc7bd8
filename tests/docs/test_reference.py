"""The reference leaves nothing out: every error, every code and every public name has its place there."""

import inspect
import re
from pathlib import Path

import pytest

import storied
from storied import errors
from storied.domain.events import MAX_TYPE_CHARACTERS
from storied.domain.tags import MAX_TAG_CHARACTERS, MAX_TAGS
from storied.engines.sqlite.connection import APPLICATION_ID, VIEWS_APPLICATION_ID
from storied.projections.asking import MAX_LIMIT
from storied.store.appending import MAX_APPEND_ID_CHARACTERS, MAX_FINGERPRINT_BYTES
from storied.store.checks import MAX_EVENT_BYTES, MAX_NESTING
from tests.docs.pages import ROOT
from tests.structure.modules import modules

REFERENCE = ROOT / "docs" / "reference"
CODE = re.compile(r'\b(?:default_)?code(?:: str)? ?= ?"([a-z-]+)"')


def page(name: str) -> str:
    """The text of a reference page."""
    return (REFERENCE / name).read_text(encoding="utf-8")


def error_classes() -> list[type[errors.StoriedError]]:
    """Every class of the error tree that `storied.errors` holds."""
    return [
        value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.StoriedError)
    ]


def codes_in(path: Path) -> set[str]:
    """The codes that a source file writes out."""
    return set(CODE.findall(path.read_text(encoding="utf-8")))


def codes() -> set[str]:
    """The codes that users can meet: those of the tree, and those that are written where something is raised."""
    internal = {"checkpoint-moved"}  # the runner handles it; nobody else sees it
    inside = [m.path for m in modules() if not m.name.startswith("storied.testing")]  # its codes are made up for tests
    return set().union(*map(codes_in, inside)) - internal


def rows(text: str) -> set[str]:
    """The codes that the tables of a page explain."""
    return set(re.findall(r"^\| `([a-z-]+)` \| \S", text, flags=re.MULTILINE))


def headings(text: str) -> set[str]:
    """The headings of a page, as plain text."""
    return {line.lstrip("#").strip().strip("`") for line in text.splitlines() if line.startswith("#")}


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_every_error_class_has_a_section(cls: type[errors.StoriedError]) -> None:
    """An error that can be caught is explained, and its own code is in a table."""
    text = page("errors.md")
    assert cls.__name__ in headings(text)
    assert cls.default_code in rows(text)


def test_every_code_is_explained() -> None:
    """A code that source raises has a row in the page's tables."""
    assert codes() - rows(page("errors.md")) == set()


def test_no_explained_code_is_made_up() -> None:
    """A code on the page is one that source knows."""
    assert rows(page("errors.md")) - codes() == set()


def test_the_tree_on_the_page_is_the_tree_in_the_source() -> None:
    """Every class stands in the page's drawing below the class it derives from."""
    drawn = re.search(r"```text\n(StoriedError.*?)```", page("errors.md"), flags=re.DOTALL)
    assert drawn
    above: list[str] = []
    for line in drawn[1].splitlines():
        found = re.match(r"([│├└─ ]*)(\w+)", line)
        assert found
        depth = len(found[1]) // 4
        above[depth:] = [found[2]]
        if depth:
            assert getattr(errors, found[2]).__base__.__name__ == above[depth - 1]
    assert all(cls.__name__ in drawn[1] for cls in error_classes())


@pytest.mark.parametrize("name", storied.__all__)
def test_every_public_name_has_a_section(name: str) -> None:
    """What can be imported from the root has a heading in the API reference, or is an error with a link there."""
    text = page("api.md")
    assert name in headings(text) or f"[`{name}`](errors.md#{name.lower()})" in text


@pytest.mark.parametrize("method", ["execute", "record", "get", "find", "count", "wait", "state", "history"])
def test_every_verb_shows_all_its_parameters(method: str) -> None:
    """The signature of each verb of an opened app names each of its parameters."""
    shown = re.search(
        rf"^(?:await )?shop\.{method}\((.*?)^\)|^(?:await )?shop\.{method}\((.*?)\)$",
        page("api.md"),
        flags=re.MULTILINE | re.DOTALL,
    )
    assert shown, f"api.md does not show shop.{method}(…)"
    parameters = [name for name in inspect.signature(getattr(storied.OpenApp, method)).parameters if name != "self"]
    assert all(re.search(rf"\b{name}\b", shown[0]) for name in parameters)


def tables(sql: str) -> list[str]:
    """The statements that make tables and indexes, without comments and in one way of spacing."""
    bare = re.sub(r"--.*", "", sql)
    made = re.findall(r"CREATE (?:TABLE|INDEX).*?;", bare, flags=re.DOTALL)
    return [re.sub(r"\s+", " ", statement) for statement in made]


def test_the_page_shows_the_tables_of_the_log() -> None:
    """Who reads the file by the page's tables reads it right."""
    shown = re.search(r"```sql\n(.*?)```", page("storage.md"), flags=re.DOTALL)
    schema = (ROOT / "src/storied/engines/sqlite/log.sql").read_text(encoding="utf-8")
    assert shown
    assert tables(shown[1]) == tables(schema)


@pytest.mark.parametrize(
    "limit",
    [
        f"({MAX_EVENT_BYTES:,} bytes)",
        f"| Nesting | {MAX_NESTING} levels |",
        f"| Tags of an event | {MAX_TAGS:,} |",
        f"| {MAX_TAG_CHARACTERS} printable characters, neither side empty |",
        f"| An event type's name | {MAX_TYPE_CHARACTERS} printable characters |",
        f"| An append id | {MAX_APPEND_ID_CHARACTERS} printable characters |",
        f"| The fingerprint of an append | {MAX_FINGERPRINT_BYTES} bytes |",
        f"| A page of `find` | {MAX_LIMIT:,} documents |",
        f"`0x{APPLICATION_ID:X}`",
        f"`0x{VIEWS_APPLICATION_ID:X}`",
    ],
)
def test_the_page_states_the_limits(limit: str) -> None:
    """The numbers on the page are those in the source."""
    assert limit in page("storage.md")
