"""A full disk, no rights, no descriptors: typed errors, nothing half-written, and on again once it is mended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment.processes import run, told

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def can_mount(place: Path) -> bool:
    """Whether a process may mount in a namespace of its own."""
    if not (ROOT and sys.platform == "linux"):
        return False
    script = 'mount -t tmpfs -o size=1m none "$0"'
    try:
        return subprocess.run(["unshare", "-m", "sh", "-c", script, place], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def mounting(tmp_path: Path) -> list[str]:
    """What goes before a command that mounts; the mounts end with it."""
    if not can_mount(tmp_path):
        pytest.skip("mounting needs root and namespaces, which are not to be had here")
    return ["unshare", "-m"]


@pytest.mark.parametrize("size", ["200k", "1m", "6m"])
def test_a_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path, mounting: list[str], size: str) -> None:
    """Every append that was refused left nothing, reading worked throughout, and so does the rest afterwards."""
    found = told(
        tmp_path,
        f"""
        def mount(*options):
            subprocess.run(["mount", "-t", "tmpfs", *options, "none", PLACE], check=True)

        async def main():
            mount("-o", "size={size}")
            store = await SqliteStore.open(PLACE / "log.db")
            big, acknowledged, code = "x" * 20_000, 0, "done"

            def three():
                return store.append([event(note=big) for _ in range(3)])

            while code == "done" and acknowledged < 1_000:
                code = await verdict(three())
                acknowledged += 3 * (code == "done")
            both = await asyncio.gather(*(verdict(three()) for _ in range(4)))
            tell(code=code, more=both, head=await store.head() == acknowledged)
            tell(readable=len(await stored(store)) == acknowledged > 0)
            subprocess.run(["mount", "-o", "remount,size=64m", PLACE], check=True)
            tell(again=(await store.append([event(note="small")])).position == acknowledged + 1)
            await store.aclose()
            store = await SqliteStore.open(PLACE / "log.db")
            tell(reopened=len(await stored(store)) == acknowledged + 1)
            await store.aclose()

        asyncio.run(main())
        """,
        *mounting,
    )
    assert (found.pop("code"), found.pop("more")) == ("disk-full", ["disk-full"] * 4)
    assert set(found.values()) == {True}


def test_a_look_for_room_says_what_an_append_would(tmp_path: Path, mounting: list[str]) -> None:
    """Full, read-only, or fine, beside an append that goes on; and no file is left."""
    found = told(
        tmp_path,
        """
        async def main():
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", PLACE], check=True)
            store = await SqliteStore.open(PLACE / "log.db")
            tell(empty=await verdict(store.check_room()))
            both = await asyncio.gather(verdict(store.check_room()), verdict(store.append([event()])))
            while await verdict(store.append([event(note="x" * 20_000)])) == "done":
                pass
            tell(both=both, full=await verdict(store.check_room()))
            subprocess.run(["mount", "-o", "remount,size=8m", PLACE], check=True)
            tell(again=await verdict(store.check_room()), files=sorted(file.name for file in PLACE.iterdir()))
            await store.aclose()
            tell(closed=await verdict(store.check_room()))
            store = await SqliteStore.open(PLACE / "log.db")
            subprocess.run(["mount", "--bind", PLACE, PLACE], check=True)
            subprocess.run(["mount", "-o", "remount,ro,bind", PLACE], check=True)
            tell(locked=await verdict(store.check_room()))
            await store.aclose()

        asyncio.run(main())
        """,
        *mounting,
    )
    assert found == {
        "empty": "done",
        "both": ["done", "done"],
        "full": "disk-full",
        "again": "done",
        "files": ["log.db", "log.db-shm", "log.db-wal"],
        "closed": "store-closed",
        "locked": "read-only",
    }


def test_a_disk_too_small_for_a_store_is_told(tmp_path: Path, mounting: list[str]) -> None:
    """Wherever it is full while log and views are made, the code says so; with room they are there."""
    found = run(
        tmp_path,
        """
        class Noted(Event):
            note: Id

        class Page(View):
            note: Id
            @on
            def noted(self, event: Noted) -> None: ...

        app = App("notes")
        app.view()(Page)

        async def use(place):
            async with app.open(f"sqlite:///{place}/log.db") as shop:
                receipt = await shop.record(Noted(note="n"))
                await shop.wait(Page, receipt.position, timeout=0.5)

        async def main():
            for size in range(4, 200, 32):
                place = PLACE / str(size)
                place.mkdir()
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", place], check=True)
                code = await verdict(use(place))
                subprocess.run(["mount", "-o", "remount,size=8m", place], check=True)
                tell(code=code, then=await verdict(use(place)))

        import logging
        logging.disable()
        asyncio.run(main())
        """,
        *mounting,
    )
    assert {facts["code"] for facts in found} <= {"disk-full", "not-caught-up", "unknown-outcome", "done"}
    assert found[0]["code"] == "disk-full"
    assert {facts["then"] for facts in found} == {"done"}


def test_a_limit_of_file_size_fences(tmp_path: Path) -> None:
    """The write that failed may be there or not; reading goes on, and so does writing in a new handle."""
    found = told(
        tmp_path,
        """
        async def main():
            store = await SqliteStore.open(PLACE / "log.db")
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
            acknowledged, code = 0, "done"
            while code == "done":
                code = await verdict(store.append([event(note="x" * 20_000)]))
                acknowledged += code == "done"
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            tell(code=code, next=await verdict(store.append([event()])), kept=await store.head() >= acknowledged)
            await store.aclose()
            store = await SqliteStore.open(PLACE / "log.db")
            tell(again=(await store.append([event()])).position - acknowledged in (1, 2))
            await store.aclose()

        asyncio.run(main())
        """,
    )
    assert found == {"code": "unknown-outcome", "next": "store-fenced", "kept": True, "again": True}


def test_a_disk_that_is_read_only_is_told(tmp_path: Path, mounting: list[str]) -> None:
    """For a store that is there, and for one that would have to be made."""
    found = told(
        tmp_path,
        """
        async def use(name):
            store = await SqliteStore.open(PLACE / name)
            await store.aclose()

        async def main():
            await use("log.db")
            subprocess.run(["mount", "--bind", PLACE, PLACE], check=True)
            subprocess.run(["mount", "-o", "remount,ro,bind", PLACE], check=True)
            os.chdir("/")
            tell(old=await verdict(use("log.db")), new=await verdict(use("new.db")))

        asyncio.run(main())
        """,
        *mounting,
    )
    assert found == {"old": "read-only", "new": "read-only"}


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="this system has no users to become")
def test_without_rights_it_is_told(tmp_path: Path) -> None:
    """On the file or on its folder: reading works where SQLite can, and all else has a code."""
    found = told(
        tmp_path,
        """
        NAMES = ("log.db", "log.views.db")

        async def opened(place):
            store = await SqliteStore.open(place / "log.db")
            await store.aclose()

        async def appended(place):
            store = await SqliteStore.open(place / "log.db")
            try:
                tell(read=len(await stored(store)))
                await store.append([event()])
            finally:
                await store.aclose()

        async def main():
            folders = {mode: PLACE / mode for mode in ("folder", "file", "nothing", "new")}
            for folder in (PLACE, *PLACE.parents):
                if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
                    folder.chmod(folder.stat().st_mode | 0o055)
            for mode, folder in folders.items():
                folder.mkdir()
                if mode != "new":
                    store = await SqliteStore.open(folder / "log.db")
                    await store.append([event()])
                    await store.aclose()
                (folder / "log.db").exists() and (folder / "log.db").chmod(0 if mode == "nothing" else 0o444)
                folder.chmod(0o777 if mode == "file" else 0o555)
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            tell(folder=await verdict(opened(folders["folder"])), new=await verdict(opened(folders["new"])))
            tell(nothing=await verdict(opened(folders["nothing"])), file=await verdict(appended(folders["file"])))

        asyncio.run(main())
        """,
    )
    assert found == {
        "folder": "read-only",
        "new": "read-only",
        "nothing": "read-only",
        "read": 1,
        "file": "read-only",
    }


def test_without_descriptors_it_is_told(tmp_path: Path) -> None:
    """At each step of opening log and views; with enough of them everything is there."""
    found = told(
        tmp_path,
        """
        app = App("notes")
        codes = []

        async def use():
            async with app.open(f"sqlite:///{PLACE}/log.db") as shop:
                await shop.store.append([event()])

        async def main():
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            for extra in range(20):
                used = max(map(int, os.listdir("/proc/self/fd")))
                resource.setrlimit(resource.RLIMIT_NOFILE, (used + extra, hard))
                codes.append(await verdict(use()))
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

        asyncio.run(main())
        tell(codes=codes)
        """,
    )
    kinds = found["codes"]
    assert kinds[0] == "too-many-files"
    assert set(kinds) == {"too-many-files", "done"}
    assert kinds == sorted(kinds, reverse=True)
