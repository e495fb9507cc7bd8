"""`storied demo` leaves a store that the other verbs can look into."""

import tempfile
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

SHOP = "storied.examples.shop:app"


def test_the_demo_tells_and_leaves_its_store(empty_shell: Shell) -> None:
    """Every command that it proposes works; playing it again adds nothing; its store is found by the other verbs."""
    told = empty_shell("demo", "--store", "shop.db")
    assert told.code == 0, told.err
    proposed = [line.split()[1:] for line in told.out.splitlines() if line.startswith("  storied ")]
    assert len(proposed) > 3
    for words in proposed:
        done = empty_shell(*words)
        assert (done.code, done.err, bool(done.out)) == (0, "", True), words
    head = empty_shell("stats", "--store", "shop.db", "--json").json["head"]
    again = empty_shell("demo", "--store", "shop.db", "--json")
    assert again.json == {"store": "sqlite:///shop.db", "app": SHOP, "head": head}


def test_the_demo_refuses_a_store_of_something_else(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is added to it."""
    done = shell("demo", "--store", "library.db", "--json")
    assert (done.code, done.error["error"]) == (1, "not-a-demo")
    assert shell("stats", "--json").json["head"] == 4


def test_the_demo_plays_in_a_place_of_its_own(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without --store it leaves the store of the environment alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    url = shell("demo", "--json").json["store"]
    assert url.startswith(f"sqlite:///{tmp_path}/storied-demo-")
    assert shell("stats", "--json").json["head"] == 4
