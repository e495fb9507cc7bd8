"""Starting the services from a shell: what they say, what they refuse, and the keys they verify."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import jwt
import pytest
from opentelemetry import trace

from storied.cli.configuring import settings_from
from storied.cli.keys import add_entry
from storied.cli.serve import VERB as SERVE
from storied.cli.verb import Parser
from storied.services.access.identity import ApiKeys, identify, keys_file_entry, new_key
from tests.cli import guarded
from tests.cli.conftest import Shell
from tests.docs.pages import ROOT


def test_one_process_runs_everything_unless_told_otherwise(shell: Shell) -> None:
    """At a free port, over the store that the environment names."""
    done = shell("serve", "--check", "--port", "0", "--json")
    assert done.code == 0, done.err
    told = done.json
    assert (told["app"], told["store"]) == ("library", "sqlite:///library.db")
    assert (told["commands"], told["queries"], told["views"]) == (True, True, True)
    assert (told["authentication"], told["rules"]) == (False, False)
    assert told["address"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(("side", "other"), [("commands", "queries"), ("queries", "commands")])
def test_a_side_runs_alone(shell: Shell, side: str, other: str) -> None:
    """Without the other, and without the views, which `storied work` keeps."""
    told = shell("serve", f"--{side}", "--check", "--port", "0", "--json").json
    assert (told[side], told[other], told["views"]) == (True, False, False)
    assert shell("serve", "--commands", "--queries", "--check").code == 2


def test_the_store_is_called_after_the_app_when_nothing_names_it(empty_shell: Shell, tmp_path: Path) -> None:
    """And it says so."""
    done = empty_shell("serve", "tests.cli.library:app", "--check", "--port", "0")
    assert done.code == 0, done.err
    assert "store sqlite:///library.db (name another with --store or STORIED_STORE)" in done.out
    assert (tmp_path / "library.db").exists()


def test_queries_alone_make_no_file(empty_shell: Shell, tmp_path: Path) -> None:
    """They read what others write."""
    done = empty_shell("serve", "tests.cli.library:app", "--queries", "--check", "--port", "0")
    assert done.code == 0, done.err
    assert list(tmp_path.iterdir()) == []


def test_a_worker_says_what_it_works_on(shell: Shell) -> None:
    """The views, and the store."""
    assert shell("work", "--check", "--json").json["views"] == ["BookPage", "ReaderPage"]
    assert "keeping 2 views of library up to date" in shell("work", "--check").out


def test_without_authentication_it_says_so(shell: Shell) -> None:
    """Everybody on this machine is let in."""
    assert "! no authentication" in shell("serve", "--check", "--port", "0").out


def test_an_app_without_routes_is_told_how_to_give_it_some(shell: Shell, tmp_path: Path) -> None:
    """Its server would answer 404 to everything; one with a route on the side that is served is as it should be."""
    (tmp_path / "plain.py").write_text("from storied import App\napp = App('plain')\n", encoding="utf-8")
    assert "! nothing has a route" in shell("serve", "plain:app", "--check", "--port", "0").out
    for side in ((), ("--commands",), ("--queries",)):
        done = shell("serve", "storied.examples.shop:app", "--check", "--port", "0", *side)
        assert "nothing has a route" not in done.out


def test_rules_without_a_verifier_are_pointed_out(shell: Shell) -> None:
    """They let nobody in but everybody."""
    done = shell("serve", "tests.cli.guarded:unverified", "--check", "--port", "0")
    assert "only what is for EVERYONE is open" in done.out
    assert "no authentication" not in shell("serve", "tests.cli.guarded:app", "--check", "--port", "0").out


class Recording(trace.TracerProvider):
    """As an SDK brings one."""

    def get_tracer(self, *words: Any, **more: Any) -> trace.Tracer:
        """A tracer."""
        return trace.NoOpTracer()


@pytest.mark.parametrize("set_up", [False, True])
def test_spans_that_nobody_records_are_pointed_out(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_up: bool
) -> None:
    """The extra is the interface alone; who set tracing would wait for spans for ever."""
    (tmp_path / "s.toml").write_text("tracing = true", encoding="utf-8")
    if set_up:
        monkeypatch.setattr(trace, "get_tracer_provider", Recording)
    done = shell("serve", "--check", "--port", "0", "--config", "s.toml")
    assert done.code == 0, done.err
    assert ("! tracing is on, and no OpenTelemetry SDK is set up" in done.out) is not set_up
    assert "tracing is on" not in shell("serve", "--check", "--port", "0").out


@pytest.mark.parametrize(("audience", "warned"), [("", True), ('audience = "theatre"', False)])
def test_tokens_for_any_other_app_are_pointed_out(shell: Shell, tmp_path: Path, audience: str, warned: bool) -> None:
    """Leaving out the audience turns a check off, which nobody would notice."""
    (tmp_path / "secret").write_bytes(b"x" * 32)
    text = f'keys = "k.toml"\n[jwt]\nalgorithms = ["HS256"]\nsecret = "secret"\n{audience}'
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    assert shell("keys", "new", "anna", "--file", "k.toml").code == 0
    done = shell("serve", "--check", "--port", "0", "--config", "s.toml")
    assert done.code == 0, done.err
    assert ("! tokens for any other app of the same issuer are taken" in done.out) is warned


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example"])
def test_an_address_that_others_reach_needs_a_verifier(shell: Shell, host: str) -> None:
    """Nothing was bound before that was looked at."""
    done = shell("serve", "--check", "--port", "0", "--host", host)
    assert (done.code, done.out) == (2, "")
    assert "--insecure-no-auth" in done.err


def test_leaving_authentication_out_takes_an_option_and_is_shown(shell: Shell) -> None:
    """In capitals; and that no other name of the server is answered for yet."""
    words = ("serve", "--check", "--port", "0", "--host", "0.0.0.0", "--insecure-no-auth")
    done = shell(*words)
    assert done.code == 0, done.err
    assert "! NO AUTHENTICATION" in done.out
    assert "--allow-host" in done.out
    assert "--allow-host" not in shell(*words, "--allow-host", "shop.example").out


@pytest.mark.parametrize("host", ["http://x/", "x:80", ""])
def test_a_host_that_no_request_can_name_is_refused(shell: Shell, host: str) -> None:
    """With how to name it, before anything is bound."""
    done = shell("serve", "--check", "--port", "0", "--allow-host", host)
    assert (done.code, done.out) == (2, "")
    assert f"storied: {host!r} is no host to answer for. Name it without scheme, port and path" in done.err


def test_an_address_of_one_interface_is_answered_for(shell: Shell) -> None:
    """Nobody names the interface in a Host header."""
    done = shell("serve", "--check", "--port", "0", "--host", "fe80::1%nowhere", "--insecure-no-auth")
    assert (done.code, "nothing can listen at fe80::1%nowhere" in done.err) == (3, True), done.err


@pytest.mark.parametrize("role", ["", " "])
def test_a_role_that_is_none_is_refused(shell: Shell, role: str, tmp_path: Path) -> None:
    """And no key is made."""
    path = tmp_path / "k.toml"
    done = shell("keys", "new", "anna", "--role", role, "--file", str(path))
    assert (done.code, done.out, path.exists()) == (2, "", False)
    assert f"{role!r} cannot be a role. Give one that a rule of the app names" in done.err


def test_keys_let_it_listen_anywhere(shell: Shell) -> None:
    """They are made by a verb of its own."""
    assert shell("keys", "new", "anna", "--file", "k.toml").code == 0
    told = shell("serve", "--check", "--port", "0", "--host", "0.0.0.0", "--keys", "k.toml", "--json")
    assert told.json["authentication"] is True


async def test_a_key_is_shown_once_and_its_hash_is_kept(tmp_path: Path) -> None:
    """In a file for its owner alone, behind those that are there."""
    path = tmp_path / "keys.toml"
    made = [new_key("anna", ["cashier"]), new_key("bert", expires=9e9)]
    for _, kept in made:
        add_entry(path, keys_file_entry(kept))
    for secret, kept in made:
        found = await ApiKeys.load(path).verify({"x-api-key": secret})
        assert found is not None
        assert found.id == kept.principal
        assert secret not in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_keys_end_and_have_roles(empty_shell: Shell, tmp_path: Path) -> None:
    """As they were asked for."""
    told = empty_shell("keys", "new", "anna", "--role", "b", "--role", "a", "--days", "2", "--json").json
    [kept] = tomllib.loads((tmp_path / "keys.toml").read_text(encoding="utf-8"))["key"]
    assert (told["roles"], kept["roles"]) == (["a", "b"], ["a", "b"])
    assert kept["expires"] == told["expires"] > 0
    assert told["key"].split("_")[1] == kept["id"]


def test_what_is_no_file_of_keys_is_left_alone(empty_shell: Shell, tmp_path: Path) -> None:
    """A mistyped name does no harm."""
    (tmp_path / "other.toml").write_text("[table]\nx = 1\n", encoding="utf-8")
    assert empty_shell("keys", "new", "anna", "--file", "other.toml").code == 2
    assert (tmp_path / "other.toml").read_text(encoding="utf-8") == "[table]\nx = 1\n"


def test_a_port_that_is_taken_is_said(shell: Shell) -> None:
    """As what cannot be used."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = shell("serve", "--check", "--port", str(taken.getsockname()[1]))
    assert done.code == 3
    assert "Another program listens there" in done.err
    assert "--port" in done.err


