"""Tests: their recipes, cases and suites."""

import msgspec

from storied.domain.events import Event, Payload
from tests.schema_evolution.eiffel.parts import Canceled, Custom, Link, LiveLog, Log, Meta, Outcome, Part, Trigger
from tests.schema_evolution.eiffel.upcasters import History, serializer_then_security


class Finished(Part):
    outcome: Outcome = msgspec.field(default_factory=Outcome)
    persistent_logs: list[Log] = []
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


class StartedCase(Part):
    executor: str = ""
    live_logs: list[LiveLog] = []
    custom_data: list[Custom] = []


class StartedSuite(Part):
    name: str
    categories: list[str] = []
    types: list[str] = []
    live_logs: list[LiveLog] = []
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


class CaseTriggered(Event, name="EiffelTestCaseTriggeredEvent", version=12, forbid_unknown_fields=True):
    meta: Meta
    data: TriggeredCase
    links: list[Link]


class CaseStarted(Event, name="EiffelTestCaseStartedEvent", version=9, forbid_unknown_fields=True):
    meta: Meta
    data: StartedCase
    links: list[Link]


class CaseFinished(Event, name="EiffelTestCaseFinishedEvent", version=12, forbid_unknown_fields=True):
    meta: Meta
    data: Finished
    links: list[Link]


class CaseCanceled(Event, name="EiffelTestCaseCanceledEvent", version=8, forbid_unknown_fields=True):
    meta: Meta
    data: Canceled
    links: list[Link]


class SuiteStarted(Event, name="EiffelTestSuiteStartedEvent", version=10, forbid_unknown_fields=True):
    meta: Meta
    data: StartedSuite
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


def complete_metrics(payload: Payload) -> Payload:
    """A metric has to have both its name and its value."""
    for metric in payload["data"]["outcome"].get("metrics", ()):
        metric.setdefault("name", "")
        metric.setdefault("value", None)
    return payload


def constraints_as_list(payload: Payload) -> Payload:
    """A recipe's constraints, an object of anything before, became keys with values."""
    for batch in payload["data"].get("batches", ()):
        for recipe in batch["recipes"]:
            constraints = recipe.pop("constraints", {})
            recipe["constraints"] = [{"key": key, "value": value} for key, value in constraints.items()]
    return payload


HISTORY: History = {
    CaseTriggered: serializer_then_security(2),
    CaseStarted: serializer_then_security(2),
    CaseFinished: {1: complete_metrics} | serializer_then_security(3),
    CaseCanceled: serializer_then_security(2),
    SuiteStarted: serializer_then_security(2),
    SuiteFinished: serializer_then_security(2),
    RecipesCollected: {1: constraints_as_list} | serializer_then_security(3),
}
