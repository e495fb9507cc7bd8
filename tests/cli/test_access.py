"""The command line asks the rules of the app, as the services do."""

import json
import re
from pathlib import Path

import pytest

from storied.cli.main import VERBS
from storied.cli.verb import Parser, Verb
from storied.services.access.identity import keys_file_entry, new_key
from tests.cli.conftest import Shell
from tests.cli.guarded import CLERK, OPERATOR, READER
from tests.docs.pages import ROOT

DENIED = 7
TOKENS = {"reader": READER, "clerk": CLERK, "operator": OPERATOR}


@pytest.fixture
def guarded(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The shell, where the environment names the library with rules, and a book is lent to the reader r-1."""
    monkeypatch.setenv("STORIED_APP", "tests.cli.guarded:app")
    monkeypatch.delenv("STORIED_TOKEN", raising=False)
    lent = json.dumps({"book": "b-2", "reader": "r-1", "due": "2020-03-01"})
    assert shell("append", "BookLent", lent, "--tag", "book:b-2", "--tag", "reader:r-1").code == 0
    return shell


REFUSED: tuple[tuple[str, ...], ...] = (
    ("get", "BookPage", "b-1"),
    ("get", "BookPage", "b-1", "--at", "1"),
    ("get", "BookPage", "b-1", "--history"),
    ("find", "BookPage"),
    ("find", "BookPage", "--at", "2"),
    ("state", "Book", "b-1"),
    ("views",),
    ("views", "parked", "BookPage"),
    ("views", "retry", "BookPage"),
    ("views", "rebuild", "BookPage"),
    ("verify",),
    ("check",),
)


@pytest.mark.parametrize("words", REFUSED)
def test_no_verb_that_takes_an_app_goes_round_its_rules(guarded: Shell, words: tuple[str, ...]) -> None:
    """Without a credential, and with one that does not hold; and what it refuses it does not tell."""
    for token in ((), ("--token", READER[:-2] + "xx"), ("--token", "nonsense")):
        done = guarded(*words, "--json", *token)
        assert (done.code, done.out) == (DENIED, "")
        assert json.loads(done.err.splitlines()[-1])["error"] == "unauthenticated"


@pytest.mark.parametrize("words", [("get", "BookPage", "b-1"), ("state", "Book", "b-1"), ("views",)])
def test_who_shows_no_credential_is_told_how_to(guarded: Shell, words: tuple[str, ...]) -> None:
    """By the option, and not by what a request would send; one that does not hold is told as it is."""
    done = guarded(*words)
    assert done.err.splitlines()[-1].endswith("Give your key or token with --token, or better in STORIED_TOKEN.")
    assert "--token" not in guarded(*words, "--token", "nonsense").err


@pytest.mark.parametrize(
    ("words", "token"),
    [
        (("state", "Book", "b-1"), "reader"),
        (("views", "rebuild", "BookPage"), "clerk"),
        (("verify",), "reader"),
        (("check",), "clerk"),
        (("get", "BookPage", "b-1"), "operator"),
        (("get", "BookPage", "b-1", "--history"), "clerk"),
        (("find", "BookPage"), "operator"),
    ],
)
def test_a_role_is_needed(guarded: Shell, words: tuple[str, ...], token: str) -> None:
    """Each has its own; who operates need not see what is in the documents."""
    done = guarded(*words, "--json", "--token", TOKENS[token])
    assert (done.code, done.out) == (DENIED, "")
    assert json.loads(done.err.splitlines()[-1])["error"] == "forbidden"


@pytest.mark.parametrize(
    ("words", "token"),
    [
        (("get", "BookPage", "b-1"), "clerk"),
        (("get", "LoanPage", "b-1", "--history"), "clerk"),
        (("state", "Book", "b-1"), "clerk"),
        (("views",), "operator"),
        (("views", "rebuild", "BookPage"), "operator"),
        (("verify",), "operator"),
        (("check",), "operator"),
    ],
)
def test_who_has_the_role_gets_the_answer(guarded: Shell, words: tuple[str, ...], token: str) -> None:
    """As without rules."""
    done = guarded(*words, "--json", "--token", TOKENS[token])
    assert done.code == 0, done.err
    assert done.out


def test_the_token_may_stand_in_the_environment(guarded: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others who list processes do not see it."""
    monkeypatch.setenv("STORIED_TOKEN", CLERK)
    assert guarded("get", "BookPage", "b-1").code == 0


def test_a_document_that_is_not_theirs_is_not_there(guarded: Shell) -> None:
    """The same words for absent and forbidden, but for the key."""
    mine = guarded("get", "BookPage", "b-2", "--json", "--token", READER)
    assert mine.json["document"]["reader"] == "r-1"
    forbidden = guarded("get", "BookPage", "b-1", "--json", "--token", READER)
    absent = guarded("get", "BookPage", "b-9", "--json", "--token", READER)
    assert (forbidden.code, absent.code) == (1, 1)
    assert forbidden.err.replace("b-1", "b-9") == absent.err


def test_the_past_is_seen_as_it_was(guarded: Shell) -> None:
    """At position 3 the first book was with the reader; it is not any more."""
    assert guarded("get", "BookPage", "b-1", "--at", "3", "--token", READER).code == 0
    assert guarded("get", "BookPage", "b-2", "--at", "3", "--token", READER).code == 1


def test_a_list_holds_what_is_theirs(guarded: Shell) -> None:
    """Whatever they ask for, also somebody else's by name."""

    def keys(*words: str) -> list[str]:
        done = guarded("find", "BookPage", *words, "--json", "--token", READER)
        assert done.code == 0, done.err
        return [document["book"] for document in done.json["documents"]]

    assert keys() == ["b-2"]
    assert keys("reader=r-1") == ["b-2"]
    assert keys("reader=r-2") == []
    assert keys("reader=null") == []
    assert keys("--at", "3") == ["b-1"]
    assert len(guarded("find", "BookPage", "--json", "--token", CLERK).json["documents"]) == 2


@pytest.mark.parametrize("at", [(), ("--at", "HEAD")])
def test_a_document_that_is_held_back_is_not_there_for_others(guarded: Shell, at: tuple[str, ...]) -> None:
    """Who may not see it is not told that there is one, and who may is not told what the event held."""
    secret = json.dumps({"book": "b-3", "reader": "r-secret", "due": "2020-03-01"})
    guarded("append", "BookBought", '{"book": "b-3", "price": "9.00", "shelf": "open"}', "--tag", "book:b-3")
    guarded("append", "BookLent", secret, "--tag", "book:b-3")
    head = str(guarded("stats", "--json").json["head"])
    at = tuple(head if word == "HEAD" else word for word in at)

    forbidden = guarded("get", "LoanPage", "b-3", "--json", *at, "--token", READER)
    absent = guarded("get", "LoanPage", "b-9", "--json", *at, "--token", READER)
    assert (forbidden.code, absent.code) == (1, 1)
    assert forbidden.err.replace("b-3", "b-9") == absent.err
    listed = guarded("find", "LoanPage", "--json", *at, "--token", READER)
    assert [document["book"] for document in listed.json["documents"]] == ["b-1", "b-2"]
    held = guarded("get", "LoanPage", "b-3", "--json", *at, "--token", CLERK)
    assert held.code == 6
    assert json.loads(held.err)["error"] == "key-parked"
    assert "r-secret" not in held.out + held.err


def options_of(verb: Verb) -> set[str]:
    """What the verb can be given, by the names that its parser stores them under."""
    parser = Parser()
    verb.add_options(parser)
    return {action.dest for action in parser._actions}


ASKING = {verb.name for verb in VERBS if "token" in options_of(verb)}
RAW = {verb.name for verb in VERBS if "store" in options_of(verb) and "app" not in options_of(verb)} - {"demo"}
"""Verbs on the raw log, which no rule is about; `demo` makes a store of its own."""


def test_the_guide_says_of_every_verb_whether_it_asks_the_rules() -> None:
    """Each verb stands in one of the three rows, and in the one that it belongs to."""
    page = (ROOT / "docs" / "how-to" / "secure-the-services.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| Verbs | Rules |\n|---|---|\n")
    asking, raw, others = (re.findall(r"`([a-z]+)`", row.split("|")[1]) for row in table.splitlines()[:3])
    assert sorted(asking) == asking == sorted(ASKING)
    assert sorted(raw) == raw == sorted(RAW)
    assert sorted(others) == others == sorted({verb.name for verb in VERBS} - ASKING - RAW)


@pytest.mark.parametrize(
    "words",
    [
        ("append", "BookBought", "{}"),
        ("backup", "copy.db"),
        ("export", "all.jsonl"),
        ("history", "book:b-1"),
        ("import", "some.jsonl", "--store", "other.db"),
        ("stats",),
        ("streams",),
        ("tail",),
    ],
    ids=lambda words: words[0],
)
def test_verbs_on_the_raw_log_ask_no_rules(guarded: Shell, words: tuple[str, ...]) -> None:
    """Whatever the environment names: they are for those who may read, and write, its file."""
    assert words[0] in RAW
    guarded("export", "some.jsonl")
    done = guarded(*words)
    assert done.code == 0, done.err


def test_each_verb_that_asks_is_held_against_the_rules() -> None:
    """By the test above that takes no credential for an answer; a new one has to be added there."""
    assert {words[0] for words in REFUSED} == ASKING


def test_a_refusal_says_what_was_asked_for_in_the_words_of_the_app(guarded: Shell) -> None:
    """Not in those of our code."""
    refused = guarded("check", "--token", CLERK).err.splitlines()[-1]
    assert refused == "storied: What is for operators is not open to you. Ask for a role that it is open to."
    refused = guarded("get", "BookPage", "b-1", "--token", OPERATOR).err.splitlines()[-1]
    assert refused == "storied: BookPage is not open to you. Ask for a role that it is open to."


def test_what_operators_do_is_on_record(guarded: Shell) -> None:
    """Who, what and whether, also when it was refused."""
    allowed = json.loads(guarded("views", "rebuild", "BookPage", "--token", OPERATOR).err.splitlines()[0])
    assert (allowed["audit"], allowed["view"]) == ("views rebuild", "BookPage")
    assert (allowed["principal"], allowed["allowed"]) == ("otto", True)
    refused = json.loads(guarded("views", "rebuild", "BookPage", "--token", CLERK).err.splitlines()[0])
    assert (refused["principal"], refused["allowed"]) == ("carl", False)
    unknown = json.loads(guarded("views", "rebuild", "BookPage").err.splitlines()[0])
    assert (unknown["principal"], unknown["allowed"]) == (None, False)


def test_rules_without_a_verifier_let_nobody_in(guarded: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """And say what is missing."""
    monkeypatch.setenv("STORIED_APP", "tests.cli.guarded:unverified")
    done = guarded("find", "BookPage", "--token", CLERK)
    assert done.code == DENIED
    assert "app.verifier" in done.err


@pytest.mark.parametrize("words", [("--keys", "k.toml"), ("--config", "s.toml")])
def test_who_asks_is_verified_by_the_files_of_the_services(
    guarded: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, str]
) -> None:
    """Where the app has no verifier of its own, and beside it where it has one."""
    secret, kept = new_key("cleo", ["clerk", "operator"])
    (tmp_path / "k.toml").write_text(keys_file_entry(kept), encoding="utf-8")
    (tmp_path / "s.toml").write_text('keys = "k.toml"', encoding="utf-8")
    assert guarded("get", "BookPage", "b-1", "--token", CLERK, *words).code == 0
    for app in ("app", "unverified"):
        monkeypatch.setenv("STORIED_APP", f"tests.cli.guarded:{app}")
        assert guarded("get", "BookPage", "b-1", "--token", secret, *words).code == 0
        assert guarded("get", "BookPage", "b-1", "--token", f"{secret}x", *words).code == DENIED
    monkeypatch.setenv("STORIED_APP", "tests.cli.guarded:app")
    assert guarded("views", "--token", secret, *words).code == 0


def test_who_cannot_be_verified_is_told_what_is_missing(guarded: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token alone would not help."""
    assert "--keys" not in guarded("views").err
    monkeypatch.setenv("STORIED_APP", "tests.cli.guarded:unverified")
    for token in ((), ("--token", CLERK)):
        done = guarded("views", *token)
        assert done.code == DENIED
        assert done.err.splitlines()[-1].endswith(
            "name what the services verify with (--keys FILE, or --config FILE), or set app.verifier."
        )


def test_without_rules_no_token_is_looked_at(shell: Shell) -> None:
    """Everything is as it was."""
    assert shell("get", "BookPage", "b-1", "--token", "whatever").code == 0
