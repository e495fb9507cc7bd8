"""Tokens: who sends a request, as an identity provider says in a signed JWT (RFC 7519, RFC 8725). Needs PyJWT.

A key is bound to its algorithms when the verifier is made, so that no token can have a public key taken for a secret.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from storied.domain.access import CredentialHeaders, Principal
from storied.errors import AccessDenied, DefinitionError, RequestRefused
from storied.services.access.discovery import DiscoveryFailed
from storied.services.access.identity import bearer, is_id, unauthenticated

try:
    import jwt
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
except ImportError as error:
    raise ImportError("verifying tokens needs PyJWT and cryptography: pip install 'storied[jwt]'.") from error

SYMMETRIC = frozenset({"HS256", "HS384", "HS512"})
RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
ALGORITHMS = SYMMETRIC | RSA | {"ES256", "ES384", "ES512", "EdDSA"}
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
FETCH_SECONDS = 30.0
"""The least time between two fetches of keys."""
RENEW_SECONDS = 3600.0
"""The age at which keys are fetched anew without being asked for: a provider takes keys back by leaving them out."""
SECRET_BYTES, RSA_BITS = 32, 2048
"""The least that a key has to have."""
TYPES = ("jwt", "at+jwt")

log = logging.getLogger("storied.services")
Jwks = Mapping[str, Any]
Fetch = Callable[[], Awaitable[Jwks]]


class Key(msgspec.Struct, frozen=True):
    """One key: its id, if it has one, what PyJWT takes, and the algorithms that it may be used with."""

    id: str | None
    material: Any
    algorithms: frozenset[str]


class JwtVerifier:
    """Verifies bearer tokens: signature, algorithm, issuer, audience, and times.

    *keys* are a PEM public key, a secret of 32 bytes or more, or a JWKS document; several in a list. Nothing is fetched
    over a network, unless *fetch* is given (`discovery.keys_of` makes one): it is awaited for a JWKS document when a
    token names an unknown key, and once an hour.
    *issuer* and *audience* are required to be what is given here; None accepts any. Roles are in the claim *roles*
    (``realm_access.roles`` is a path), as a list or as words in one text.
    """

    schemes: ClassVar[Mapping[str, Any]] = {"jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    """How a client sends a token, as OpenAPI says it."""

    def __init__(
        self,
        keys: str | bytes | Jwks | Iterable[str | bytes | Jwks] = (),
        *,
        algorithms: Iterable[str],
        issuer: str | None,
        audience: str | None,
        roles: str = "roles",
        leeway: float = 30.0,
        fetch: Fetch | None = None,
    ) -> None:
        self._algorithms = _checked(algorithms)
        given = [keys] if isinstance(keys, str | bytes | Mapping) else list(keys)
        self._keys = [key for one in given for key in self._read(one)]
        if not self._keys and fetch is None:
            raise DefinitionError("a JwtVerifier needs a key. Give a PEM, a secret as bytes, a JWKS dict, or fetch=.")
        self._issuer, self._audience, self._leeway = issuer, audience, leeway
        self.takes_any_audience = audience is None
        """Whether tokens that were made for another app hold here, too."""
        self._roles = roles.split(".")
        self._fetch, self._fetched_at = fetch, float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        """As `Verifier` says. A bearer token that is no JWT is left to others.

        Raises `RequestRefused` with code ``no-keys`` when there are no keys, because they could not be fetched.
        """
        token = bearer(headers)
        if token is None or token.count(".") != 2:
            return None
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        if header.get("alg") not in self._algorithms:
            raise unauthenticated("The algorithm of this token is not allowed here")
        if str(header.get("typ", TYPES[0])).lower() not in TYPES:
            raise unauthenticated("This is a token of another type")
        claims = await self._verified(token, header.get("kid"))
        name = claims.get("sub")
        if not isinstance(name, str) or not is_id(name):
            raise unauthenticated("The subject of this token names nobody")
        return Principal(name, _words(_at(claims, self._roles)), claims)

    async def _verified(self, token: str, key_id: object) -> dict[str, Any]:
        """What the token says. Raises `AccessDenied`, and `RequestRefused`."""
        claims = self._claims(token, self._matching(key_id))
        if self._fetch is not None:
            fetching = self._renewal(self._fetch, FETCH_SECONDS if claims is None else RENEW_SECONDS)
            if claims is None and fetching is not None:
                await asyncio.shield(fetching)
                claims = self._claims(token, self._matching(key_id))
            if claims is None and not self._keys:
                raise RequestRefused("no-keys", "The keys that tokens are signed with could not be fetched. Try again.")
        if claims is None:
            raise unauthenticated("This token is signed with a key that is not known here")
        return claims

    def _matching(self, key_id: object) -> list[Key]:
        """The keys that a token of this key id may be signed with."""
        return [key for key in self._keys if key_id is None or key.id in (None, key_id)]

    def _claims(self, token: str, keys: Iterable[Key]) -> dict[str, Any] | None:
        """What the token says; None when none of the keys has signed it.

        Raises `AccessDenied` when it does not hold here and now.
        """
        refusal: AccessDenied | None = None
        required = ["exp", "sub", *(["iss"] if self._issuer is not None else [])]
        for key in keys:
            allowed = [name for name in self._algorithms if name in key.algorithms]
            if not allowed:
                continue
            try:
                return jwt.decode(
                    token,
                    key.material,
                    algorithms=allowed,  # what both the operator and the key allow; nothing that the token says
                    issuer=self._issuer,
                    audience=self._audience,
                    leeway=self._leeway,
                    options={"require": required, "verify_aud": self._audience is not None},
                )
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidKeyError):
                continue  # the next one may fit
            except jwt.ExpiredSignatureError:
                refusal = unauthenticated("This token has expired")
            except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
                refusal = unauthenticated("This token does not hold here: its issuer, audience or times do not fit")
        if refusal is not None:
            raise refusal
        return None

    def _renewal(self, fetch: Fetch, seconds: float) -> asyncio.Task[None] | None:
        """The fetch of keys that is under way, if any; one begins when the last began so many seconds ago.

        It is a task of its own: a request that ends early does not end it for the others.
        """
        loop, last = asyncio.get_running_loop(), self._fetching
        if last is None or last.done() or last.get_loop() is not loop:
            is_due = time.monotonic() - self._fetched_at >= seconds
            self._fetching = loop.create_task(self._renew(fetch)) if is_due else None
            self._fetched_at = time.monotonic() if is_due else self._fetched_at
        return self._fetching

    async def _renew(self, fetch: Fetch) -> None:
        """Fetches the keys anew; those in use stay when it fails."""
        try:
            self._keys = list(_usable(self._read, await fetch()))
        except DiscoveryFailed as error:
            log.warning("the keys that tokens are signed with could not be fetched; those in use stay: %s", error)
        except Exception:  # whatever it does: nobody is let in by it, and nobody is kept out
            log.exception("the keys that tokens are signed with could not be fetched; those in use stay")

    def _read(self, given: str | bytes | Jwks) -> list[Key]:
        """The keys of one thing that was given. Raises `DefinitionError`."""
        if isinstance(given, Mapping):
            documents = given.get("keys", [given])
            return [key for jwk in documents if (key := _from_jwk(jwk)) is not None]
        data = given.encode() if isinstance(given, str) else given
        if b"-----BEGIN" in data:
            return [_from_pem(data)]
        if isinstance(given, str):
            raise DefinitionError("a key given as text is a PEM. Give a secret as bytes.")
        return [_from_secret(None, data)]


def _usable(read: Callable[[Jwks], list[Key]], document: Jwks) -> Iterator[Key]:
    """The keys of a document that somebody else has written, without those that protect nothing."""
    for jwk in document.get("keys", [document]):
        try:
            yield from read({"keys": [jwk]})
        except DefinitionError as error:
            log.warning("a key that was fetched is not used: %s", error)


def _checked(algorithms: Iterable[str]) -> tuple[str, ...]:
    names = (algorithms,) if isinstance(algorithms, str) else tuple(algorithms)
    unknown = [name for name in names if name not in ALGORITHMS]
    if not names or unknown:
        raise DefinitionError(
            f"algorithms={list(names)} is no list of algorithms to allow. Name some of {', '.join(sorted(ALGORITHMS))}."
        )
    if SYMMETRIC & set(names) and set(names) - SYMMETRIC:
        raise DefinitionError("HS… algorithms are not allowed beside others. Make a verifier for each, and chain them.")
    return names


def _from_pem(data: bytes) -> Key:
    try:
        public = load_pem_public_key(data)
    except ValueError as error:
        raise DefinitionError(
            "this PEM is no public key. Give the provider's public key, never a private one."
        ) from error
    match public:
        case RSAPublicKey():
            return Key(None, _strong(public), RSA)
        case EllipticCurvePublicKey() if public.curve.name in CURVES:
            return Key(None, public, frozenset({CURVES[public.curve.name]}))
        case Ed25519PublicKey():
            return Key(None, public, frozenset({"EdDSA"}))
    raise DefinitionError("this PEM is a key of a kind that signs no tokens. Give an RSA, EC or Ed25519 public key.")


def _from_secret(key_id: str | None, secret: bytes) -> Key:
    if len(secret) < SECRET_BYTES:
        raise DefinitionError(
            f"a secret of {len(secret)} bytes can be guessed. Give {SECRET_BYTES} random bytes or more."
        )
    return Key(key_id, secret, SYMMETRIC)


def _from_jwk(jwk: object) -> Key | None:
    """The key; None for one that is not for signatures, or of a kind that is not known here."""
    if not isinstance(jwk, Mapping) or jwk.get("use", "sig") != "sig":
        return None
    try:
        made = jwt.PyJWK(dict(jwk))
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    key_id, family = jwk.get("kid"), _family(made)
    named = jwk.get("alg")
    allowed = family if named is None else family & {named}
    if made.key_type == "oct":
        secret = _from_secret(key_id, made.key)
        return msgspec.structs.replace(secret, algorithms=allowed)
    return Key(key_id, _strong(made.key) if made.key_type == "RSA" else made.key, allowed)


def _strong(key: RSAPublicKey) -> RSAPublicKey:
    """The key. Raises `DefinitionError` for one that is too short."""
    if key.key_size < RSA_BITS:
        raise DefinitionError(f"an RSA key of less than {RSA_BITS} bits is too weak. Use a longer one.")
    return key


def _family(made: jwt.PyJWK) -> frozenset[str]:
    match made.key_type:
        case "oct":
            return SYMMETRIC
        case "RSA":
            return RSA
        case "EC":
            return frozenset({CURVES.get(made.key.curve.name, "")})
        case _:
            return frozenset({"EdDSA"})


def _at(claims: Mapping[str, Any], path: list[str]) -> object:
    found: object = claims
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _words(value: object) -> frozenset[str]:
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(word for word in words if isinstance(word, str) and word)
