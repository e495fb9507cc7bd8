"""`state`, `get` and `find` answer by the app's definitions, now and in the past."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Shell


def test_state_is_folded_from_the_stream(shell: Shell) -> None:
    """Now, at a position, at a time, and as things had happened by a time."""

    def reader(*at: str) -> object:
        return shell("state", "Book", "b-1", "--json", *at).json["state"]["reader"]

    assert reader() is None
    assert reader("--at", "3") == "r-1"
    assert reader("--at", datetime.now(UTC).isoformat()) is None
    assert reader("--at", "occurred:2100-01-01") is None


@pytest.mark.parametrize("words", [("state", "Book", "b-1"), ("get", "BookPage", "b-1"), ("find", "BookPage")])
def test_a_time_that_has_not_come_is_refused(shell: Shell, words: tuple[str, ...]) -> None:
    """It ends in code 2, names the present, and says what to ask for."""
    done = shell(*words, "--at", "2100-01-01", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.error["error"] == "future-time"


def test_state_by_time_of_happening_leaves_out_what_came_later(shell: Shell) -> None:
    """Events that happened after the time are not applied, whenever they were recorded."""
    shell(
        "append",
        "-",
        stdin='{"type": "BookBought", "data": {"book": "b-3", "price": "1"}, "tags": ["book:b-3"], '
        '"occurred_at": "2020-01-01"}\n{"type": "BookLent", "data": {"book": "b-3", "reader": "r-1", "due": '
        '"2020-03-01"}, "tags": ["book:b-3"], "occurred_at": "2020-02-01"}',
    )
    done = shell("state", "Book", "b-3", "--at", "occurred:2020-01-15", "--json")
    assert done.json["state"] == {"id": "b-3", "bought": True, "reader": None}
    assert shell("state", "Book", "b-3", "--at", "occurred:2019-12-31").code == 1


def test_state_is_printed_field_by_field(shell: Shell) -> None:
    """The heading says what it is and where in the log it stands."""
    assert shell("state", "Book", "b-1", "--at", "3").out.splitlines() == [
        "Book b-1  at position 3",
        "   id      b-1",
        "   bought  true",
        "   reader  r-1",
    ]


def test_an_entity_without_an_id_has_none(shell: Shell) -> None:
    """There is one of it; naming one, or naming none where there are many, is a mistake."""
    assert shell("state", "Stock", "--json").json["state"]["books"] == 2
    assert shell("state", "Stock", "s-1").code == 2
    assert shell("state", "Book").code == 2


def test_what_never_was_is_not_found(shell: Shell) -> None:
    """An entity without events and a document that is not there end in code 1."""
    assert shell("state", "Book", "b-9", "--json").error["error"] == "not-found"
    assert shell("state", "Book", "b-1", "--at", "0").code == 1
    assert shell("get", "BookPage", "b-9").code == 1
    assert shell("get", "BookPage", "b-1", "--at", "0", "--json").error["error"] == "not-found"


def test_get_waits_for_everything_stored_so_far(shell: Shell) -> None:
    """The document has seen each event that was there when it was asked for."""
    for number in range(3):
        shell("append", "BookReturned", '{"book": "b-1"}', "--tag", "book:b-1")
        done = shell("get", "BookPage", "b-1", "--json")
        assert (done.json["position"], done.json["key"], done.json["view"]) == (5 + number, "b-1", "BookPage")


def test_get_answers_from_the_past(shell: Shell) -> None:
    """The document as it was at a position."""
    assert shell("get", "BookPage", "b-1", "--at", "3", "--json").json["document"]["reader"] == "r-1"
    assert shell("get", "BookPage", "b-1", "--at", "4", "--json").json["document"]["reader"] is None
    assert "due        2020-02-29" in shell("get", "BookPage", "b-1", "--at", "3").out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ["b-1", "b-2"]),
        (("price=9.9",), ["b-1"]),
        (("price>9.9",), ["b-2"]),
        (("price>=9.9", "price<10.1"), ["b-1"]),
        (("price<=10.10",), ["b-1", "b-2"]),
        (("lent=false", "loans=1"), ["b-1"]),
        (("reader=null",), ["b-1", "b-2"]),
        (("reader=r-1", "--at", "3"), ["b-1"]),
        (("due=2020-02-29", "--at", "3"), ["b-1"]),
        (("shelf=open", "--limit", "1"), ["b-1"]),
        (("shelf=closed",), []),
        (("bought_at>2019-01-01", "bought_at<2100-01-01T00:00"), ["b-1", "b-2"]),
        (("--order=-price",), ["b-2", "b-1"]),
        (("--order", "loans"), ["b-2", "b-1"]),
    ],
)
def test_find_reads_values_by_the_fields_type(shell: Shell, words: tuple[str, ...], expected: list[str]) -> None:
    """Decimals by amount, times in UTC, booleans, dates, enums, numbers, and null."""
    done = shell("find", "BookPage", *words, "--json")
    assert done.code == 0, done.err
    assert [document["book"] for document in done.json["documents"]] == expected


def test_find_goes_on_by_its_cursor(shell: Shell) -> None:
    """A page says how to get the next; the last one does not."""
    first = shell("find", "BookPage", "--limit", "1", "--json").json
    second = shell("find", "BookPage", "--limit", "1", "--cursor", first["cursor"], "--json").json
    assert [document["book"] for document in second["documents"]] == ["b-2"]
    assert (second["cursor"], second["position"], second["view"]) == (None, 4, "BookPage")
    assert first["cursor"] in shell("find", "BookPage", "--limit", "1").out


def test_find_prints_the_indexed_fields_or_those_asked_for(shell: Shell) -> None:
    """A document may be large; its columns can be chosen."""
    assert shell("find", "BookPage").out.split()[:3] == ["book", "reader", "price"]
    assert shell("find", "BookPage", "--fields", "price,book").out.splitlines() == [
        "price  book",
        "9.90   b-1",
        "10.10  b-2",
        "2 documents at position 4",
    ]
    assert "bought_at" in shell("find", "BookPage", "--fields", "all").out
    assert shell("find", "BookPage", "--fields", "pages").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("price",),
        ("pages=1",),
        ("price=cheap",),
        ("lent=maybe",),
        ("due=tomorrow",),
        ("shelf=attic",),
        ("price=1", "price=2"),
        ("price=1", "price>2"),
        ("price>1", "price>2"),
        ("due>null",),
        ("book=b-1",),
        ("--order", "book_number"),
        ("--cursor", "nonsense"),
        ("--limit", "0"),
        ("--timeout", "soon"),
        ("--at", "99"),
        ("--at", "then"),
    ],
)
def test_a_question_that_cannot_be_asked_is_a_mistake_in_typing(shell: Shell, words: tuple[str, ...]) -> None:
    """It ends in code 2 with a sentence, before anything is looked up."""
    done = shell("find", "BookPage", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("storied: ")


def test_a_key_is_for_get_and_some_names_are_taken(shell: Shell) -> None:
    """A criterion on the key, or on a field that is called like an argument of find(), gets a sentence of its own."""
    assert "storied get BookPage KEY" in shell("find", "BookPage", "book=b-1").err
    done = shell("find", "ReaderPage", "limit=3")
    assert done.code == 2
    assert "argument of that name" in done.err


@pytest.mark.parametrize("words", [("state", "Shelf", "1"), ("get", "ShelfPage", "1"), ("find", "ShelfPage")])
def test_an_unknown_name_is_told_with_those_there_are(shell: Shell, words: tuple[str, ...]) -> None:
    """The message lists what the app has."""
    done = shell(*words)
    assert done.code == 2
    assert "Book" in done.err


def test_a_parked_document_is_not_passed_off_as_fresh(shell: Shell) -> None:
    """The error names the event that its code could not apply; every other document is there."""
    shell("append", "ReaderJoined", '{"reader": "r-broken"}', "--tag", "reader:r-broken")
    done = shell("get", "ReaderPage", "r-broken", "--json")
    assert (done.code, done.error["error"]) == (6, "key-parked")
    assert shell("get", "BookPage", "b-1").code == 0
    assert shell("get", "BookPage", "b-1").code == 0


def test_an_event_that_does_not_decode_is_named(shell: Shell) -> None:
    """Raw events may not fit the app's classes."""
    shell("append", "BookLent", "{}", "--tag", "book:b-1")
    assert shell("state", "Book", "b-1", "--json").error["error"] == "undecodable"
    assert shell("state", "Book", "b-1").code == 6


def test_the_app_is_found_in_the_current_folder(empty_shell: Shell, tmp_path: Path) -> None:
    """As with a server's command line, a module beside the store needs no installation."""
    (tmp_path / "made_here.py").write_text(
        "from tests.cli.library import app as other\nholder = type('H', (), {'app': other})\n"
    )
    empty_shell("append", "A", "{}", "--store", "a.db")
    assert empty_shell("find", "BookPage", "--store", "a.db", "--app", "made_here:other").code == 0
    assert empty_shell("find", "BookPage", "--store", "a.db", "--app", "made_here:holder.app").code == 0