def test_an_address_that_is_not_here_is_said(shell: Shell) -> None:
    """Another port would not help."""
    done = shell("serve", "--check", "--port", "0", "--host", "192.0.2.1", "--insecure-no-auth")
    assert done.code == 3
    assert "--host" in done.err
    assert "--port" not in done.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.toml", "bodylimit = 1"),
        ("s.toml", "body_limit = 0"),
        ("s.toml", 'body_limit = "much"'),
        ("s.toml", "not toml"),
        ("s.toml", 'verifier = "mine"'),
        ("s.toml", 'keys = "absent.toml"'),
        ("s.toml", '[jwt]\nalgorithms = ["RS256"]'),
        ("s.toml", '[jwt]\nalgorithms = ["RS256"]\nissuer = "http://login.example"'),
        ("s.toml", '[jwt]\nalgorithms = ["HS256"]\nissuer = "https://login.example"'),
        ("s.toml", '[jwt]\nalgorithms = ["RS256"]\njwks = "s.toml"\npem = "s.toml"'),
        ("s.toml", '[jwt]\nalgorithms = ["none"]\nsecret = "s.toml"'),
        ("s.toml", '[jwt]\nalgorithms = ["RS256"]\npem = "s.toml"'),
        ("s.toml", '[jwt]\nalgorithms = ["RS256"]\njwks = "absent.json"'),
        ("s.toml", '[jwt]\nalgorithms = ["RS256"]\nunknown = 1\npem = "s.toml"'),
        ("s.json", '{"body_limit": 10'),
        ("s.json", "[]"),
    ],
)
def test_settings_that_say_nothing_that_is_known_are_refused(
    shell: Shell, tmp_path: Path, name: str, text: str
) -> None:
    """A mistyped setting would otherwise be one that is not in force."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    done = shell("serve", "--check", "--port", "0", "--config", name)
    assert (done.code, done.out) == (2, ""), done.err
    assert shell("serve", "--check", "--port", "0", "--config", "absent.toml").code == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "bodylimit = 1",
            "has 'bodylimit', which is no setting. Is body_limit meant? Known: hosts, origins, proxies,",
        ),
        (
            "[jwt]\naudiance = 1",
            "has 'audiance', which is no part of [jwt]. Is audience meant? Known: algorithms, issuer,",
        ),
        ("zzz = 1", "has 'zzz', which is no setting. Known: hosts, "),
        ("rate = -1.0", "rate cannot be -1.0. Give 0, or a number above it."),
        ("burst = 0\ndeadline = 0.0", "deadline cannot be 0.0. Give a number above 0. burst cannot be 0. Give a whole"),
    ],
)
def test_a_mistake_in_the_settings_is_told_with_what_is_allowed(
    shell: Shell, tmp_path: Path, text: str, told: str
) -> None:
    """By its name, with the name that was meant."""
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    done = shell("serve", "--check", "--port", "0", "--config", "s.toml")
    assert done.code == 2
    assert told in done.err
    assert "verifier" not in done.err


@pytest.mark.parametrize(
    ("host", "named"), [("127.0.0.2", ["127.0.0.2"]), ("127.0.0.1", []), ("::1", []), ("localhost", [])]
)
def test_the_address_that_is_announced_is_answered_for(host: str, named: list[str]) -> None:
    """Whichever of this machine's own it is."""
    parser = Parser()
    SERVE.add_options(parser)
    found = settings_from(parser.parse_args(["--host", host]), guarded.app).hosts
    assert list(found) == ["localhost", "127.0.0.1", "[::1]", *named]


