"""What stands inside the events of several kinds."""

from typing import Annotated, Any

import msgspec

from storied.domain.tags import Tag


class Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """What stands inside an event: nothing that is not declared."""


class IntegrityProtection(Part):
    signature: str
    alg: str
    public_key: str = ""


class SequenceProtection(Part):
    sequence_name: str
    position: int


class Security(Part):
    author_identity: str
    integrity_protection: IntegrityProtection | None = None
    sequence_protection: list[SequenceProtection] = []


class Source(Part):
    domain_id: str = ""
    host: str = ""
    name: str = ""
    serializer: str = ""
    uri: str = ""


class Meta(Part):
    id: Annotated[str, Tag("event")]
    type: str
    version: str
    time: int
    tags: list[str] = []
    source: Source = msgspec.field(default_factory=Source)
    security: Security | None = None
    schema_uri: str = ""


class Link(Part):
    type: str
    target: Annotated[str, Tag("event")]
    domain_id: str = ""


class Custom(Part):
    key: str
    value: Any


class Remarks(Part):
    """The data of an event that says all by its links."""

    custom_data: list[Custom] = []


class Person(Part):
    name: str = ""
    email: str = ""
    id: str = ""
    group: str = ""


class Digest(Part):
    alg: str
    digest: str


class LiveLog(Part):
    name: str
    uri: str
    media_type: str = ""
    tags: list[str] = []


class Log(LiveLog):
    integrity_protection: Digest | None = None


class Trigger(Part):
    type: str
    description: str = ""


class Canceled(Part):
    reason: str = ""
    custom_data: list[Custom] = []


class Metric(Part):
    name: str
    value: Any


class Outcome(Part):
    verdict: str = ""
    conclusion: str = ""
    description: str = ""
    metrics: list[Metric] = []
