"""What tests need: scenarios without a store, clocks, waiting, and the contract suites that every engine passes."""

from storied.testing.clocks import ManualClock
from storied.testing.scenarios import Outcome, Refusal, Scenario, given

__all__ = ["ManualClock", "Outcome", "Refusal", "Scenario", "given"]
