"""Random histories are told alike by both engines, and by a plain list."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from storied.engines.sqlite import store
from tests.differential.machine import HalvingMachine, HistoryMachine

HISTORIES = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)


@pytest.mark.timeout(240)  # finding a difference takes seconds, making it small a minute
def test_both_engines_tell_every_history_alike() -> None:
    """Receipts, refusals, pages, subscriptions and the whole log are equal, to the byte."""
    run_state_machine_as_test(HistoryMachine, settings=HISTORIES)


@pytest.mark.timeout(240)
def test_a_batch_in_halves_is_told_as_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends made at once have the same outcomes in two commits as in one; crowds are committed so."""
    monkeypatch.setattr(store, "HALVED_APPENDS", 2)
    run_state_machine_as_test(HalvingMachine, settings=HISTORIES)
