"""`storied check`, as it is typed."""

import pytest

from storied.domain.events import event_spec
from tests.cli.conftest import Shell
from tests.schema_evolution.small import CustomerRegistered

APP = "tests.schema_evolution.small:app"
LINES = """
{"type": "SignedUp", "data": {"customer": "c-1", "name": "Ada Lovelace"}, "version": 1}
{"type": "Heard", "data": {}}
{"type": "SignedUp", "data": {"customer": "c-2", "first": "Max", "last": "Frisch"}, "version": 2}
{"type": "SignedUp", "data": {"customer": "c-3", "name": "Emmy Noether"}, "version": 1}
"""


@pytest.fixture
def small(empty_shell: Shell) -> Shell:
    """A shell in a folder with a store of several shapes."""
    assert empty_shell("append", "-", "--store", "small.db", stdin=LINES).code == 0
    return empty_shell


def test_a_store_that_can_be_read_passes(small: Shell) -> None:
    """With counts of each shape, and of what has no class."""
    done = small("check", "--store", "small.db", "--app", APP)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "TYPE      VERSION  EVENTS  FAILED",
        "SignedUp        1       2       -",
        "SignedUp        2       1       -",
        "",
        "NOT KNOWN  VERSION  EVENTS  FIRST",
        "Heard            1       1      2",
        "all 3 events of known types decode",
    ]


def test_types_without_a_class_fail_a_strict_check(small: Shell) -> None:
    """The message says what can be done."""
    done = small("check", "--store", "small.db", "--app", APP, "--strict", "--json")
    assert (done.code, done.error["error"], done.json["unknown"]) == (1, "does-not-decode", 1)
    assert "no class for" in done.error["message"]


def test_events_that_do_not_decode_fail_the_check(small: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the first position and the remedy."""
    monkeypatch.delitem(event_spec(CustomerRegistered).upcasters, 1)
    done = small("check", "--store", "small.db", "--app", APP)
    assert done.code == 1
    assert "SignedUp        1       2       2" in done.out
    assert "  - SignedUp 1, first at 1: no upcaster from version 1 to 2" in done.out
    assert done.err.startswith("storied: 2 events of 4 cannot be read by this code. event 1 (SignedUp, version 1)")
    found = small("check", "--store", "small.db", "--app", APP, "--json").json
    assert (found["ok"], found["failed"], found["first_failed_position"]) == (False, 2, 1)
    assert found["types"][1] == {
        "type": "SignedUp",
        "version": 1,
        "known": True,
        "events": 2,
        "first": 1,
        "failed": 2,
        "first_failed": 1,
        "error": "no upcaster from version 1 to 2",
    }


def test_a_check_may_begin_behind_a_position(small: Shell) -> None:
    """What was looked at before is left out."""
    assert small("check", "--store", "small.db", "--app", APP, "--after", "3", "--json").json["events"] == 1


def test_a_check_needs_an_app(small: Shell) -> None:
    """There is no code without it."""
    assert small("check", "--store", "small.db").code == 2


def test_an_app_that_knows_none_of_the_types_says_so(small: Shell) -> None:
    """That is most likely the wrong app."""
    done = small("check", "--store", "small.db", "--app", "tests.cli.library:app")
    assert done.code == 0
    assert done.out.startswith("no event of a type that the app knows\nNOT KNOWN")
