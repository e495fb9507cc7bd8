"""A disk that is full, as clients and operators meet it: nothing is stored, which is said, and it goes on by itself."""

from pathlib import Path

import pytest

from tests.environment.processes import told
from tests.environment.test_limits import can_mount

SCRIPT = """
import signal, time
import httpx
from storied.testing.waiting import eventually
from tests.services.processes import Program, free_port, marks_in, running

def mount(options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", PLACE], check=True)

async def main():
    mount("size=3m")
    url = f"sqlite:///{PLACE / 'tally.db'}"
    words = ("--store", url, "--port", str(free_port()), "--quiet", "--processes", PROCESSES)
    server = Program("serve", "tests.services.tally:app", *words)
    stored = []
    async with running(server), httpx.AsyncClient(base_url=server.told["address"], timeout=30) as client:

        async def make(name):
            answer = await client.post("/tallies/a/marks", json={"mark": name}, headers={"Idempotency-Key": name[:9]})
            stored.extend([name] if answer.status_code == 200 else [])
            return answer

        async def is_shown():
            return (await client.get("/tallies/a")).status_code == 200

        await make("first")
        await eventually(is_shown, 30)  # a worker that begins later than the servers would find no room to begin in
        refused = []
        while len(refused) < 50:  # the log and the views take the last of the room in turns
            answer = await make(f"m-{len(stored):07}" + "x" * 5_000)
            refused.extend([answer] if answer.status_code != 200 else [])
        told = {(one.status_code, one.json()["type"], one.headers["retry-after"]) for one in refused}
        tell(told=sorted(told))
        unready = set()
        for _ in range(10):  # each may ask another process
            answer = await client.get("/readyz", headers={"Connection": "close"})
            why = any("is full" in reason for reason in answer.json()["reasons"])
            unready.add((answer.status_code, why))
        tell(unready=sorted(unready))
        async with httpx.AsyncClient(base_url=server.told["address"]) as other:  # one who has not written anything
            tell(alive=(await other.get("/livez")).status_code, answered=(await other.get("/tallies/a")).status_code)
        subprocess.run(["mount", "-o", "remount,size=64m", PLACE], check=True)

        async def goes_on():
            return (await make("more")).status_code == 200

        async def is_ready():
            return (await client.get("/readyz")).status_code == 200

        await eventually(goes_on, 20)
        await eventually(is_ready, 20)
        seen = await client.get("/tallies/a", headers={"Prefer": "wait=20"})
        tell(seen=seen.json()["marks"] == stored)
        server.tell(signal.SIGTERM)
        tell(ended=await server.ended())
    tell(kept=await marks_in(url) == stored)
    tell(traces=sum("Traceback" in line for line in server.logged), lines=len(server.logged))

asyncio.run(main())
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("processes", ["1", "2"])
def test_commands_are_refused_while_the_disk_is_full_and_stored_when_there_is_room(
    tmp_path: Path, processes: str
) -> None:
    """Nobody has to start anything anew; what was acknowledged is there, and the log of the server is short."""
    if not can_mount(tmp_path):
        pytest.skip("mounting needs root and namespaces, which are not to be had here")
    found = told(tmp_path, SCRIPT.replace("PROCESSES", repr(processes)), "unshare", "-m")
    assert found.pop("lines") < 20
    assert found == {
        "told": [[503, "urn:storied:problem:store-unavailable", "2"]],
        "unready": [[503, True]],
        "alive": 200,
        "answered": 200,
        "seen": True,
        "ended": 0,
        "kept": True,
        "traces": 0,
    }


LOOKING = """
import time
from storied.services.commanding import doubting
from storied.services.commands import command_service
from storied.testing.waiting import eventually
from tests.services.asgi import ask
from tests.services.tally import app

looks = []
check_room = SqliteStore.check_room

async def counted(self):
    looks.append(time.monotonic())
    await check_room(self)

SqliteStore.check_room = counted

def mount(options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", PLACE], check=True)

def left():
    found = os.statvfs(PLACE)
    return found.f_bavail * found.f_bsize

async def main():
    mount("size=2m")
    async with command_service(app, f"sqlite:///{PLACE / 'tally.db'}", views=False) as service:

        async def make(size):
            body = json.dumps({"mark": "x" * size}).encode()
            return (await ask(service, "POST", "/tallies/a/marks", body, {"Content-Type": "application/json"})).status

        async def ready():
            answer = await ask(service, "GET", "/readyz")
            return answer.status, [reason.partition(": ")[0].split(" under ")[0] for reason in answer.json["reasons"]]

        tell(before=await ready())
        (PLACE / "other").write_bytes(b"x" * (left() - 100_000))
        tell(by_others=await ready(), looked=len(looks))
        (PLACE / "other").unlink()

        async def is_ready():
            return await ready() == (200, [])

        await eventually(is_ready, 10)
        while await make(50_000) == 200:
            pass
        seen = len(looks)
        at_once = await asyncio.gather(*(ready() for _ in range(50)))
        tell(full=at_once[0], all=[one == at_once[0] for one in at_once].count(True), looks=len(looks) - seen)

        async def looked():
            await ready()
            return len(looks) > seen

        await eventually(looked, 10)
        tell(left=[file.name for file in PLACE.iterdir() if not file.name.startswith("tally.")])
        subprocess.run(["mount", "-o", f"remount,size={2 * 1024 + 100}k", PLACE], check=True)
        tell(small=await make(100), room=left() < 256 * 1024)
        seen = len(looks)
        await eventually(looked, 10)
        tell(little=await ready())
        subprocess.run(["mount", "-o", "remount,size=64m", PLACE], check=True)
        await eventually(is_ready, 10)
        seen = len(looks)
        await ready()
        tell(settled=len(looks) == seen, apart=min(b - a for a, b in zip(looks, looks[1:])) >= doubting.LOOK_SECONDS)
        tell(then=await make(50_000))

asyncio.run(main())
"""


@pytest.mark.timeout(60)
def test_a_service_is_not_ready_until_it_has_seen_room_by_itself(tmp_path: Path) -> None:
    """It looks when it is asked, seldom, takes no small command for a sign, and leaves nothing behind."""
    if not can_mount(tmp_path):
        pytest.skip("mounting needs root and namespaces, which are not to be had here")
    found = told(tmp_path, LOOKING, "unshare", "-m")
    assert found.pop("looks") <= 1
    assert found == {
        "before": [200, []],
        "by_others": [503, ["the disk"]],
        "looked": 1,
        "full": [503, ["the disk"]],
        "all": 50,
        "left": [],
        "small": 200,
        "room": True,
        "little": [503, ["the disk"]],
        "settled": True,
        "apart": True,
        "then": 200,
    }
