"""Configuring: the settings of the services, from a file and from what was typed."""

from __future__ import annotations

import json
import tomllib
from argparse import ArgumentParser, Namespace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from storied.app import App
from storied.cli.failures import UsageProblem
from storied.domain.access import Verifier
from storied.domain.showing import shown
from storied.services.access.discovery import keys_of
from storied.services.access.identity import ApiKeys, Verifiers
from storied.services.settings import LOOPBACK, Settings
from storied.services.web.hosts import is_loopback


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table ``[jwt]``: which tokens hold. One file holds the keys, or they are asked of the issuer.

    Paths are relative to the settings'.
    """

    algorithms: list[str]
    issuer: str | None = None
    audience: str | None = None
    jwks: str | None = None
    pem: str | None = None
    secret: str | None = None
    roles: str = "roles"
    leeway: float = 30.0


class Configuration(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file of settings may say."""

    keys: str | None = None
    """The file of API keys."""
    jwt: Tokens | None = None


def settings_from(arguments: Namespace, app: App) -> Settings:
    """The settings that the options and the file that they name make. Raises `UsageProblem` and `DefinitionError`."""
    changed = _changed(arguments, app)
    if arguments.allow_host:
        changed["hosts"] = (*changed["hosts"], *arguments.allow_host)
    host = _as_host(arguments.host)
    if changed["hosts"] == LOOPBACK and host not in LOOPBACK:
        changed["hosts"] = (*LOOPBACK, host)
    changed["access_log"] = not arguments.quiet
    _check_exposed(arguments, changed["verifier"])
    return Settings(**changed)


def described_settings(arguments: Namespace, app: App) -> Settings:
    """The settings that decide what services take and answer, wherever they listen. Raises as `settings_from`."""
    return Settings(**_changed(arguments, app))


def add_files(parser: ArgumentParser) -> None:
    """Adds ``--config`` and ``--keys``."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings, as TOML or JSON")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="API keys, as `storied keys` makes them")


def verifier_from(arguments: Namespace, app: App) -> Verifier | None:
    """Who finds out who asks: those that the files name, and the app's. Raises as `settings_from`."""
    verifier: Verifier | None = _changed(arguments, app)["verifier"]
    return verifier


def _changed(arguments: Namespace, app: App) -> dict[str, Any]:
    """What the files that are named say, by setting; whom they verify is verified beside whom the app verifies."""
    configuration, folder = Configuration(), Path()
    if arguments.config is not None:
        configuration, folder = _read(arguments.config), arguments.config.parent
    changed: dict[str, Any] = {name: getattr(configuration, name) for name in Settings.__struct_fields__}
    verifiers = _verifiers(configuration, folder)
    if arguments.keys is not None:
        verifiers.append(ApiKeys.load(arguments.keys))
    if app.verifier is not None:
        verifiers.append(app.verifier)
    if verifiers:
        changed["verifier"] = verifiers[0] if len(verifiers) == 1 else Verifiers(verifiers)
    return changed


def _check_exposed(arguments: Namespace, verifier: Verifier | None) -> None:
    """Passes what may be bound. Raises `UsageProblem` when anybody could reach it and nobody asks who they are."""
    if is_loopback(arguments.host) or verifier or arguments.insecure_no_auth:
        return
    raise UsageProblem(
        f"{arguments.host} can be reached from elsewhere, and nothing says who asks. Give --keys FILE, a [jwt] table "
        "in --config, or app.verifier; or --insecure-no-auth, which lets everybody do everything."
    )


def _read(path: Path) -> Configuration:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        if "verifier" in content:
            raise UsageProblem(f'{path} names a verifier. Write keys = "FILE" or a [jwt] table, or set app.verifier.')
        _check_names(path, content)
        return msgspec.convert(content, Configuration)
    except OSError as error:
        raise UsageProblem(f"the settings in {path} cannot be read: {error}. Correct --config.") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise UsageProblem(f"{path} holds no settings: {error}. Mend it.") from error


def _check_names(path: Path, content: Any) -> None:
    """Passes a file that names nothing which is not known. Raises `UsageProblem` that names what is."""
    jwt = content.get("jwt") if isinstance(content, dict) else None
    for table, known, where in ((content, Configuration, "setting"), (jwt, Tokens, "part of [jwt]")):
        names = [name for name in known.__struct_fields__ if name != "verifier"]
        for name in table if isinstance(table, dict) else ():
            if name not in names:
                near = get_close_matches(name, names, n=1)
                meant = f"Is {near[0]} meant? " if near else ""
                raise UsageProblem(f"{path} has {shown(name)}, which is no {where}. {meant}Known: {', '.join(names)}.")


def _verifiers(configuration: Configuration, folder: Path) -> list[Verifier]:
    verifiers: list[Verifier] = []
    if configuration.keys is not None:
        verifiers.append(ApiKeys.load(folder / configuration.keys))
    if configuration.jwt is not None:
        verifiers.append(_tokens(configuration.jwt, folder))
    return verifiers


def _tokens(given: Tokens, folder: Path) -> Verifier:
    files = [name for name in (given.jwks, given.pem, given.secret) if name is not None]
    if len(files) > 1 or (not files and given.issuer is None):
        raise UsageProblem(
            "[jwt] names one file of keys, jwks, pem or secret, or an issuer that has its own. Name one file or none."
        )
    keys = _keys_in(files[0], given, folder) if files else ()
    try:
        tokens = import_module("storied.services.access.tokens")  # an extra, which who has no tokens can do without
    except ImportError as error:
        raise UsageProblem(f"[jwt] cannot be used: {error}") from error
    if not files and tokens.SYMMETRIC & set(given.algorithms):
        raise UsageProblem("[jwt] allows an HS algorithm, whose secret no issuer tells. Name the file: secret.")
    verifier: Verifier = tokens.JwtVerifier(
        keys,
        algorithms=given.algorithms,
        issuer=given.issuer,
        audience=given.audience,
        roles=given.roles,
        leeway=given.leeway,
        fetch=None if files or given.issuer is None else keys_of(given.issuer),
    )
    return verifier


def _keys_in(name: str, given: Tokens, folder: Path) -> Any:
    """The keys in the file."""
    try:
        data = (folder / name).read_bytes()
        key: Any = json.loads(data) if given.jwks is not None else data if given.pem is not None else _secret(data)
    except (OSError, ValueError) as error:
        raise UsageProblem(f"the keys in {name} cannot be read: {error}. Correct the [jwt] table.") from error
    if given.pem is not None and b"-----BEGIN" not in key:
        raise UsageProblem(f"{name} holds no PEM. Give the provider's public key.")
    return key


def _secret(data: bytes) -> bytes:
    """The secret in a file: a text without the blanks around it, which editors add; any other bytes as they are."""
    text = data.strip()
    try:
        return text if text.decode().isprintable() else data
    except UnicodeDecodeError:
        return data


def _as_host(address: str) -> str:
    """The address as it stands in a Host header, which knows no interfaces."""
    host = address.partition("%")[0]
    return f"[{host}]" if ":" in host else host
