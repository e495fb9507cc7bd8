"""The state machine notices every bug that is planted in a store."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from storied.engines.memory.store import MemoryStore
from tests.differential.machine import DifferenceError, HistoryMachine
from tests.differential.planted import RULES, STATEMENTS
from tests.differential.sides import MemorySide

SEARCH = settings(
    max_examples=400,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    report_multiple_bugs=False,
)


@pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)
def test_a_bug_of_the_rules_is_noticed(kind: type[MemoryStore]) -> None:
    """The memory engine with the bug does not agree with the one without."""
    with pytest.raises(DifferenceError):
        run_state_machine_as_test(_against(kind), settings=SEARCH)


@pytest.mark.parametrize("bug", STATEMENTS)
def test_a_bug_of_the_statements_is_noticed(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite with the bug does not agree with memory."""
    place, name, planted = STATEMENTS[bug]
    monkeypatch.setattr(place, name, planted)
    with pytest.raises(DifferenceError):
        run_state_machine_as_test(HistoryMachine, settings=SEARCH)


def _against(planted: type[MemoryStore]) -> type[HistoryMachine]:
    class Planted(MemorySide):
        kind = planted

    class Machine(HistoryMachine):
        sides = (MemorySide, Planted)

    return Machine
