"""Tokens: what an identity provider signed is believed, and nothing else is."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import RSAAlgorithm

from storied import DefinitionError, Principal
from storied.errors import AccessDenied
from storied.services.access.identity import identify
from storied.services.access.tokens import JwtVerifier

ISSUER, AUDIENCE = "https://login.example", "shop"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = b"s" * 32


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says, with changes; None takes a claim out."""
    now = int(time.time())
    good = {"sub": "anna", "iss": ISSUER, "aud": AUDIENCE, "exp": now + 60, "nbf": now - 1, "roles": ["customer"]}
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(key: Any = PRIVATE, algorithm: str = "RS256", *, header: dict[str, Any] | None = None, **said: Any) -> str:
    """A token that says this."""
    return jwt.encode(claims(**said), key, algorithm, headers=header)


def verifier(keys: Any = PEM, algorithms: Any = ("RS256",), **more: Any) -> JwtVerifier:
    """One for the good issuer and audience."""
    told: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, "leeway": 0.0} | more
    return JwtVerifier(keys, algorithms=algorithms, **told)


async def found(by: JwtVerifier, token: str) -> Principal | None:
    """Who it is."""
    return await by.verify({"authorization": f"Bearer {token}"})


async def refused(by: JwtVerifier, token: str) -> None:
    """Passes when the token is refused as one that does not hold."""
    with pytest.raises(AccessDenied) as denied:
        await found(by, token)
    assert denied.value.code == "unauthenticated"


async def test_a_good_token_says_who_it_is() -> None:
    """Name, roles and whatever else it says."""
    principal = await found(verifier(), signed(tenant="north"))
    assert principal is not None
    assert (principal.id, principal.roles) == ("anna", frozenset({"customer"}))
    assert principal.claims["tenant"] == "north"


@pytest.mark.parametrize(
    "said",
    [
        {"exp": int(time.time()) - 10},
        {"nbf": int(time.time()) + 1000},
        {"iss": "https://other.example"},
        {"aud": "another shop"},
        {"aud": ["another", "shops"]},
        {"exp": None},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\nb"},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"exp": -(10**400)},
        {"iss": [ISSUER]},
    ],
)
async def test_a_token_that_does_not_hold_here_and_now_is_refused(said: dict[str, Any]) -> None:
    """Ended, not begun, of another issuer, for another audience, or silent about what is asked."""
    header = {"alg": "RS256", "typ": "JWT"}
    payload = claims(**said)
    raw = ".".join(_part(json.dumps(part).encode()) for part in (header, payload))
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(raw.encode(), PRIVATE)
    await refused(verifier(), f"{raw}.{_part(signature)}")


async def test_a_token_of_another_key_is_refused() -> None:
    """Whatever it says."""
    await refused(verifier(), signed(OTHER))


async def test_an_unsigned_token_is_refused() -> None:
    """Also when it says that it needs no signature, in any spelling."""
    for name in ("none", "None", "NONE", ""):
        raw = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": name, "typ": "JWT"}, claims()))
        await refused(verifier(), f"{raw}.")
    with pytest.raises(DefinitionError):
        verifier(algorithms=("none",))


async def test_the_public_key_is_never_a_secret() -> None:
    """A token signed with HMAC under the text of the public key is the classic forgery."""
    raw = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims()))
    forged = f"{raw}.{_part(_hmac(PEM, raw))}"
    await refused(verifier(), forged)
    with pytest.raises(DefinitionError, match="chain them"):
        verifier(algorithms=("RS256", "HS256"))
    await refused(verifier(algorithms=("HS256",)), forged)


async def test_only_the_algorithms_that_are_listed_hold() -> None:
    """Even one that the key could do."""
    await refused(verifier(), signed(algorithm="RS512"))
    assert await found(verifier(algorithms=("RS512", "RS256")), signed(algorithm="RS512"))


@pytest.mark.parametrize("algorithms", [(), ("RS255",), ("",)])
def test_a_verifier_lists_algorithms(algorithms: tuple[str, ...]) -> None:
    """There is no default that would do for all keys."""
    with pytest.raises(DefinitionError, match="algorithms"):
        verifier(algorithms=algorithms)


async def test_secrets_verify_what_was_signed_with_them() -> None:
    """For a provider that shares one."""
    by = verifier(SECRET, ("HS256",))
    assert await found(by, signed(SECRET, "HS256"))
    await refused(by, signed(b"t" * 32, "HS256"))


@pytest.mark.parametrize(
    "keys",
    [
        b"short",
        "text that is no PEM",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        rsa.generate_private_key(public_exponent=65537, key_size=1024)
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        (),
    ],
)
def test_a_key_that_protects_nothing_is_refused(keys: Any) -> None:
    """Guessable, of the wrong kind, or the one that only the provider may have."""
    with pytest.raises(DefinitionError):
        verifier(keys)


