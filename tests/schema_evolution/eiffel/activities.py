"""Activities: triggered, started, finished or canceled."""

import msgspec

from storied.domain.events import Event, Payload
from tests.schema_evolution.eiffel.parts import Canceled, Custom, Link, LiveLog, Log, Meta, Outcome, Part, Trigger
from tests.schema_evolution.eiffel.upcasters import (
    History,
    beside,
    security_without_sdm,
    serializer_by_purl,
    serializer_then_security,
)


class OpenOutcome(Outcome, forbid_unknown_fields=False):
    """An activity's outcome may say more than was agreed on."""


class Triggered(Part):
    name: str
    categories: list[str] = []
    triggers: list[Trigger] = []
    execution_type: str = ""
    custom_data: list[Custom] = []


class Started(Part):
    execution_uri: str = ""
    live_logs: list[LiveLog] = []
    custom_data: list[Custom] = []


class Finished(Part):
    outcome: OpenOutcome = msgspec.field(default_factory=OpenOutcome)
    persistent_logs: list[Log] = []
    custom_data: list[Custom] = []


class ActivityTriggered(Event, name="EiffelActivityTriggeredEvent", version=10, forbid_unknown_fields=True):
    meta: Meta
    data: Triggered
    links: list[Link]


class ActivityStarted(Event, name="EiffelActivityStartedEvent", version=10, forbid_unknown_fields=True):
    meta: Meta
    data: Started
    links: list[Link]


class ActivityFinished(Event, name="EiffelActivityFinishedEvent", version=10, forbid_unknown_fields=True):
    meta: Meta
    data: Finished
    links: list[Link]


class ActivityCanceled(Event, name="EiffelActivityCanceledEvent", version=9, forbid_unknown_fields=True):
    meta: Meta
    data: Canceled
    links: list[Link]


def undeclared_beside(payload: Payload) -> Payload:
    """The event was closed to what it does not declare: what was said there is kept beside."""
    for key in sorted(payload.keys() - {"meta", "data", "links"}):
        beside(payload, key, payload.pop(key))
    return payload


HISTORY: History = {
    ActivityTriggered: {2: serializer_by_purl, 4: security_without_sdm},
    ActivityStarted: {2: serializer_by_purl, 4: security_without_sdm},
    ActivityFinished: serializer_then_security(2),
    ActivityCanceled: serializer_then_security(2) | {6: undeclared_beside},
}
