"""Identity: who sends a request, found out from the credential that it carries.

A verifier gives a `Principal`, or None when the request carries no credential of its kind, or it refuses. API keys are
here; tokens of an identity provider are in `storied.services.access.tokens`, which needs PyJWT.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from storied.domain.access import CredentialHeaders, Principal, Verifier
from storied.errors import AccessDenied, DefinitionError

MAX_ID_CHARACTERS = 200
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_KEY = re.compile(r"storied_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key as it is kept: never the key itself, only the SHA-256 of its secret, which is 256 random bits."""

    id: str
    sha256: str
    principal: str
    roles: frozenset[str] = frozenset()
    expires: float | None = None
    """When it ends, in seconds since 1970."""


def new_key(principal: str, roles: Iterable[str] = (), *, expires: float | None = None) -> tuple[str, ApiKey]:
    """A new key for the principal, to be shown once, and what to keep of it. Raises `DefinitionError`."""
    if not (is_id(principal) and principal.strip()):
        raise DefinitionError(
            f"{principal!r} cannot be a principal. Give up to {MAX_ID_CHARACTERS} printable characters."
        )
    given = frozenset(roles)
    for role in given:
        if not (is_id(role) and role == role.strip()):
            raise DefinitionError(
                f"{role!r} cannot be a role. Give one that a rule of the app names, such as cashier, or leave it out."
            )
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    kept = ApiKey(id=key_id, sha256=_hash(secret), principal=principal, roles=given, expires=expires)
    return f"storied_{key_id}_{secret}", kept


class ApiKeys:
    """Verifies keys that `new_key` made, sent as ``Authorization: Bearer …`` or ``X-API-Key: …``."""

    schemes: ClassVar[Mapping[str, Any]] = {
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    """How a client sends a key, as OpenAPI says it."""

    def __init__(self, keys: Iterable[ApiKey], *, clock: Callable[[], float] = time.time) -> None:
        self._keys = {key.id: key for key in keys}
        self._clock = clock

    @classmethod
    def load(cls, path: Path) -> ApiKeys:
        """The keys in a TOML file of ``[[key]]`` tables, as ``storied keys`` writes it. Raises `DefinitionError`."""
        try:
            return cls(_KeysFile.read(path).key)
        except OSError as error:
            raise DefinitionError(f"the keys in {path} cannot be read: {error}. Correct the path.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise DefinitionError(f"{path} is no file of keys: {error}. Mend it.") from error

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        """As `Verifier` says."""
        found = _KEY.fullmatch(headers.get("x-api-key") or bearer(headers) or "")
        if found is None:
            return None
        key = self._keys.get(found[1])
        # An unknown id takes as long as a wrong secret.
        matches = hmac.compare_digest(_hash(found[2]), _NOBODY if key is None else key.sha256)
        if key is None or not matches:
            raise unauthenticated("This key is not one of ours")
        if key.expires is not None and self._clock() >= key.expires:
            raise unauthenticated("This key has expired")
        ends = {} if key.expires is None else {"exp": key.expires}
        return Principal(key.principal, key.roles, {"key": key.id, **ends})


class Verifiers:
    """Several verifiers as one: the first that gives a principal is believed."""

    def __init__(self, verifiers: Sequence[Verifier]) -> None:
        self._verifiers = tuple(verifiers)
        self.schemes: dict[str, Any] = {}
        for verifier in self._verifiers:
            self.schemes = {**self.schemes, **schemes_of(verifier)}
        self.takes_any_audience = any(map(takes_any_audience, self._verifiers))

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        """As `Verifier` says; it refuses when one refused and none gave a principal."""
        refusal: AccessDenied | None = None
        for verifier in self._verifiers:
            try:
                principal = await verifier.verify(headers)
            except AccessDenied as denied:
                refusal = refusal or denied
                continue
            if principal is not None:
                return principal
        if refusal is not None:
            raise refusal
        return None


def schemes_of(verifier: Verifier) -> Mapping[str, Any]:
    """How a client sends the credentials that the verifier reads: what its `schemes` say, or as bearer tokens."""
    schemes: Mapping[str, Any] = getattr(verifier, "schemes", {"bearer": {"type": "http", "scheme": "bearer"}})
    return schemes


def takes_any_audience(verifier: Verifier | None) -> bool:
    """Whether the verifier says that it takes tokens which were made for another app, too."""
    return bool(getattr(verifier, "takes_any_audience", False))


def credential_headers(verifier: Verifier) -> list[str]:
    """The headers, in lower case, in which the verifier finds credentials, as far as its schemes tell."""
    names: dict[str, None] = {}
    for scheme in schemes_of(verifier).values():
        match scheme:
            case {"type": "apiKey", "in": "header", "name": str(name)}:
                names[name.lower()] = None
            case {"type": "http" | "oauth2" | "openIdConnect"}:
                names["authorization"] = None
    return list(names)


async def identify(verifier: Verifier | None, headers: CredentialHeaders) -> Principal | None:
    """The principal behind the headers; None when they show no credential, or nobody verifies any.

    Raises `AccessDenied` for a credential that does not hold, or that none of the verifiers knows, and for two of them:
    nobody could say whose request it is (RFC 6750, section 2).
    """
    if verifier is None:
        return None
    shown = [name for name in credential_headers(verifier) if headers.get(name) is not None]
    if len(shown) > 1:
        raise unauthenticated(f"The request shows several credentials, in the headers {' and '.join(shown)}")
    principal = await verifier.verify(headers)
    if principal is None:
        if headers.get("authorization") is not None or headers.get("x-api-key") is not None:
            raise unauthenticated("This credential is of a kind that is not known here")
        return None
    if not is_id(principal.id):
        raise unauthenticated("The name in this credential is not up to 200 printable characters")
    return principal


def bearer(headers: CredentialHeaders) -> str | None:
    """The bearer token that the headers carry."""
    found = _BEARER.fullmatch((headers.get("authorization") or "").strip())
    return found[1] if found else None


def is_id(text: object) -> bool:
    """Whether it can name a principal, and so the actor of an event."""
    return isinstance(text, str) and 0 < len(text) <= MAX_ID_CHARACTERS and text.isprintable()


def unauthenticated(why: str) -> AccessDenied:
    """The refusal of a credential."""
    return AccessDenied(f"{why}. Send a valid one.", code="unauthenticated")


class _KeysFile(msgspec.Struct, forbid_unknown_fields=True):
    key: list[ApiKey] = []

    @classmethod
    def read(cls, path: Path) -> _KeysFile:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), cls)


def keys_file_entry(key: ApiKey) -> str:
    """The key as a table to append to a file of keys."""
    lines = [f"id = {_quoted(key.id)}", f"sha256 = {_quoted(key.sha256)}", f"principal = {_quoted(key.principal)}"]
    if key.roles:
        lines.append(f"roles = [{', '.join(map(_quoted, sorted(key.roles)))}]")
    if key.expires is not None:
        lines.append(f"expires = {key.expires}")
    return "\n".join(["[[key]]", *lines, ""])


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()  # a JSON string of printable text is a TOML string


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


_NOBODY = _hash("")