async def test_curves_bind_their_algorithm() -> None:
    """A key on one curve signs with one algorithm."""
    private = ec.generate_private_key(ec.SECP384R1())
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    edwards = ed25519.Ed25519PrivateKey.generate()
    edwards_pem = edwards.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    by = verifier([pem, edwards_pem], ("ES384", "ES256", "EdDSA"))
    assert await found(by, signed(private, "ES384"))
    assert await found(by, signed(edwards, "EdDSA"))
    await refused(by, signed(ec.generate_private_key(ec.SECP256R1()), "ES256"))


def jwks(*keys: tuple[str, rsa.RSAPrivateKey], **more: Any) -> dict[str, Any]:
    """The document of a provider with these keys by id."""
    return {"keys": [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": name} | more for name, key in keys]}


async def test_a_key_is_chosen_by_its_id() -> None:
    """A provider has several while it changes them."""
    by = verifier(jwks(("one", PRIVATE), ("two", OTHER)))
    assert await found(by, signed(PRIVATE, header={"kid": "one"}))
    assert await found(by, signed(OTHER, header={"kid": "two"}))
    assert await found(by, signed(OTHER))
    await refused(by, signed(OTHER, header={"kid": "one"}))
    await refused(by, signed(PRIVATE, header={"kid": "three"}))


async def test_a_key_of_a_document_keeps_to_what_the_document_says() -> None:
    """Its algorithm, and that it is for signatures."""
    await refused(verifier(jwks(("one", PRIVATE), alg="RS512")), signed())
    with pytest.raises(DefinitionError, match="needs a key"):
        verifier(jwks(("one", PRIVATE), use="enc"))


async def test_keys_are_fetched_when_a_token_names_one_that_is_not_known() -> None:
    """Once, however many such tokens come; a fetch that fails changes nothing."""
    asked: list[int] = []

    async def fetch() -> Mapping[str, Any]:
        asked.append(1)
        return jwks(("new", OTHER))

    by = verifier(jwks(("old", PRIVATE)), fetch=fetch)
    assert await found(by, signed(header={"kid": "old"}))
    assert not asked
    assert await found(by, signed(OTHER, header={"kid": "new"}))
    await refused(by, signed(OTHER, header={"kid": "another"}))
    assert len(asked) == 1

    async def fails() -> Mapping[str, Any]:
        raise OSError("no network")

    by = verifier(jwks(("old", PRIVATE)), fetch=fails)
    await refused(by, signed(OTHER, header={"kid": "new"}))
    assert await found(by, signed(header={"kid": "old"}))


async def test_no_keys_are_fetched_for_a_token_whose_key_is_known() -> None:
    """One that has expired, or is for another shop, is refused for that."""
    asked: list[int] = []

    async def fetch() -> Mapping[str, Any]:
        asked.append(1)
        return jwks(("one", PRIVATE))

    by = verifier(jwks(("one", PRIVATE)), fetch=fetch)
    for said, why in (({"exp": int(time.time()) - 10}, "has expired"), ({"aud": "another"}, "does not hold here")):
        with pytest.raises(AccessDenied, match=why):
            await found(by, signed(header={"kid": "one"}, **said))
    assert not asked


@pytest.mark.parametrize(
    ("path", "said", "roles"),
    [
        ("roles", {"roles": ["a", "b", 3]}, {"a", "b"}),
        ("scope", {"scope": "read write"}, {"read", "write"}),
        ("realm_access.roles", {"realm_access": {"roles": ["clerk"]}}, {"clerk"}),
        ("realm_access.roles", {"realm_access": "clerk"}, set()),
        ("roles", {"roles": None}, set()),
    ],
)
async def test_roles_are_where_the_provider_puts_them(path: str, said: dict[str, Any], roles: set[str]) -> None:
    """A list, words in a text, or deep inside; none when there is nothing."""
    principal = await found(verifier(roles=path), signed(**said))
    assert principal is not None
    assert principal.roles == roles


@pytest.mark.parametrize("token", ["a.b.c", "..", "x", "a.b", "eyJhbGciOiJSUzI1NiJ9"])
async def test_what_is_no_token_is_left_to_others(token: str) -> None:
    """An API key may be sent as a bearer, too."""
    assert await found(verifier(), token) is None
    assert await verifier().verify({}) is None


async def test_another_type_of_token_is_refused() -> None:
    """One that was made to log out, say, lets nobody in."""
    await refused(verifier(), signed(header={"typ": "logout+jwt"}))
    assert await found(verifier(), signed(header={"typ": "at+jwt"}))


async def test_a_token_that_asks_for_more_than_we_know_is_refused() -> None:
    """A critical extension that nobody here has heard of."""
    raw = ".".join(_part(json.dumps(p).encode()) for p in ({"alg": "RS256", "crit": ["x"], "x": 1}, claims()))
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(raw.encode(), PRIVATE)
    with pytest.raises(AccessDenied):
        await identify(verifier(), {"authorization": f"Bearer {raw}.{_part(signature)}"})


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _hmac(secret: bytes, text: str) -> bytes:
    return hmac.new(secret, text.encode(), hashlib.sha256).digest()
