"""Who is started again, how soon, and when everything stops instead."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from storied.services.serving import supervising
from storied.services.serving.supervising import (
    HEALTHY_SECONDS,
    LONGEST_PAUSE,
    TRIES,
    Program,
    Supervisor,
    Tries,
    ended,
)
from storied.testing.waiting import eventually


def pauses(tries: Tries, count: int, *, hopeless: bool = False, others_serve: bool = False) -> list[float | None]:
    """What follows when it dies young so many times."""
    return [tries.pause(0.5, hopeless=hopeless, others_serve=others_serve) for _ in range(count)]


def test_who_dies_young_is_started_later_each_time_and_in_the_end_not_at_all() -> None:
    """So that what will not run is seen."""
    assert pauses(Tries(), TRIES) == [0.1, 0.2, 0.4, 0.8, None]


def test_who_has_lived_well_is_started_at_once_and_has_all_its_tries() -> None:
    """However often it died before."""
    tries = Tries()
    pauses(tries, TRIES - 1)
    assert tries.pause(HEALTHY_SECONDS + 1, hopeless=True, others_serve=False) == 0.1
    assert pauses(tries, TRIES) == [0.1, 0.2, 0.4, 0.8, None]


def test_what_another_start_would_not_change_is_not_tried_again() -> None:
    """An app that cannot be imported."""
    assert pauses(Tries(), 1, hopeless=True) == [None]


def test_who_serves_is_not_stopped_for_who_cannot() -> None:
    """What cannot be started any more, as after a deploy that went wrong, is tried for ever, but not often."""
    found = pauses(Tries(), 100, hopeless=True, others_serve=True)
    assert None not in found
    assert found[-1] == LONGEST_PAUSE


def test_it_is_stopped_when_nobody_served_as_the_deaths_began() -> None:
    """Who came to serve meanwhile may be about to die, too."""
    tries = Tries()
    tries.pause(0.5, hopeless=False, others_serve=False)
    assert pauses(tries, TRIES - 1, others_serve=True)[-1] is None


@pytest.mark.parametrize(
    ("code", "how"),
    [(0, "ended with 0"), (3, "ended with 3"), (-9, "was ended by SIGKILL"), (-99, "was ended by signal 99")],
)
def test_how_a_process_ended_is_said_in_words(code: int, how: str) -> None:
    """Who is out of memory is killed, and the number of a signal is known to few."""
    assert ended(code) == how


@pytest.mark.timeout(60)
async def test_servers_go_on_when_one_cannot_be_started_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """More often than what gives up at the start; and all end when they are told to."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(supervising, "HEALTHY_SECONDS", 0.3)
    monkeypatch.setattr(supervising, "LONGEST_PAUSE", 0.05)
    waits = "import os; os.write(0, b's'); os.read(0, 1)"
    broken = tmp_path / "broken"
    fails = f"import os, sys; sys.exit(2) if os.path.exists({str(broken)!r}) else None; {waits}"
    programs = [
        Program(name, (sys.executable, "-c", code), hopeless=(2,))
        for name, code in (("server 1", waits), ("server 2", fails))
    ]
    turned_away: list[int] = []

    async def turn_away(listening: socket.socket) -> None:
        turned_away.append(listening.fileno())

    started = asyncio.Event()
    with socket.socket() as holding:
        holding.bind(("127.0.0.1", 0))
        supervisor = Supervisor(programs, holding, turn_away)
        running = asyncio.create_task(supervisor.run(started.set))
        await started.wait()
        loop = asyncio.get_running_loop()
        await eventually(lambda: len(supervisor._running) == 2 and supervisor._serves(loop.time()))
        broken.touch()
        supervisor._running["server 2"].signal(signal.SIGKILL)
        await eventually(lambda: caplog.text.count("server 2 ended with 2; it is started again") > 2 * TRIES, 30)
        assert not running.done()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0
    assert len(turned_away) == 1
    assert "server 2 was ended by SIGKILL; it is started again" in caplog.text
    assert "told to stop by SIGTERM" in caplog.text
