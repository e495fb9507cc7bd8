"""Steps that several event types took alike, each from one published shape to the next."""

from collections.abc import Callable, Mapping

from storied.domain.events import Event, Payload

Step = Callable[[Payload], Payload]
History = dict[type[Event], dict[int, Step]]
"""By the version that a step starts from, where it has to do something."""


def unchanged(payload: Payload) -> Payload:
    """What the new version added is optional."""
    return payload


def purl(gav: Mapping[str, str]) -> str:
    """A package URL for Maven's three coordinates."""
    return f"pkg:maven/{gav['groupId']}/{gav['artifactId']}@{gav['version']}"


def serializer_by_purl(payload: Payload) -> Payload:
    """The serializer's coordinates became a package URL."""
    source = payload.get("meta", {}).get("source", {})
    if "serializer" in source:
        source["serializer"] = purl(source["serializer"])
    return payload


def security_without_sdm(payload: Payload) -> Payload:
    """The author moved up; an encrypted digest without its algorithm cannot become a signature, and ends here."""
    sdm = payload.get("meta", {}).pop("security", {}).get("sdm")
    if sdm:
        payload["meta"]["security"] = {"authorIdentity": sdm["authorIdentity"]}
    return payload


def beside(payload: Payload, key: str, value: object) -> None:
    """Keeps what has no place of its own any more among the custom data."""
    payload["data"].setdefault("customData", []).append({"key": key, "value": value})


def issues_beside(payload: Payload) -> Payload:
    """Issues became links to events of their own, which old events lack: what was said of them is kept beside."""
    if "issues" in payload["data"]:
        beside(payload, "issues", payload["data"].pop("issues"))
    return payload


def serializer_then_security(version: int) -> dict[int, Step]:
    """The two steps of nearly every type, one after the other, the first from *version*."""
    return {version: serializer_by_purl, version + 1: security_without_sdm}
