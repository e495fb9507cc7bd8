"""`tail`, `history`, `streams` and `stats` show what a store holds."""

from pathlib import Path

import pytest

from tests.cli.conftest import Shell


def positions(shell: Shell, *words: str) -> list[int]:
    """The positions that the command printed."""
    done = shell(*words, "--json")
    assert done.code == 0, done.err
    return [record["position"] for record in done.lines]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [1, 2, 3, 4]),
        (("-n", "2"), [3, 4]),
        (("--type", "BookBought"), [1, 2]),
        (("--type", "BookLent", "--type", "BookReturned"), [3, 4]),
        (("--tag", "book:b-1"), [1, 3, 4]),
        (("--tag", "book:b-1", "--tag", "reader:r-1"), [3]),
        (("--tag", "book:b-1", "--type", "BookBought"), [1]),
        (("--after", "2"), [3, 4]),
        (("--after", "0", "-n", "1"), [4]),
        (("--after", "9"), []),
    ],
)
def test_tail_prints_the_last_events_that_match(shell: Shell, words: tuple[str, ...], expected: list[int]) -> None:
    """The last ones, oldest first; several types mean any, several tags all."""
    assert positions(shell, "tail", *words) == expected


def test_tail_prints_ten_unless_told_otherwise(shell: Shell) -> None:
    """With --after, all of them."""
    shell("append", "-", stdin='{"type": "A"}\n' * 1500)
    assert positions(shell, "tail") == list(range(1495, 1505))
    assert positions(shell, "tail", "--after", "0") == list(range(1, 1505))


def test_tail_prints_an_event_a_line(shell: Shell) -> None:
    """Position, time, type, tags, who, payload."""
    line = shell("tail", "--type", "BookLent").out
    assert line.count("\n") == 1
    assert line.split()[0] == "3"
    assert line.split("  ")[-4:-1] == ["BookLent", "book:b-1 reader:r-1", "anna"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("book:b-1",), [1, 3, 4]),
        (("book:b-1", "--after", "1"), [3, 4]),
        (("book:b-1", "--until", "3"), [1, 3]),
        (("book:b-1", "--backwards"), [4, 3, 1]),
        (("book:b-1", "--backwards", "--limit", "1"), [4]),
    ],
)
def test_history_prints_one_stream(shell: Shell, words: tuple[str, ...], expected: list[int]) -> None:
    """All of it or a stretch, in either direction."""
    assert positions(shell, "history", *words) == expected


def test_history_tells_what_when_who_and_why(shell: Shell) -> None:
    """The time of happening is shown where it differs from the time of recording."""
    out = shell("history", "book:b-1").out
    bought, lent, _ = out.split("\n3  ")[0], *out.split("\n3  ")[1].split("\n4  ")
    assert "occurred" not in bought
    assert "occurred  2020-02-01T09:00:00Z" in lent
    assert "who       anna" in lent
    assert 'what      {"book":"b-1","reader":"r-1","due":"2020-02-29"}' in lent


def test_a_stream_without_events_is_not_found(shell: Shell) -> None:
    """A mistyped tag does not look like a quiet one."""
    done = shell("history", "book:b-9", "--json")
    assert (done.code, done.out, done.error["error"]) == (1, "", "not-found")
    assert shell("history", "book").code == 2


def test_the_keys_of_a_record_are_stable(shell: Shell) -> None:
    """Scripts may rely on them; changing this list is a change of the public API."""
    stored = ["position", "id", "type", "version", "tags", "data"]
    why = ["actor", "command", "correlation", "causation", "headers"]
    when = ["recorded_at", "occurred_at", "digest"]
    assert list(shell("tail", "-n", "1", "--json").json) == [*stored, *why, *when]


def test_streams_are_searched_by_part_of_their_name(shell: Shell) -> None:
    """Each with its number of events, where it starts and ends, and its last event."""
    [stream] = shell("streams", "K:B-1", "--json").lines
    assert stream | {"last_recorded_at": None} == {
        "tag": "book:b-1",
        "events": 3,
        "first": 1,
        "last": 4,
        "last_type": "BookReturned",
        "last_recorded_at": None,
    }
    table = shell("streams").out.splitlines()
    assert [row.split()[0] for row in table] == ["TAG", "book:b-1", "book:b-2", "reader:r-1"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--sort", "recent"), ["book:b-1", "reader:r-1", "book:b-2"]),
        (("--sort", "events", "--limit", "2"), ["book:b-1", "book:b-2"]),
        (("--beyond", "book:b-1"), ["book:b-2", "reader:r-1"]),
        (("nothing-like-it",), []),
    ],
)
def test_streams_come_in_the_order_asked_for(shell: Shell, words: tuple[str, ...], expected: list[str]) -> None:
    """By name unless told otherwise; a search that finds nothing is an answer."""
    done = shell("streams", *words, "--json")
    assert (done.code, [stream["tag"] for stream in done.lines]) == (0, expected)


def test_stats_count_and_measure(shell: Shell, tmp_path: Path) -> None:
    """Events by type, the commonest first; sizes; views once they exist, and looking does not make them."""
    found = shell("stats", "--json").json
    assert (found["events"], found["head"], found["views"], found["views_bytes"]) == (4, 4, [], 0)
    assert found["types"][0] == {"type": "BookBought", "events": 2}
    assert found["log_bytes"] > 0
    assert found["durability"] == "full"
    assert not (tmp_path / "library.views.db").exists()


def test_stats_tell_how_far_each_view_is(shell: Shell) -> None:
    """The lag is how many positions of the log the view has not seen."""
    assert shell("get", "BookPage", "b-1").code == 0
    shell("append", "A", "{}")
    view = shell("stats", "--json").json["views"][0]
    assert view == {"view": "BookPage", "position": 4, "lag": 1, "of_this_log": True}
    assert ["BookPage", "4", "1"] in [line.split() for line in shell("stats").out.splitlines()]


def test_stats_of_an_unsynced_store_say_so(shell: Shell) -> None:
    """The durability is that of the URL."""
    out = shell("stats", "--store", "sqlite:///library.db?synchronous=normal").out
    assert "a power cut may take the last acknowledged commits" in out
