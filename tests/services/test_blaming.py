"""What the log says of requests that the server is to blame for."""

import logging

import pytest

from storied.errors import DefinitionError, NotCaughtUp, RequestRefused, StoreUnavailable, UnknownOutcome
from storied.services.telemetry.blaming import AGAIN_SECONDS, Blame
from storied.services.web.http import Request


async def nothing() -> dict[str, str]:
    """Never asked."""
    raise AssertionError


def request(name: str, route: str = "/tallies") -> Request:
    """A request with an id."""
    made = Request({"type": "http", "method": "GET", "path": "/", "headers": []}, nothing)
    made.request_id, made.route = name, route
    return made


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged."""
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable("the log is away.", code="no-log"),
        StoreUnavailable("the disk is full."),
        NotCaughtUp("TallyPage", wanted=3, position=2, timeout=1),
        RequestRefused("too-many-streams", "too many."),
    ],
)
def test_what_cannot_be_for_now_is_told_once_a_minute(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    """With how many it befell, by route, and without a trace."""
    blame = Blame(clock := Clock())
    for n in range(5):
        blame.tell(request(f"r{n}"), 503, error)
    blame.tell(request("r5", "/other"), 503, error)
    assert lines(caplog) == [f"request r0 ended with 503: {error}", f"request r5 ended with 503: {error}"]
    caplog.clear()
    clock.now = AGAIN_SECONDS
    for n in range(6, 9):
        blame.tell(request(f"r{n}"), 503, error)
    [line] = lines(caplog)
    assert line == f"request r6 ended with 503: {error} 4 others ended so since this was told."
    clock.now *= 2
    blame.tell(request("r9"), 503, error)
    assert "2 others" in lines(caplog)[-1]
    assert all(record.exc_info is None for record in caplog.records)


@pytest.mark.parametrize(
    ("error", "traced"),
    [
        (UnknownOutcome("c-1", "io-error"), False),
        (DefinitionError("it cannot be."), True),
        (ZeroDivisionError("oops"), True),
        (RequestRefused("deadline", "too late."), False),
    ],
)
def test_what_may_be_stored_is_told_for_each(
    caplog: pytest.LogCaptureFixture, error: Exception, *, traced: bool
) -> None:
    """Somebody has to find out; and with a trace where nobody expected it."""
    blame = Blame(Clock())
    for n in range(3):
        blame.tell(request(f"r{n}"), 500, error)
    assert [line.split()[1] for line in lines(caplog)] == ["r0", "r1", "r2"]
    assert [record.exc_info is not None for record in caplog.records] == [traced] * 3
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
