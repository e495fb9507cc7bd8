"""API keys and chains of verifiers: who is behind a request, and who is nobody."""

import tomllib
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from storied import DefinitionError, Principal
from storied.domain.access import CredentialHeaders
from storied.errors import AccessDenied
from storied.services.access.identity import ApiKey, ApiKeys, Verifiers, identify, keys_file_entry, new_key

SECRET, KEPT = new_key("anna", ["cashier", "clerk"])


class Names:
    """Believes what stands in a header; for tests only."""

    def __init__(self, header: str) -> None:
        self.header = header

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        """Whoever the header says."""
        name = headers.get(self.header)
        return None if name is None else Principal(name)


@pytest.mark.parametrize("headers", [{"authorization": f"Bearer {SECRET}"}, {"x-api-key": SECRET}])
async def test_a_key_says_who_sends_it(headers: dict[str, str]) -> None:
    """With the roles that it was made with, and which key it was."""
    found = await ApiKeys([KEPT]).verify(headers)
    assert found == Principal("anna", frozenset({"cashier", "clerk"}), {"key": KEPT.id})


def test_what_is_kept_of_a_key_does_not_tell_the_key() -> None:
    """Who reads the file of keys cannot use them."""
    secret = SECRET[len("storied_") + 17 :]
    assert secret not in repr(KEPT)
    assert len(secret) == 43  # 256 bits


@pytest.mark.parametrize("changed", [0, 20, -1])
async def test_another_secret_under_the_same_id_is_refused(changed: int) -> None:
    """One wrong character is enough."""
    start = len("storied_") + 17
    secret = SECRET[start:]
    other = list(secret)
    other[changed] = "A" if other[changed] != "A" else "B"
    with pytest.raises(AccessDenied) as denied:
        await ApiKeys([KEPT]).verify({"x-api-key": SECRET[:start] + "".join(other)})
    assert denied.value.code == "unauthenticated"


async def test_a_key_that_was_taken_out_is_refused() -> None:
    """Revoking is removing."""
    with pytest.raises(AccessDenied):
        await ApiKeys([]).verify({"x-api-key": SECRET})


async def test_a_key_ends_when_it_says() -> None:
    """Up to the second before it holds."""
    secret, kept = new_key("anna", expires=1000.0)
    assert await ApiKeys([kept], clock=lambda: 999.0).verify({"x-api-key": secret}) is not None
    with pytest.raises(AccessDenied, match="expired"):
        await ApiKeys([kept], clock=lambda: 1000.0).verify({"x-api-key": secret})


async def test_a_key_tells_when_it_ends() -> None:
    """As a token does, so that a stream which was begun with it ends with it."""
    endless, kept_endless = new_key("anna")
    ending, kept_ending = new_key("anna", expires=1000.0)
    keys = ApiKeys([kept_endless, kept_ending], clock=lambda: 0.0)
    found = [await keys.verify({"x-api-key": secret}) for secret in (endless, ending)]
    assert [principal.claims.get("exp") for principal in found if principal is not None] == [None, 1000.0]


async def test_what_is_no_key_is_left_to_others() -> None:
    """A token of a provider is for another verifier, a missing credential for none."""
    keys = ApiKeys([KEPT])
    assert await keys.verify({}) is None
    assert await keys.verify({"authorization": "Bearer a.b.c"}) is None
    assert await keys.verify({"authorization": "Basic YTpi"}) is None


async def test_a_file_of_keys_is_made_by_appending(tmp_path: Path) -> None:
    """Each key is a table of its own."""
    _, second = new_key('quo"te\u00e9', expires=5.5)
    path = tmp_path / "keys.toml"
    path.write_text(keys_file_entry(KEPT) + keys_file_entry(second), encoding="utf-8")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["key"]
    assert [msgspec.convert(table, ApiKey) for table in tables] == [KEPT, second]
    assert await ApiKeys.load(path).verify({"x-api-key": SECRET}) is not None


