"""What the work goes on in: flow contexts, environments, announcements, and how far something is trusted."""

from storied.domain.events import Event
from tests.schema_evolution.eiffel.parts import Custom, Link, Meta, Part, Person
from tests.schema_evolution.eiffel.upcasters import History, serializer_then_security


class FlowContext(Part):
    product: str = ""
    project: str = ""
    program: str = ""
    track: str = ""
    version: str = ""
    custom_data: list[Custom] = []


class Host(Part):
    name: str
    user: str


class Environment(Part):
    name: str
    version: str = ""
    image: str = ""
    host: Host | None = None
    uri: str = ""
    custom_data: list[Custom] = []


class Announcement(Part):
    heading: str
    body: str
    severity: str
    uri: str = ""
    custom_data: list[Custom] = []


class Confidence(Part):
    name: str
    value: str
    issuer: Person | None = None
    custom_data: list[Custom] = []


class FlowContextDefined(Event, name="EiffelFlowContextDefinedEvent", version=8, forbid_unknown_fields=True):
    meta: Meta
    data: FlowContext
    links: list[Link]


class EnvironmentDefined(Event, name="EiffelEnvironmentDefinedEvent", version=9, forbid_unknown_fields=True):
    meta: Meta
    data: Environment
    links: list[Link]


class AnnouncementPublished(Event, name="EiffelAnnouncementPublishedEvent", version=8, forbid_unknown_fields=True):
    meta: Meta
    data: Announcement
    links: list[Link]


class ConfidenceModified(Event, name="EiffelConfidenceLevelModifiedEvent", version=10, forbid_unknown_fields=True):
    meta: Meta
    data: Confidence
    links: list[Link]


HISTORY: History = {
    FlowContextDefined: serializer_then_security(2),
    EnvironmentDefined: serializer_then_security(2),
    AnnouncementPublished: serializer_then_security(2),
    ConfidenceModified: serializer_then_security(2),
}
