"""The services as processes of their own: killed, restarted and drained under load, they lose and double nothing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from storied.testing.waiting import eventually
from tests.services.processes import APP, Client, Program, free_port, marks_in, running
from tests.services.tally import TallyPage, app


def url_in(folder: Path) -> str:
    """The URL of a store in the folder."""
    return f"sqlite:///{folder / 'tally.db'}"


def serving(url: str, port: int, *words: str) -> Program:
    """A server at the port."""
    return Program("serve", APP, "--store", url, "--port", str(port), "--quiet", *words)


async def go_on(clients: list[Client], more: int, *, each: bool = True) -> None:
    """Returns once so many more marks were acknowledged, to each of the clients or to all together."""
    before = [len(client.acknowledged) for client in clients]

    def gained() -> list[int]:
        return [len(client.acknowledged) - count for client, count in zip(clients, before, strict=True)]

    await eventually(lambda: min(gained()) >= more if each else sum(gained()) >= more, timeout=30)


async def check_all_is_there(url: str, clients: list[Client]) -> None:
    """Each acknowledged mark is stored, each stored one was sent, none is there twice; the view says the same."""
    stored = await marks_in(url)
    assert len(stored) == len(set(stored))
    for client in clients:
        mine = [mark for mark in stored if mark.rpartition("-")[0] == client.name]
        assert set(client.acknowledged) <= set(mine)
        assert set(mine) <= {f"{client.name}-{n}" for n in range(1, client.made + 1)}
    async with app.open(url) as opened:
        head = await opened.store.head()
        for client in clients:
            page = await opened.get(TallyPage, client.name, after=head, timeout=20)
            assert page is not None
            assert page.marks == [mark for mark in stored if mark.rpartition("-")[0] == client.name]


@pytest.mark.timeout(180)
async def test_each_process_may_be_killed_under_load(tmp_path: Path) -> None:
    """kill -9 and a new start of each of the three, twice, while clients write, and read what they have written."""
    url = url_in(tmp_path)
    writing, reading = free_port(), free_port()
    commands = serving(url, writing, "--commands")
    queries = serving(url, reading, "--queries")
    worker = Program("work", APP, "--store", url)
    clients = [Client(f"c{n}", f"http://127.0.0.1:{writing}") for n in range(4)]
    until = asyncio.Event()
    stale: list[str] = []
    fresh = 0

    async def reads_its_writes() -> None:
        nonlocal fresh
        write, read = f"http://127.0.0.1:{writing}", f"http://127.0.0.1:{reading}"
        async with httpx.AsyncClient(timeout=30) as client:
            written = 0
            while not until.is_set():
                try:
                    made = await client.post(
                        f"{write}/tallies/r/marks",
                        json={"mark": f"r-{written + 1}"},
                        headers={"Idempotency-Key": f"r-{written + 1}"},
                    )
                    if made.status_code != 200:
                        continue
                    written += 1
                    after = {"Storied-After": made.headers["storied-position"], "Prefer": "wait=5"}
                    while not until.is_set():
                        try:
                            seen = await client.get(f"{read}/tallies/r", headers=after)
                        except httpx.TransportError:
                            await asyncio.sleep(0.02)
                            continue
                        if seen.status_code == 200:
                            fresh += 1
                            if seen.json()["count"] < written:
                                stale.append(seen.text)
                            break
                        assert seen.status_code == 503, seen.text
                except httpx.TransportError:
                    await asyncio.sleep(0.02)

    async with running(commands, queries, worker):
        load = [asyncio.create_task(client.insist(until)) for client in clients]
        load.append(asyncio.create_task(reads_its_writes()))
        for _ in range(2):
            for program in (commands, queries, worker):
                await program.kill()
                await program.start()
                await go_on(clients, 20, each=False)
        until.set()
        await asyncio.wait_for(asyncio.gather(*load), 60)
        for program in (commands, queries, worker):
            program.tell(signal.SIGTERM)
            assert await program.ended() == 0
    assert stale == []
    assert fresh > 5
    await check_all_is_there(url, clients)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("processes", ["1", "2"])
async def test_a_server_that_is_told_to_stop_answers_what_it_has_taken(tmp_path: Path, processes: str) -> None:
    """Under load: whatever was executed was answered, and what was not answered was not executed."""
    url = url_in(tmp_path)
    server = serving(url, free_port(), "--processes", processes)
    async with running(server):
        clients = [Client(f"c{n}", server.told["address"]) for n in range(16)]
        load = [asyncio.create_task(client.try_once()) for client in clients]
        await go_on(clients, 10)
        server.tell(signal.SIGTERM)
        assert await server.ended() == 0
        await asyncio.wait_for(asyncio.gather(*load), 30)
    stored = await marks_in(url)
    assert sorted(stored) == sorted(mark for client in clients for mark in client.acknowledged)
    await check_all_is_there(url, clients)


@pytest.mark.timeout(120)
async def test_servers_that_are_replaced_one_by_one_lose_no_request(tmp_path: Path) -> None:
    """Several processes share the address; one is killed and started again by their parent, the others serve on."""
    url = url_in(tmp_path)
    server = serving(url, free_port(), "--processes", "2")
    until = asyncio.Event()
    async with running(server):
        clients = [Client(f"c{n}", server.told["address"]) for n in range(4)]
        load = [asyncio.create_task(client.insist(until)) for client in clients]
        await go_on(clients, 5)
        for number in (signal.SIGKILL, signal.SIGTERM):
            for pid in children(server.pid):
                os.kill(pid, number)
                await go_on(clients, 5)
        await eventually(lambda: len(children(server.pid)) == 3, timeout=30)
        until.set()
        await asyncio.wait_for(asyncio.gather(*load), 30)
        server.tell(signal.SIGTERM)
        assert await server.ended() == 0
    await check_all_is_there(url, clients)


@pytest.mark.timeout(60)
async def test_servers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    """Not even one that was killed: nobody would stop them any more."""
    server = serving(url_in(tmp_path), free_port(), "--processes", "2")
    async with running(server):
        await eventually(lambda: len(children(server.pid)) == 3, timeout=30)
        orphans = children(server.pid)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{server.told['address']}/livez")).status_code == 200
        await server.kill()
        await eventually(lambda: not any(is_alive(pid) for pid in orphans), timeout=30)


@pytest.mark.timeout(60)
async def test_a_stream_ends_when_its_server_goes(tmp_path: Path) -> None:
    """So that its client connects elsewhere; it holds nothing up."""
    url = url_in(tmp_path)
    server = serving(url, free_port())
    async with running(server), httpx.AsyncClient(base_url=server.told["address"], timeout=30) as client:
        await client.post("/tallies/a/marks", json={"mark": "a-1"}, headers={"Prefer": "wait=TallyPage"})
        async with client.stream("GET", "/tallies/a", headers={"Accept": "text/event-stream"}) as stream:
            assert stream.status_code == 200
            chunks = stream.aiter_bytes()
            first = await anext(chunks)
            assert first
            server.tell(signal.SIGTERM)
            async with asyncio.timeout(10):
                async for _ in chunks:
                    pass
        assert await server.ended() == 0


@pytest.mark.timeout(60)
async def test_a_second_signal_ends_a_server_at_once(tmp_path: Path) -> None:
    """Whatever it is waiting for."""
    url = url_in(tmp_path)
    server = serving(url, free_port(), "--commands")
    async with running(server), httpx.AsyncClient(base_url=server.told["address"], timeout=30) as client:
        waiting = asyncio.create_task(
            client.post("/tallies/a/marks", json={"mark": "a-1"}, headers={"Prefer": "wait=25"})
        )

        async def is_stored() -> bool:
            return await marks_in(url) == ["a-1"]

        await eventually(is_stored, timeout=10)
        server.tell(signal.SIGTERM)
        await asyncio.sleep(0.2)  # let the first signal be seen: two that come at once are one
        assert server.process is not None
        assert server.process.returncode is None
        server.tell(signal.SIGTERM)
        assert await server.ended() == 1
        with pytest.raises(httpx.TransportError):
            await waiting


@pytest.mark.timeout(90)
async def test_questions_are_answered_while_everything_else_is_down(tmp_path: Path) -> None:
    """Not ready, since nobody keeps the views up to date, and serving all the same; also without the log's file."""
    url = url_in(tmp_path)
    settings = tmp_path / "settings.toml"
    settings.write_text("heartbeat_limit = 1.5\n", encoding="utf-8")
    commands = serving(url, free_port(), "--commands")
    queries = serving(url, free_port(), "--queries", "--config", str(settings))
    worker = Program("work", APP, "--store", url)
    async with running(commands, worker, queries), httpx.AsyncClient(timeout=30) as client:
        made = await client.post(f"{commands.told['address']}/tallies/a/marks", json={"mark": "a-1"})
        read = queries.told["address"]
        seen = await client.get(f"{read}/tallies/a", headers={"Storied-After": made.headers["storied-position"]})
        assert seen.json()["count"] == 1

        async def is_ready() -> bool:
            return (await client.get(f"{read}/readyz")).status_code == 200

        await eventually(is_ready, timeout=20)
        await commands.kill()
        await worker.kill()

        async def is_dead() -> bool:
            answer = await client.get(f"{read}/readyz")
            return answer.status_code == 503 and answer.json()["views"][0]["state"] == "dead"

        await eventually(is_dead, timeout=20)
        for file in tmp_path.glob("tally.db*"):
            file.rename(tmp_path / f"away-{file.name}")
        assert (await client.get(f"{read}/tallies/a")).json()["count"] == 1
        assert (await client.get(f"{read}/tallies?at=1")).status_code == 503
        text = (await client.get(f"{read}/metrics")).text
        assert 'storied_view_alive{view="TallyPage"} 0' in text
        lag = re.search(r'storied_view_lag_seconds\{view="TallyPage"\} (\S+)', text)
        assert lag is not None
        assert float(lag[1]) > 1.5


