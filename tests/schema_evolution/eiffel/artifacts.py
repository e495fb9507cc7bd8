"""Artifacts: created, published, deployed, reused, and put together."""

from storied.domain.events import Event, Payload
from tests.schema_evolution.eiffel.parts import Custom, Digest, Link, Meta, Part, Remarks
from tests.schema_evolution.eiffel.upcasters import (
    History,
    purl,
    security_without_sdm,
    serializer_by_purl,
    serializer_then_security,
)


class File(Part):
    name: str
    tags: list[str] = []
    integrity_protection: Digest | None = None


class Artifact(Part):
    identity: str
    file_information: list[File] = []
    build_command: str = ""
    requires_implementation: str = ""
    depends_on: list[str] = []
    implements: list[str] = []
    name: str = ""
    custom_data: list[Custom] = []


class Location(Part):
    type: str
    uri: str
    name: str = ""


class Publication(Part):
    locations: list[Location]
    custom_data: list[Custom] = []


class Deployment(Part):
    description: str = ""
    uri: str = ""
    custom_data: list[Custom] = []


class Composition(Part):
    name: str
    version: str = ""
    custom_data: list[Custom] = []


class ArtifactCreated(Event, name="EiffelArtifactCreatedEvent", version=10, forbid_unknown_fields=True):
    meta: Meta
    data: Artifact
    links: list[Link]


class ArtifactPublished(Event, name="EiffelArtifactPublishedEvent", version=9, forbid_unknown_fields=True):
    meta: Meta
    data: Publication
    links: list[Link]


class ArtifactDeployed(Event, name="EiffelArtifactDeployedEvent", version=3, forbid_unknown_fields=True):
    meta: Meta
    data: Deployment
    links: list[Link]


class ArtifactReused(Event, name="EiffelArtifactReusedEvent", version=8, forbid_unknown_fields=True):
    meta: Meta
    data: Remarks
    links: list[Link]


class CompositionDefined(Event, name="EiffelCompositionDefinedEvent", version=9, forbid_unknown_fields=True):
    meta: Meta
    data: Composition
    links: list[Link]


def artifacts_by_purl(payload: Payload) -> Payload:
    """Artifacts are named by package URLs, files by their names."""
    data = serializer_by_purl(payload)["data"]
    data["identity"] = purl(data.pop("gav"))
    for name in ("dependsOn", "implements"):
        data[name] = [purl(each) for each in data.get(name, ())]
    data["fileInformation"] = [
        {"name": f"{each['classifier']}.{each['extension']}"} for each in data.get("fileInformation", ())
    ]
    return payload


HISTORY: History = {
    ArtifactCreated: {2: artifacts_by_purl, 3: security_without_sdm},
    ArtifactPublished: serializer_then_security(2),
    ArtifactDeployed: {},
    ArtifactReused: serializer_then_security(2),
    CompositionDefined: serializer_then_security(2),
}