@pytest.mark.parametrize("text", ["[[key]]\nid = 'a'", "not toml", "[[key]]\nsecret = 'x'", None])
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, text: str | None) -> None:
    """Starting without keys that were meant to be there would lock everybody out, or nobody."""
    path = tmp_path / "keys.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError):
        ApiKeys.load(path)


@pytest.mark.parametrize("role", ["", " ", "cashier ", "a\nb", "x" * 201])
def test_a_key_has_roles_that_a_rule_can_name(role: str) -> None:
    """What a shell leaves of a variable that is not set is none."""
    with pytest.raises(DefinitionError, match=f"{role!r} cannot be a role".replace("\\", r"\\")):
        new_key("anna", ["clerk", role])


@pytest.mark.parametrize("principal", ["", " ", "a\nb", "x" * 201])
def test_a_key_is_for_somebody(principal: str) -> None:
    """The name becomes the actor of events."""
    with pytest.raises(DefinitionError):
        new_key(principal)


async def test_the_first_of_several_verifiers_that_knows_is_believed() -> None:
    """Keys for machines, tokens for people."""
    chain = Verifiers([ApiKeys([KEPT]), Names("x-first"), Names("x-second")])
    assert await chain.verify({"x-second": "b", "x-first": "a"}) == Principal("a")
    assert await chain.verify({"x-second": "b"}) == Principal("b")
    assert await chain.verify({}) is None


async def test_a_refusal_stands_when_nobody_else_knows() -> None:
    """A bad key does not make somebody anonymous."""
    bad = {"x-api-key": SECRET[:-1] + ("A" if SECRET[-1] != "A" else "B")}
    chain = Verifiers([ApiKeys([KEPT]), Names("x-first")])
    with pytest.raises(AccessDenied):
        await chain.verify(bad)
    assert await chain.verify({**bad, "x-first": "a"}) == Principal("a")


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_a_credential_that_nobody_knows_is_refused(header: str) -> None:
    """Only who shows none is anonymous."""
    with pytest.raises(AccessDenied) as denied:
        await identify(ApiKeys([KEPT]), {header: "Whatever it is"})
    assert denied.value.code == "unauthenticated"
    assert await identify(ApiKeys([KEPT]), {}) is None


@pytest.mark.parametrize("other", [SECRET, new_key("ben")[0], "Whatever"], ids=["same", "other", "none"])
async def test_a_request_shows_one_credential(other: str) -> None:
    """With two, in whatever order they are looked at, it could be taken for another's; also when they are the same."""
    for one, two in ((SECRET, other), (other, SECRET)):
        with pytest.raises(AccessDenied, match="x-api-key and authorization") as denied:
            await identify(ApiKeys([KEPT]), {"authorization": f"Bearer {one}", "x-api-key": two})
        assert denied.value.code == "unauthenticated"


class Tickets(Names):
    """Believes a header, and says in which one it looks."""

    schemes: ClassVar[dict[str, Any]] = {"ticket": {"type": "apiKey", "in": "header", "name": "X-Ticket"}}


async def test_only_what_is_looked_at_is_a_credential() -> None:
    """What a proxy adds for itself makes nobody somebody; what several verifiers look at is one too many."""
    headers = {"x-ticket": "anna", "authorization": f"Bearer {SECRET}"}
    assert await identify(Tickets("x-ticket"), headers) == Principal("anna")
    with pytest.raises(AccessDenied, match="x-ticket and authorization"):
        await identify(Verifiers([Tickets("x-ticket"), ApiKeys([KEPT])]), headers)


async def test_without_a_verifier_everybody_is_anonymous() -> None:
    """Nothing that a client sends makes it somebody."""
    assert await identify(None, {"authorization": f"Bearer {SECRET}", "x-api-key": SECRET}) is None


@pytest.mark.parametrize("name", ["", "a\x00b", "x" * 201, "\ud800"])
async def test_a_name_that_no_event_could_carry_is_refused(name: str) -> None:
    """Whatever a verifier believes."""
    with pytest.raises(AccessDenied):
        await identify(Names("x-name"), {"x-name": name})
