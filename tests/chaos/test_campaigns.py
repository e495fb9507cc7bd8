"""A few cycles of each campaign: what `./dev chaos` does for minutes, in seconds."""

import pytest

from chaos import cancel, fsync, http, kill, reading
from chaos.reporting import Progress

QUIET = Progress("", silent=True)


def test_nothing_is_lost_when_the_writer_is_killed() -> None:
    """Acknowledged appends outlive kill -9, and unanswered ones are stored once when they are repeated."""
    result = kill.campaign(8, 1, QUIET)
    assert not result.violations
    assert result.acknowledged > 0


def test_nothing_is_lost_when_a_sync_fails() -> None:
    """A failed sync fences the store; what is unknown is stored once when it is repeated."""
    with fsync.injectors() as found:
        if not found:
            pytest.skip("neither gcc nor a working strace is here to make a sync fail")
    result = fsync.campaign(QUIET, every=9, kinds=1)
    assert not result.violations
    assert min(result.fenced, result.unknown, result.found_stored) > 0


def test_nothing_is_left_behind_by_a_cancellation() -> None:
    """No thread, no task and nobody waiting is left, and a repeat by its id is stored once."""
    result = cancel.campaign(QUIET)
    assert not result.violations
    assert result.cancellations > 20


def test_nobody_reads_less_than_they_have_written() -> None:
    """Over three processes, one of which is killed on the way, each write is read back."""
    result = reading.campaign(320, 1, QUIET)
    assert not result.violations
    assert result.pairs == 320


def test_the_services_are_as_they_describe_themselves() -> None:
    """Requests made from the description, right and wrong ones, are answered as it says; none makes a server fail."""
    result = http.campaign(5, 1, QUIET)
    assert not result.violations, "\n".join(result.violations)
    assert {200, 201, 400, 404, 422} <= result.by_status.keys()