@pytest.mark.parametrize(
    ("data", "secret"),
    [
        (b"correct horse battery staple and so on\n", b"correct horse battery staple and so on"),
        ("  pass-wörter sind hier lang genug\r\n".encode(), "pass-wörter sind hier lang genug".encode()),
        (b"\x0a" + bytes(range(200, 230)) + b"\x20", b"\x0a" + bytes(range(200, 230)) + b"\x20"),
        (b"\x09" * 31 + b"\x00", b"\x09" * 31 + b"\x00"),
    ],
    ids=["text", "text in UTF-8", "bytes", "bytes that are ASCII"],
)
async def test_a_secret_is_what_the_file_holds(tmp_path: Path, data: bytes, secret: bytes) -> None:
    """Of a text without the line's end; random bytes are taken as they are."""
    (tmp_path / "secret").write_bytes(data)
    (tmp_path / "s.toml").write_text('[jwt]\nalgorithms = ["HS256"]\nsecret = "secret"', encoding="utf-8")
    parser = Parser()
    SERVE.add_options(parser)
    settings = settings_from(parser.parse_args(["--config", str(tmp_path / "s.toml")]), guarded.unverified)
    token = jwt.encode({"sub": "anna", "exp": time.time() + 60}, secret, "HS256")
    principal = await identify(settings.verifier, {"authorization": f"Bearer {token}"})
    assert principal is not None
    assert principal.id == "anna"


