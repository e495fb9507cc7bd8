"""A store and a fork: the child can neither use what its parent opened nor harm it."""

import os
from pathlib import Path

import pytest

from tests.environment.processes import told

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

LOCKS = """
def locks(path):
    "The locks on the file that this process holds, and no other; /proc/locks is read in pieces and knows no devices."
    held = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.path.samestat(os.stat(f"/proc/self/fd/{name}"), os.stat(path)):
                lines = Path(f"/proc/self/fdinfo/{name}").read_text().splitlines()
                held |= {line.split(":", 2)[2] for line in lines if line.startswith("lock:")}
        except FileNotFoundError:  # the one that listed the folder
            pass
    return held
"""

MODEL = """
class Noted(Event):
    note: Id

class Page(View):
    note: Id
    @on
    def noted(self, event: Noted) -> None: ...

app = App("notes")
app.view()(Page)
URL = f"sqlite:///{PLACE}/log.db"

def in_child(work):
    "Runs the coroutine in a forked child, on an event loop of its own."
    child = os.fork()
    if child == 0:
        import threading
        thread = threading.Thread(target=lambda: asyncio.run(work))
        thread.start()
        thread.join()
        os._exit(0)
    work.close()
    os.waitpid(child, 0)
"""


def test_the_danger_is_real(tmp_path: Path) -> None:
    """What a child opens shares the file with its parent without holding a lock of its own."""
    found = told(
        tmp_path,
        LOCKS
        + """
import apsw
path = str(PLACE / "plain.db")
parent = apsw.Connection(path)
parent.pragma("journal_mode", "wal")
parent.execute("CREATE TABLE t (x)")
child = os.fork()
if child == 0:
    inside = apsw.Connection(path)
    inside.execute("INSERT INTO t VALUES (1)")
    tell(child=len(locks(path)))
    os._exit(0)
os.waitpid(child, 0)
tell(parent=len(locks(path)))
        """,
    )
    assert found.pop("child") == 0
    assert found.pop("parent") > 0


def test_every_verb_is_refused_in_the_child(tmp_path: Path) -> None:
    """Of the log and of the documents; the parent goes on as if nothing had been."""
    found = told(
        tmp_path,
        MODEL
        + """
async def verbs(shop):
    store, documents = shop.store, shop._views._documents
    async def first(source):
        async for _ in source:
            return
    tell(
        append=await verdict(store.append([event()])), read=await verdict(store.read().list()),
        subscribe=await verdict(first(store.subscribe())), head=await verdict(store.head()),
        waiting=await verdict(first(store.subscribe(after=1))), receipt=await verdict(store.receipt("one")),
        streams=await verdict(store.streams()), measure=await verdict(store.measure()),
        record=await verdict(shop.record(Noted(note="n-2"))), history=await verdict(shop.history("note:n-1").list()),
        get=await verdict(shop.get(Page, "n-1")), find=await verdict(shop.find(Page)),
        count=await verdict(shop.count(Page)), editions=await verdict(documents.editions()),
    )

async def main():
    async with app.open(URL) as shop:
        receipt = await shop.record(Noted(note="n-1"))
        await shop.wait(Page, receipt.position)
        in_child(verbs(shop))
        tell(parent=(await shop.record(Noted(note="n-3"))).position)
        tell(page=await shop.get(Page, "n-3", after=2) is not None)

asyncio.run(main())
        """,
    )
    assert (found.pop("parent"), found.pop("page")) == (2, True)
    assert len(found) == 14
    assert set(found.values()) == {"forked"}


def test_closing_in_the_child_returns_and_leaves_the_parent_its_locks(tmp_path: Path) -> None:
    """Neither closing nor ending in the child takes away what the parent has."""
    found = told(
        tmp_path,
        MODEL
        + LOCKS
        + """
async def close(store):
    tell(closing=await verdict(store.aclose()), closed=await verdict(store.head()))

async def main():
    store = await SqliteStore.open(PLACE / "log.db")
    await store.append([event()])
    before = locks(PLACE / "log.db")
    in_child(close(store))
    tell(locks=before == locks(PLACE / "log.db") != set(), wal=(PLACE / "log.db-wal").exists())
    tell(position=(await store.append([event()])).position)
    await store.aclose()

asyncio.run(main())
        """,
    )
    assert found == {"closing": "done", "closed": "store-closed", "locks": True, "wal": True, "position": 2}


def test_a_child_does_not_open_what_its_parent_has_open(tmp_path: Path) -> None:
    """It may open another store, and the same one as soon as it is a process of its own."""
    found = told(
        tmp_path,
        MODEL
        + """
async def open_and_close(path):
    store = await SqliteStore.open(path)
    await store.append([event()])
    await store.aclose()

async def child():
    tell(same=await verdict(open_and_close(PLACE / "log.db")), other=await verdict(open_and_close(PLACE / "other.db")))

async def main():
    store = await SqliteStore.open(PLACE / "log.db")
    in_child(child())
    await store.aclose()

async def later():
    tell(later=await verdict(open_and_close(PLACE / "log.db")))

asyncio.run(main())
in_child(later())
        """,
    )
    assert found == {"same": "forked", "other": "done", "later": "done"}
