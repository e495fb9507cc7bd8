"""All facts about an event store in one class: what an engine's test file declares."""

from __future__ import annotations

from storied.testing.contract.appending import AppendingFacts
from storied.testing.contract.closing import ClosingFacts
from storied.testing.contract.conditions import ConditionFacts
from storied.testing.contract.content import ContentFacts, TimeFacts
from storied.testing.contract.digests import DigestFacts, IdentityFacts
from storied.testing.contract.durability import ReopeningFacts, SharingFacts
from storied.testing.contract.querying import QueryFacts
from storied.testing.contract.racing import RacingFacts
from storied.testing.contract.reading import PagingFacts, ReadingFacts
from storied.testing.contract.refusals import RefusalFacts
from storied.testing.contract.repeats import RepeatFacts
from storied.testing.contract.subscribing import SubscriptionFacts


class EventStoreContract(
    AppendingFacts,
    ConditionFacts,
    RacingFacts,
    RepeatFacts,
    QueryFacts,
    ReadingFacts,
    PagingFacts,
    SubscriptionFacts,
    ContentFacts,
    TimeFacts,
    DigestFacts,
    IdentityFacts,
    ClosingFacts,
    RefusalFacts,
):
    """What every event store does; subclass it as ``Test…`` and write `open_store`."""


class DurableStoreContract(EventStoreContract, ReopeningFacts, SharingFacts):
    """What an event store does whose log outlives the handle, and may be opened twice."""
