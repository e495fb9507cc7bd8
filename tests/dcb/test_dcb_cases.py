"""The worked cases of the Dynamic Consistency Boundary specification, without a store and on both engines."""

import json
import os
from pathlib import Path

import pytest

from storied import Fact, Rejected
from storied.testing import ManualClock, given
from storied.testing.scenarios import NOW
from tests.dcb.cases import CASES, EXPIRED, Case

ALL = pytest.mark.parametrize("case", [*CASES, EXPIRED], ids=lambda case: case.name)


@ALL
def test_a_case_passes_without_a_store(case: Case) -> None:
    """What the example demands comes out of given/when/then."""
    facts = [Fact(event, occurred_at=NOW - age) for event, age in case.given]
    outcome = given(*facts, app=case.app).when(case.command)
    if isinstance(case.expected, str):
        assert outcome.refusal is not None
        assert outcome.refusal.message == case.expected
    else:
        outcome.then(case.expected)


@ALL
@pytest.mark.parametrize("engine", ["memory", "sqlite"])
async def test_a_case_passes_through_a_store(case: Case, engine: str, tmp_path: Path) -> None:
    """What the example demands comes out of a store whose clock was set to the times of the given events."""
    clock = ManualClock()
    url = "memory://" if engine == "memory" else f"sqlite:///{tmp_path}/dcb.db"
    async with case.app.open(url, clock=clock) as app:
        for event, age in case.given:
            clock.now = NOW - age
            await app.record(event)
        clock.now = NOW
        if isinstance(case.expected, str):
            with pytest.raises(Rejected) as refused:
                await app.execute(case.command)
            assert refused.value.message == case.expected
            assert await app.store.head() == len(case.given)
            return
        receipt = await app.execute(case.command)
        [stored] = await app.store.read(after=len(case.given)).list()
        assert receipt.position == stored.position
        assert app.decode(stored) == case.expected


def test_no_case_of_the_specification_is_missing() -> None:
    """The cases here are those that the specification's own file names, where that file is at hand."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "dcb_cases.json"
    place = Path(os.environ.get("STORIED_DCB_CASES", beside))
    if not place.exists():
        pytest.skip("the specification's cases are not at hand; set STORIED_DCB_CASES to their JSON file")
    examples = json.loads(place.read_text())["examples"]
    assert [case.name for case in CASES] == [case["description"] for e in examples for case in e["cases"]]