@pytest.mark.timeout(60)
@pytest.mark.parametrize("instead", ["nothing", "a folder"])
async def test_a_log_that_is_away_has_a_line_and_one_when_it_is_back(tmp_path: Path, instead: str) -> None:
    """However many ask for the past meanwhile, and without traces of where in the code that was found."""
    url = url_in(tmp_path)
    async with app.open(url):
        pass
    queries = serving(url, free_port(), "--queries")
    async with running(queries), httpx.AsyncClient(base_url=queries.told["address"], timeout=30) as client:
        assert (await client.get("/tallies?at=0")).status_code == 200
        away = (tmp_path / "tally.db").rename(tmp_path / "away.db")
        if instead == "a folder":
            (tmp_path / "tally.db").mkdir()
        for _ in range(10):
            for path in ("/tallies?at=0", "/tallies/a/history"):
                answer = await client.get(path)
                assert (answer.status_code, answer.json()["status"]) == (503, 503)
                assert answer.headers["retry-after"]
        if instead == "a folder":
            (tmp_path / "tally.db").rmdir()
        away.rename(tmp_path / "tally.db")

        async def is_back() -> bool:
            return (await client.get("/tallies?at=0")).status_code == 200

        await eventually(is_back, timeout=10)
        await eventually(lambda: "is back" in queries.logged[-1], timeout=10)
        away_since, one, other, back = queries.logged
    assert " WARNING storied.engines[" in away_since
    assert str(tmp_path / "tally.db") in away_since
    assert " ended with 503: " in one
    assert " ended with 503: " in other
    assert str(tmp_path / "tally.db") in one
    assert " INFO storied.engines[" in back
    assert back.endswith(f": the log is back at {tmp_path / 'tally.db'}")


