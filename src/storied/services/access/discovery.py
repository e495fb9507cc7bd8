"""Discovery: the keys of an OpenID provider, found from its issuer (OpenID Connect Discovery 1.0, section 4).

The provider's configuration has to name the same issuer, and everything comes over TLS, or from this machine: whoever
can put a key in between can be anybody.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, build_opener

from storied.errors import DefinitionError
from storied.services.web.hosts import is_loopback

SECONDS = 10.0
"""How long the provider may take for both of its answers."""
MOST_BYTES = 1024 * 1024
CONFIGURATION = "/.well-known/openid-configuration"


class DiscoveryFailed(Exception):
    """Why no keys were found, in a sentence."""


def keys_of(issuer: str) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    """What finds the issuer's keys, as a JWKS document, each time it is awaited: a `JwtVerifier`'s *fetch*.

    It raises `DiscoveryFailed`. Raises `DefinitionError` for an issuer that is no ``https://`` URL, or ``http://`` of
    this machine.
    """
    if not _is_safe(issuer) or urlsplit(issuer).query or urlsplit(issuer).fragment:
        raise DefinitionError(
            f"the keys of the issuer {issuer!r} cannot be found, because it is no https:// URL. Give the issuer as its "
            "provider names it, or its keys as a file."
        )

    async def fetch() -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(SECONDS):
                return await _beside(lambda: _fetched(issuer))
        except TimeoutError:
            raise DiscoveryFailed(f"{issuer} took over {SECONDS:g} s to tell its keys. See to the provider.") from None

    return fetch


async def _beside(work: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """What *work* returns, in a thread that nobody has to wait for, nor the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Mapping[str, Any]] = loop.create_future()

    def run() -> None:
        outcome: Mapping[str, Any] | Exception
        try:
            outcome = work()
        except Exception as error:  # handed to whoever waits
            outcome = error
        with suppress(RuntimeError):  # the loop may have closed
            loop.call_soon_threadsafe(settle, outcome)

    def settle(outcome: Mapping[str, Any] | Exception) -> None:
        if done.done():
            return
        if isinstance(outcome, Exception):
            done.set_exception(outcome)
        else:
            done.set_result(outcome)

    threading.Thread(target=run, name="storied-discovery", daemon=True).start()
    return await done


def _fetched(issuer: str) -> Mapping[str, Any]:
    place = issuer.rstrip("/") + CONFIGURATION
    told = _document(place)
    if told.get("issuer") != issuer:
        raise DiscoveryFailed(f"{place} is of another issuer, {told.get('issuer')!r}. Name the issuer as it does.")
    keys_at = told.get("jwks_uri")
    if not isinstance(keys_at, str) or not _is_safe(keys_at):
        raise DiscoveryFailed(f"{place} names no https:// place of its keys, but {keys_at!r}. See to the provider.")
    document = _document(keys_at)
    if not isinstance(document.get("keys"), list):
        raise DiscoveryFailed(f"{keys_at} holds no list of keys. See to the provider.")
    return document


def _document(url: str) -> dict[str, Any]:
    """The JSON object at the URL. Raises `DiscoveryFailed`."""
    try:
        with _opener(url).open(url, timeout=SECONDS) as answer:
            body = answer.read(MOST_BYTES + 1)
        found = json.loads(body) if len(body) <= MOST_BYTES else None
    except HTTPError as error:
        error.close()
        raise DiscoveryFailed(
            f"{url} answers with {error.code}. See to the provider, and to the issuer's name."
        ) from None
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise DiscoveryFailed(f"{url} cannot be read: {error}. See whether this machine reaches it.") from error
    if not isinstance(found, dict):
        raise DiscoveryFailed(f"{url} holds no JSON object of at most {MOST_BYTES} bytes. See to the provider.")
    return found


def _opener(url: str) -> OpenerDirector:
    """What opens the URL: through the system's proxy, unless it is on this machine, and never anywhere else instead."""
    return build_opener(_NoRedirects, *([ProxyHandler({})] if urlsplit(url).scheme == "http" else []))


class _NoRedirects(HTTPRedirectHandler):
    """Takes an answer that leads elsewhere for an error."""

    def redirect_request(self, *given: Any) -> None:
        """None: nothing is asked elsewhere."""


def _is_safe(url: str) -> bool:
    """Whether what comes from the URL is from whom it names: it is asked over TLS, or on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
