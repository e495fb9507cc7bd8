"""Eight event types of the Eiffel protocol as today's classes, and what leads to them from every published version.

The classes take the newest shape and nothing beside it, so an upcaster that forgets a field is found. A version is the
place of the published one in its type's history: 1.0.0 is 1, 1.0.1 is 2, and so on.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from storied import App, Command, Entity, Event, Id, View, on
from storied.domain.events import Payload, event_spec, upcast
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


class Digest(Part):
    alg: str
    digest: str


class Log(Part):
    name: str
    uri: str
    media_type: str = ""
    tags: list[str] = []
    integrity_protection: Digest | None = None


class Metric(Part):
    name: str
    value: Any


class Outcome(Part):
    verdict: str = ""
    conclusion: str = ""
    description: str = ""
    metrics: list[Metric] = []


class Finished(Part):
    outcome: Outcome = msgspec.field(default_factory=Outcome)
    persistent_logs: list[Log] = []
    custom_data: list[Custom] = []


class Trigger(Part):
    type: str
    description: str = ""


class Triggered(Part):
    name: str
    categories: list[str] = []
    triggers: list[Trigger] = []
    execution_type: str = ""
    custom_data: list[Custom] = []


class Case(Part):
    id: str
    tracker: str = ""
    version: str = ""
    uri: str = ""


class Parameter(Part):
    name: str
    value: str


class TriggeredCase(Part):
    test_case: Case
    recipe_id: str = ""
    triggers: list[Trigger] = []
    execution_type: str = ""
    parameters: list[Parameter] = []
    custom_data: list[Custom] = []


class Strategy(Part):
    id: str
    tracker: str = ""
    uri: str = ""


class Recipe(Part):
    id: str
    test_case: Case
    constraints: list[Custom] = []


class Dependency(Part):
    dependent: str
    dependency: str


class Batch(Part):
    priority: int
    recipes: list[Recipe]
    name: str = ""
    dependencies: list[Dependency] = []


class Recipes(Part):
    selection_strategy: Strategy
    batches_uri: str = ""
    batches: list[Batch] = []
    custom_data: list[Custom] = []


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


class Verified(Part):
    custom_data: list[Custom] = []


class ActivityFinished(Event, name="EiffelActivityFinishedEvent", version=10, forbid_unknown_fields=True):
    meta: Meta
    data: Finished
    links: list[Link]


class ActivityTriggered(Event, name="EiffelActivityTriggeredEvent", version=10, forbid_unknown_fields=True):
    meta: Meta
    data: Triggered
    links: list[Link]


class ArtifactCreated(Event, name="EiffelArtifactCreatedEvent", version=10, forbid_unknown_fields=True):
    meta: Meta
    data: Artifact
    links: list[Link]


class IssueVerified(Event, name="EiffelIssueVerifiedEvent", version=11, forbid_unknown_fields=True):
    meta: Meta
    data: Verified
    links: list[Link]


class CaseFinished(Event, name="EiffelTestCaseFinishedEvent", version=12, forbid_unknown_fields=True):
    meta: Meta
    data: Finished
    links: list[Link]


class CaseTriggered(Event, name="EiffelTestCaseTriggeredEvent", version=12, forbid_unknown_fields=True):
    meta: Meta
    data: TriggeredCase
    links: list[Link]


class SuiteFinished(Event, name="EiffelTestSuiteFinishedEvent", version=11, forbid_unknown_fields=True):
    meta: Meta
    data: Finished
    links: list[Link]


class RecipesCollected(  # today's name is ours; every event of the protocol has the former one
    Event, formerly="EiffelTestExecutionRecipeCollectionCreatedEvent", version=12, forbid_unknown_fields=True
):
    meta: Meta
    data: Recipes
    links: list[Link]


def purl(gav: Mapping[str, str]) -> str:
    """A package URL for Maven's three coordinates."""
    return f"pkg:maven/{gav['groupId']}/{gav['artifactId']}@{gav['version']}"


def serializer_by_purl(payload: Payload) -> Payload:
    """The serializer's coordinates became a package URL."""
    source = payload["meta"].get("source", {})
    if "serializer" in source:
        source["serializer"] = purl(source["serializer"])
    return payload


def security_without_sdm(payload: Payload) -> Payload:
    """The author moved up; an encrypted digest without its algorithm cannot become a signature, and ends here."""
    sdm = payload["meta"].pop("security", {}).get("sdm")
    if sdm:
        payload["meta"]["security"] = {"authorIdentity": sdm["authorIdentity"]}
    return payload


def complete_metrics(payload: Payload) -> Payload:
    """A metric has to have both its name and its value."""
    for metric in payload["data"]["outcome"].get("metrics", ()):
        metric.setdefault("name", "")
        metric.setdefault("value", None)
    return payload


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


def issues_beside(payload: Payload) -> Payload:
    """Issues became links to events of their own, which old events lack: what was said of them is kept beside."""
    data = payload["data"]
    data.setdefault("customData", []).append({"key": "issues", "value": data.pop("issues")})
    return payload


def constraints_as_list(payload: Payload) -> Payload:
    """A recipe's constraints, an object of anything before, became keys with values."""
    for batch in payload["data"].get("batches", ()):
        for recipe in batch["recipes"]:
            constraints = recipe.pop("constraints", {})
            recipe["constraints"] = [{"key": key, "value": value} for key, value in constraints.items()]
    return payload


def unchanged(payload: Payload) -> Payload:
    """What the new version added is optional."""
    return payload


Step = Callable[[Payload], Payload]
HISTORY: dict[type[Event], dict[int, Step]] = {  # by the version that a step starts from, where it has to do something
    ActivityFinished: {2: serializer_by_purl, 3: security_without_sdm},
    ActivityTriggered: {2: serializer_by_purl, 4: security_without_sdm},
    ArtifactCreated: {2: artifacts_by_purl, 3: security_without_sdm},
    IssueVerified: {2: issues_beside, 3: serializer_by_purl, 4: security_without_sdm},
    CaseFinished: {1: complete_metrics, 3: serializer_by_purl, 4: security_without_sdm},
    CaseTriggered: {2: serializer_by_purl, 3: security_without_sdm},
    SuiteFinished: {2: serializer_by_purl, 3: security_without_sdm},
    RecipesCollected: {1: constraints_as_list, 3: serializer_by_purl, 4: security_without_sdm},
}
for cls, steps in HISTORY.items():
    for version in range(1, event_spec(cls).version):
        upcast(cls, version)(steps.get(version, unchanged))


class Subject(Entity, tag="event"):
    """An event of the protocol: what it says itself, and which others point to it."""

    versions: list[str] = []

    @on
    def seen(self, event: CaseFinished | RecipesCollected | ArtifactCreated) -> None:
        self.versions.append(event.meta.version)


class LookAt(Command):
    event: Id


app = App("eiffel")


@app.command()
def look(command: LookAt, event: Subject) -> None:
    """Looks, which changes nothing."""


@app.view()
class Story(View):
    type: Id
    versions: dict[str, int] = {}

    @on(key="meta.type")
    def seen(
        self,
        event: ActivityFinished
        | ActivityTriggered
        | ArtifactCreated
        | IssueVerified
        | CaseFinished
        | CaseTriggered
        | SuiteFinished
        | RecipesCollected,
    ) -> None:
        self.versions[event.meta.version] = self.versions.get(event.meta.version, 0) + 1