@pytest.mark.timeout(90)
async def test_a_query_service_tells_when_its_worker_is_dead_and_when_another_works(tmp_path: Path) -> None:
    """With the reason, and a lag that grows until then; nobody has to start the query service again."""
    url = url_in(tmp_path)
    settings = tmp_path / "settings.toml"
    settings.write_text("heartbeat_limit = 1.5\n", encoding="utf-8")
    commands = serving(url, free_port(), "--commands")
    queries = serving(url, free_port(), "--queries", "--config", str(settings))
    worker = Program("work", APP, "--store", url)
    async with running(commands, worker, queries), httpx.AsyncClient(base_url=queries.told["address"]) as client:

        async def made(mark: str) -> int:
            async with httpx.AsyncClient(base_url=commands.told["address"]) as writing:
                return (await writing.post("/tallies/a/marks", json={"mark": mark})).status_code

        async def is_ready() -> bool:
            answer = await client.get("/readyz")
            return answer.status_code == 200 and answer.json()["status"] == "ready"

        async def is_dead() -> bool:
            answer = await client.get("/readyz")
            [view] = answer.json()["views"]
            return answer.status_code == 503 and view["state"] == "dead"

        async def lag() -> float:
            found = re.search(
                r'storied_view_lag_seconds\{view="TallyPage"\} (\S+)', (await client.get("/metrics")).text
            )
            assert found is not None
            return float(found[1])

        async def is_prompt() -> bool:
            return await lag() < 1.5

        async def grows_over(seconds: float) -> bool:
            return await lag() > seconds

        assert await made("a-1") == 200
        await eventually(is_ready, timeout=20)
        await eventually(is_prompt, timeout=20)
        await worker.kill()
        assert await made("a-2") == 200
        await eventually(is_dead, timeout=20)
        told = (await client.get("/readyz")).json()
        assert told["status"] == "not ready"
        assert any("TallyPage" in reason and "dead" in reason for reason in told["reasons"]), told["reasons"]
        for _ in range(3):
            before = await lag()
            assert before > 1.5
            await eventually(lambda before=before: grows_over(before + 0.3), timeout=20)  # type: ignore[misc]  # bound now
        assert "storied_ready 0" in (await client.get("/metrics")).text
        await worker.start()
        await eventually(is_ready, timeout=20)
        await eventually(is_prompt, timeout=20)
        seen = await client.get("/tallies/a", headers={"Storied-After": "2"})
        assert seen.json()["marks"] == ["a-1", "a-2"]


