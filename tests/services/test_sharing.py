"""What several processes measure is one sum: exact, whoever is asked, and also when one of them has died."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import httpx
import pytest

from storied.services.telemetry.metrics import Counter, Gauge, Histogram, exposition
from storied.services.telemetry.observing import Meters
from storied.services.telemetry.sharing import PAGE, Shared, Sheet, new_sheet
from storied.testing.waiting import eventually
from tests.services.processes import APP, Client, Program, free_port, running
from tests.services.test_processes import children, go_on

LINE = re.compile(r'([a-z_]+(?:\{[^{}"]+="(?:[^"\\]|\\.)*"(?:,[^{}"]+="(?:[^"\\]|\\.)*")*\})?) (-?[0-9.e+-]+|\+Inf)')


def told(text: str) -> dict[str, float]:
    """Each series with its value. Each stands there once, below the help and the type of its metric."""
    found: dict[str, float] = {}
    for block in text.split("# HELP ")[1:]:
        help_, type_, *lines = block.splitlines()
        name = help_.split(" ")[0]
        assert type_.startswith(f"# TYPE {name} ")
        for line in lines:
            matched = LINE.fullmatch(line)
            assert matched is not None, line
            assert matched[1].startswith(name)
            assert matched[1] not in found
            found[matched[1]] = float(matched[2])
    return found


async def scraped(address: str) -> dict[str, float]:
    """The metrics that whichever process takes the connection tells."""
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 200
        return told(answer.text)


def servers_of(program: Program) -> list[int]:
    """Those of its processes that serve."""
    return [pid for pid in children(program.pid) if b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def replace_servers_of(program: Program) -> None:
    """Kills them, and returns once others run in their place."""
    before = servers_of(program)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: len(set(servers_of(program)) - set(before)) == len(before), timeout=30)


@pytest.mark.timeout(120)
async def test_every_process_tells_the_sum_of_all(tmp_path: Path) -> None:
    """And those that are started again in the place of dead ones count on, but have no request under way."""
    made = 0
    server = Program("serve", APP, "--store", str(tmp_path / "a.db"), "--port", str(free_port()), "--processes", "2")

    async def make(address: str, count: int) -> None:
        nonlocal made
        for _ in range(count):
            made += 1
            async with httpx.AsyncClient(base_url=address, timeout=30) as client:  # whoever takes the connection
                assert (await client.post("/tallies/a/marks", json={"mark": str(made)})).status_code == 200

    async with running(server):
        address = server.told["address"]
        await eventually(lambda: len(servers_of(server)) == 2, timeout=30)
        await make(address, 20)
        for _ in range(3):
            for _ in range(10):
                found = await scraped(address)
                assert found["storied_appends_total"] == found["storied_events_stored_total"] == made
                posts = 'method="POST",route="/tallies/{tally}/marks"'
                assert found[f'storied_http_requests_total{{{posts},status="200"}}'] == made
                assert found[f"storied_http_request_seconds_count{{{posts}}}"] == made
                assert found[f'storied_http_request_seconds_bucket{{{posts},le="+Inf"}}'] == made
                assert (found["storied_http_requests_in_flight"], found["storied_http_streams_open"]) == (1, 0)
            async with (
                httpx.AsyncClient(base_url=address, timeout=30) as client,
                client.stream("GET", "/tallies", headers={"Accept": "text/event-stream"}) as stream,
            ):
                assert stream.status_code == 200
                found = await scraped(address)
                assert (found["storied_http_requests_in_flight"], found["storied_http_streams_open"]) == (2, 1)
                await replace_servers_of(server)
            await make(address, 5)


@pytest.mark.timeout(120)
async def test_no_counter_ever_goes_back(tmp_path: Path) -> None:
    """Under load, while each process is killed: Prometheus would take it for a reset."""
    server = Program("serve", APP, "--store", str(tmp_path / "a.db"), "--port", str(free_port()), "--processes", "2")
    until = asyncio.Event()
    scrapes: list[dict[str, float]] = []

    async def scrape() -> None:
        while not until.is_set():
            try:
                scrapes.append(await scraped(server.told["address"]))
            except httpx.TransportError:  # of the process that was killed
                await asyncio.sleep(0.01)

    async with running(server):
        clients = [Client(f"c{n}", server.told["address"]) for n in range(3)]
        load = [asyncio.create_task(client.insist(until)) for client in clients]
        scraping = asyncio.create_task(scrape())
        await go_on(clients, 5)
        for pid in servers_of(server):
            os.kill(pid, signal.SIGKILL)
            await go_on(clients, 5)
        until.set()
        await asyncio.wait_for(asyncio.gather(*load, scraping), 60)
        last = await scraped(server.told["address"])
        assert last["storied_appends_total"] >= sum(len(client.acknowledged) for client in clients)
    assert len(scrapes) > 5
    for before, after in zip(scrapes, [*scrapes[1:], last], strict=True):
        back = [name for name, value in before.items() if is_counted(name) and after.get(name, 0) < value]
        assert back == []


def is_counted(name: str) -> bool:
    """Whether the series may only grow."""
    return re.match(r"[a-z_]+(_total|_bucket|_sum|_count)(\{|$)", name) is not None


def test_a_sheet_outlives_who_writes_on_it() -> None:
    """Counts go on from where they were; gauges begin anew."""
    own, other = new_sheet(), new_sheet()
    first, second = Meters(Shared([own, other])), Meters(Shared([other, own]))
    first.stored(3)
    second.stored(4)
    second.seconds.observe(0.02, ("GET", "/"))
    first.in_flight.set(5)
    second.in_flight.set(2)
    told_of_both = exposition(first.all())
    assert told_of_both == exposition(second.all())
    assert b"\nstoried_events_stored_total 7\n" in told_of_both
    assert b"\nstoried_http_requests_in_flight 7\n" in told_of_both
    Sheet(own).leave()
    assert b"\nstoried_http_requests_in_flight 2\n" in exposition(second.all())
    again = Meters(Shared([own, other]))
    again.stored(1)
    assert b"\nstoried_events_stored_total 8\n" in exposition(second.all())
    assert b"\nstoried_appends_total 3\n" in exposition(again.all())


def test_a_sheet_has_room_for_every_route() -> None:
    """It gets as many pages as it needs, and who reads along sees each number of each."""
    sheet = new_sheet()
    shared, along = Shared([sheet]), Sheet(sheet)
    counter, gauge = Counter("a", "As.", ("route", "é"), shared.room), Gauge("b", "Bs.", (), shared.room)
    histogram = Histogram("c", "Cs.", ("route",), shared.room)
    gauge.set(0.5)
    count = 0
    while os.fstat(sheet).st_size < 3 * PAGE:
        count += 1
        counter.add((f"/{'x' * (count % 97)}/{count}", '"\n'))
        histogram.observe(count / 100, (f"/{count}",))
        if count % 100 == 0:
            assert len(along.cells()) == 2 * count + 1
    own = exposition([counter, gauge, histogram])
    assert exposition(shared.sums([counter, gauge, histogram])) == own
    assert exposition(Shared([sheet]).sums([counter, gauge, histogram])) == own


def test_what_a_process_died_over_is_written_over() -> None:
    """A record without its head is none, whatever stands behind the head's place."""
    sheet = new_sheet()
    os.pwrite(sheet, bytes(8) + b"\xff" * 1000 + bytes(PAGE - 1008) + b"a page that was not finished", 0)
    shared = Shared([sheet])
    counter = Counter("a", "As.", (), shared.room)
    counter.add((), 2)
    assert exposition(shared.sums([counter])) == exposition([counter])
    assert counter.values[()][0] == 2


def test_numbers_of_another_version_are_left_out() -> None:
    """A process that is started again may be one with other labels or buckets."""
    sheet = new_sheet()
    old = Shared([sheet])
    Histogram("c", "Cs.", (), old.room, edges=(1, 2)).observe(1)
    Counter("a", "As.", ("x",), old.room).add(("1",))
    Counter("gone", "Gone.", (), old.room).add()
    new = Shared([sheet])
    metrics = [Histogram("c", "Cs.", (), new.room, edges=(1,)), Counter("a", "As.", (), new.room)]
    metrics[0].at(())
    metrics[1].at(())
    assert exposition(new.sums(metrics)) == exposition(metrics)
