"""The app that reads the events: their histories made known, an entity and a view that fold them."""

from storied import App, Command, Entity, Id, View, on
from storied.domain.events import event_spec, upcast
from tests.schema_evolution.eiffel import activities, artifacts, changes, checks, issues, surroundings
from tests.schema_evolution.eiffel.activities import (
    ActivityCanceled,
    ActivityFinished,
    ActivityStarted,
    ActivityTriggered,
)
from tests.schema_evolution.eiffel.artifacts import (
    ArtifactCreated,
    ArtifactDeployed,
    ArtifactPublished,
    ArtifactReused,
    CompositionDefined,
)
from tests.schema_evolution.eiffel.changes import SourceChangeCreated, SourceChangeSubmitted
from tests.schema_evolution.eiffel.checks import (
    CaseCanceled,
    CaseFinished,
    CaseStarted,
    CaseTriggered,
    RecipesCollected,
    SuiteFinished,
    SuiteStarted,
)
from tests.schema_evolution.eiffel.issues import IssueDefined, IssueVerified
from tests.schema_evolution.eiffel.surroundings import (
    AnnouncementPublished,
    ConfidenceModified,
    EnvironmentDefined,
    FlowContextDefined,
)
from tests.schema_evolution.eiffel.upcasters import History, unchanged

HISTORY: History = {
    cls: steps
    for module in (activities, artifacts, changes, checks, issues, surroundings)
    for cls, steps in module.HISTORY.items()
}
for cls, steps in HISTORY.items():
    for version in range(1, event_spec(cls).version):
        upcast(cls, version)(steps.get(version, unchanged))

UNSAID = "unsaid"
"""The version of an event that does not say which it is of."""


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

    @on(key=lambda event: event_spec(type(event)).names[-1])
    def seen(
        self,
        event: ActivityTriggered
        | ActivityStarted
        | ActivityFinished
        | ActivityCanceled
        | AnnouncementPublished
        | ArtifactCreated
        | ArtifactPublished
        | ArtifactDeployed
        | ArtifactReused
        | CaseTriggered
        | CaseStarted
        | CaseFinished
        | CaseCanceled
        | CompositionDefined
        | ConfidenceModified
        | EnvironmentDefined
        | FlowContextDefined
        | IssueDefined
        | IssueVerified
        | RecipesCollected
        | SourceChangeCreated
        | SourceChangeSubmitted
        | SuiteStarted
        | SuiteFinished,
    ) -> None:
        version = event.meta.version if event.meta else UNSAID
        self.versions[version] = self.versions.get(version, 0) + 1
