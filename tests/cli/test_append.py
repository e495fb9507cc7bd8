"""`storied append` stores events, all or none, and says what it stored."""

import json

import pytest

from tests.cli.conftest import Shell


def test_an_event_is_stored_as_it_was_typed(empty_shell: Shell) -> None:
    """Type, payload, tags, actor, time and version stand in the record."""
    words = ["NoteTaken", '{"text": "hi", "n": 1.5}', "--tag", "note:n-1", "--tag", "by:anna", "--actor", "anna"]
    words += ["--occurred-at", "2018-01-31T14:00+01:00", "--event-version", "3", "--store", "a.db"]
    done = empty_shell("append", *words, "--json")
    assert (done.code, done.json["position"], done.json["first"], done.json["count"]) == (0, 1, 1, 1)
    [record] = empty_shell("tail", "--store", "a.db", "--json").lines
    assert (record["type"], record["data"], record["version"]) == ("NoteTaken", {"text": "hi", "n": 1.5}, 3)
    assert (record["tags"], record["actor"]) == (["by:anna", "note:n-1"], "anna")
    assert record["occurred_at"] == "2018-01-31T13:00:00Z"


def test_the_receipt_is_a_sentence(shell: Shell) -> None:
    """Without --json a person reads how many events were stored, and where."""
    assert shell("append", "A", "{}", "--append-id", "a-1").out == "stored 1 event at position 5, append id a-1\n"
    lines = '{"type": "A"}\n\n{"type": "B"}\n'
    assert "stored 2 events at positions 6-7" in shell("append", "-", stdin=lines).out


def test_lines_of_standard_input_are_stored_together(empty_shell: Shell) -> None:
    """Each line may say its own tags, version, actor and time; the options fill in what a line leaves out."""
    lines = [
        {"type": "A", "data": {"a": 1}, "tags": ["a:1"], "version": 2, "actor": "anna", "occurred_at": "2018-01-01"},
        {"type": "B"},
    ]
    given = "\n".join(map(json.dumps, lines))
    words = ["--tag", "import:7", "--actor", "bo", "--occurred-at", "2017-01-01"]
    done = empty_shell("append", "-", "--store", "a.db", *words, "--json", stdin=given)
    assert (done.json["first"], done.json["position"], done.json["count"]) == (1, 2, 2)
    first, second = empty_shell("tail", "--store", "a.db", "--json").lines
    assert (first["tags"], first["version"], first["actor"]) == (["a:1", "import:7"], 2, "anna")
    assert (second["tags"], second["data"], second["actor"]) == (["import:7"], {}, "bo")
    assert (first["occurred_at"], second["occurred_at"]) == ("2018-01-01T00:00:00Z", "2017-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ("{", 2, "usage"),
        ("[]", 2, "usage"),
        ('{"data": {}}', 2, "usage"),
        ('{"type": "A", "colour": 1}', 2, "usage"),
        ('{"type": "A", "data": []}', 2, "usage"),
        ('{"type": "A", "occurred_at": "soon"}', 2, "usage"),
        ('{"type": "A", "tags": ["untagged"]}', 1, "invalid-tag"),
        ('{"type": "", "data": {}}', 1, "invalid-type"),
        ('{"type": "A", "data": {"x": 0.12345678901234567891}}', 1, "lossy"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_stored(shell: Shell, line: str, code: int, error: str) -> None:
    """One bad line refuses them all."""
    done = shell("append", "-", "--json", stdin='{"type": "A"}\n' + line)
    assert (done.code, done.error["error"], done.out) == (code, error, "")
    assert done.error["message"].startswith("line 2: ")
    assert "Nothing was stored" in done.error["message"]
    assert shell("stats", "--json").json["head"] == 4


@pytest.mark.parametrize("payload", ["", "{", "7", "null", "[1]", '"text"'])
def test_a_payload_is_a_json_object(shell: Shell, payload: str) -> None:
    """Anything else is a mistake in typing."""
    assert shell("append", "A", payload).code == 2


@pytest.mark.parametrize(
    ("number", "code"), [("1.50", 0), ("1e5", 0), ("0.1", 0), ("0.1000000000000000001", 1), ("1e999", 1)]
)
def test_a_number_that_would_lose_digits_is_refused(shell: Shell, number: str, code: int) -> None:
    """An amount is stored as it was typed, or not at all."""
    assert shell("append", "A", f'{{"x": {number}}}').code == code


def test_a_condition_holds_while_nothing_matches(empty_shell: Shell) -> None:
    """Words of one --if-none belong together: all tags and any type; several --if-none are alternatives."""

    def append(*condition: str) -> int:
        return empty_shell("append", "A", "{}", "--tag", "a:1", "--tag", "b:1", "--store", "a.db", *condition).code

    assert append("--if-none", "a:1") == 0
    assert append("--if-none", "a:1", "a:2") == 0
    assert append("--if-none", "a:1", "B", "C") == 0
    assert append("--if-none", "b:1", "a:1", "B", "A") == 4
    assert append("--if-none", "a:9", "--if-none", "A") == 4
    assert append("--if-none", "a:1", "--after", "3") == 0
    assert append("--if-none", "a:1", "--after", "3") == 4
    assert append("--after", "4") == 0
    assert append("--after", "4") == 4


def test_a_conflict_names_what_came_in_between(shell: Shell) -> None:
    """The error has its code and says that nothing was stored."""
    done = shell("append", "A", "{}", "--if-none", "book:b-1", "BookLent", "--after", "2", "--json")
    assert (done.code, done.out, done.error["error"]) == (4, "", "conflict")
    assert "3 BookLent (anna)" in done.error["message"]


def test_repeating_an_append_id_stores_nothing_twice(shell: Shell) -> None:
    """The repeat gets the first receipt; other content under the id is refused."""
    first = shell("append", "A", "{}", "--append-id", "x", "--json")
    again = shell("append", "A", "{}", "--append-id", "x", "--json")
    assert (first.json, first.code) == (again.json, again.code)
    other = shell("append", "B", "{}", "--append-id", "x", "--json")
    assert (other.code, other.error["error"]) == (4, "append-id-reused")


def test_what_is_missing_or_too_much_is_said(shell: Shell) -> None:
    """No payload, a payload beside -, and an empty standard input are mistakes in typing."""
    assert "payload is missing" in shell("append", "A").err
    assert "Leave the payload out" in shell("append", "-", "{}").err
    assert "holds no event" in shell("append", "-", stdin="\n \n").err