def test_settings_come_from_a_file(shell: Shell, tmp_path: Path) -> None:
    """As TOML or JSON; what they name is beside them."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "secret").write_bytes(b"s" * 40 + b"\n")
    (folder / "s.toml").write_text(
        'rate = 5\nhosts = ["shop.example"]\n[jwt]\nalgorithms = ["HS256"]\nsecret = "secret"\n', encoding="utf-8"
    )
    told = shell("serve", "--check", "--port", "0", "--config", "etc/s.toml", "--json")
    assert told.code == 0, told.err
    assert told.json["authentication"] is True
    (folder / "s.json").write_text(json.dumps({"rate": 5, "drain_delay": 0.0}), encoding="utf-8")
    assert shell("serve", "--check", "--port", "0", "--config", "etc/s.json", "--json").code == 0


@pytest.mark.parametrize("words", [["serve", "--check", "--port", "0"], ["serve", "--config", "jwt.toml", "--check"]])
def test_what_an_extra_brings_is_named_when_it_is_missing(shell: Shell, tmp_path: Path, words: list[str]) -> None:
    """With what to install; all other verbs work without."""
    (tmp_path / "key").write_bytes(b"s" * 40)
    (tmp_path / "jwt.toml").write_text('[jwt]\nalgorithms = ["HS256"]\nsecret = "key"\n', encoding="utf-8")
    missing = "uvicorn httptools opentelemetry" if "--port" in words else "jwt cryptography opentelemetry"
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({missing.split()}));"
        "from storied.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    done = run(*words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "pip install 'storied[" in done.stderr
    assert run("stats").returncode == 0
    assert run("work", "--check").returncode == 0


@pytest.mark.parametrize("words", [("--keys", "k.toml"), ("--config", "s.toml")])
async def test_keys_hold_beside_what_the_app_verifies(shell: Shell, tmp_path: Path, words: tuple[str, str]) -> None:
    """Who had a credential that the app takes is not shut out by somebody else's key."""
    secret, kept = new_key("anna", ["clerk"])
    (tmp_path / "k.toml").write_text(keys_file_entry(kept), encoding="utf-8")
    (tmp_path / "s.toml").write_text('keys = "k.toml"', encoding="utf-8")
    parser = Parser()
    SERVE.add_options(parser)
    settings = settings_from(parser.parse_args([words[0], str(tmp_path / words[1])]), guarded.app)
    for key, name in ((secret, "anna"), (guarded.CLERK, "carl")):
        principal = await identify(settings.verifier, {"x-api-key": key})
        assert principal is not None
        assert principal.id == name