@pytest.mark.timeout(90)
async def test_two_workers_apply_each_event_once(tmp_path: Path) -> None:
    """And one goes on when the other is killed."""
    url = url_in(tmp_path)
    server = serving(url, free_port(), "--commands")
    workers = [Program("work", APP, "--store", url) for _ in range(2)]
    until = asyncio.Event()
    async with running(server, *workers):
        clients = [Client(f"c{n}", server.told["address"]) for n in range(2)]
        load = [asyncio.create_task(client.insist(until)) for client in clients]
        await go_on(clients, 30)
        await workers[0].kill()
        await go_on(clients, 30)
        until.set()
        await asyncio.gather(*load)
    await check_all_is_there(url, clients)


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still run."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(one) for one in listed if is_alive(int(one))]


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_one_key_sent_to_two_processes_at_once_executes_once(tmp_path: Path) -> None:
    """Round after round both get the same requests at the same time: one mark each, and one answer, byte for byte."""
    url = url_in(tmp_path)
    ports = free_port(), free_port()
    async with running(*(serving(url, port, "--commands") for port in ports)), AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30))
            for port in ports
        ]
        for number in range(20):
            requests = [
                client.post("/tallies/t/marks", json={"mark": f"t-{number}"}, headers={"Idempotency-Key": f"{number}"})
                for client in clients * 8
            ]
            answers = await asyncio.gather(*requests)
            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.content for answer in answers}) == 1
    assert await marks_in(url) == [f"t-{number}" for number in range(20)]
