"""Every error survives a trip to another process with its code, its data and its sentence."""

import pickle

import pytest

from storied import errors
from storied.errors import StoriedError

EXAMPLES: list[StoriedError] = [
    StoriedError("Something. Do something."),
    errors.Rejected("no-money", "account a is empty", account="a"),
    errors.Conflict(after=1, position=2, type="Paid", tags=("a:1",), actor="anna"),
    errors.Outdated(1, (errors.Between(2, "Paid", ("a:1",), "anna"),), more=True),
    errors.UnknownOutcome("one", "the connection was lost"),
    errors.AppendIdReused("one", 7),
    errors.DefinitionError("Define it."),
    errors.InvalidInput("Put it otherwise.", code="empty-append"),
    errors.InvalidEvent("Make it small.", code="too-large"),
    errors.InvalidCommand("Command otherwise."),
    errors.InvalidQuery("Ask otherwise."),
    errors.AccessDenied("Say who you are.", code="unauthenticated"),
    errors.RequestRefused("not-found", "Look elsewhere.", headers={"Allow": "GET"}, data={"at": 1}),
    errors.DecodeError(position=1, type="Paid", version=2, reason="no"),
    errors.ViewError("See to the view."),
    errors.NotCaughtUp("Orders", wanted=9, position=7, timeout=1.5),
    errors.ViewFailed("Orders", position=7, type="Paid", reason="no"),
    errors.PastUnready("Ask again.", code="past-busy"),
    errors.KeyParked("Orders", key="o-1", position=7, type="Paid", reason="no"),
    errors.ViewRebuilding("Orders", "no"),
    errors.NotIndexed("Orders", "total", ("status",)),
    errors.StoreError("See to the store."),
    errors.StoreUnavailable("Start it.", code="not-a-store"),
    errors.StoreFenced("it is gone", moved=True),
    errors.StoreClosed(),
    errors.StoreCorrupt("Restore it.", position=7),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: StoriedError) -> None:
    """Type, sentence, code and data are the same on the other side."""
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.code, vars(back)) == (type(error), str(error), error.code, vars(error))


@pytest.mark.parametrize("error", EXAMPLES[1:], ids=lambda error: type(error).__name__)
def test_a_sentence_ends_in_a_full_stop_or_is_the_user_s(error: StoriedError) -> None:
    """What storied says about an error is whole sentences."""
    assert str(error).endswith(".") or isinstance(error, errors.Rejected)


def test_every_error_has_an_example_here() -> None:
    """A new error is added to this list."""
    known = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, StoriedError)}
    assert known == {type(error) for error in EXAMPLES}


def test_what_another_process_has_told_survives_pickling() -> None:
    """A view's failure is worded by whoever met it."""
    told = pickle.loads(pickle.dumps(errors.ViewFailed("Orders", position=7, told="view Orders stopped. Mend it.")))
    assert (str(told), told.position, told.code) == ("view Orders stopped. Mend it.", 7, "view-failed")
