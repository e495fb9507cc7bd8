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

        refused = []
        while len(refused) < 50:  # the log and the views take the last of the room in turns
            answer = await make(f"m-{len(stored):07}" + "x" * 5_000)
            refused.extend([answer] if answer.status_code != 200 else [])
        told = {(one.status_code, one.json()["type"], one.headers["retry-after"]) for one in refused}
        tell(told=sorted(told))
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
        "alive": 200,
        "answered": 200,
        "seen": True,
        "ended": 0,
        "kept": True,
        "traces": 0,
    }
