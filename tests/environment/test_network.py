"""Network file systems are told from the table of mounts, refused, and allowed by name only."""

from pathlib import Path, PurePosixPath

import pytest

from storied.cli.main import main
from storied.engines.opening import open_engine, sqlite_address
from storied.engines.sqlite import connection
from storied.engines.sqlite.connection import check_local
from storied.engines.sqlite.mounts import NETWORK_HELPERS, NETWORK_TYPES, network_type
from storied.errors import StoreUnavailable
from storied.operating.backup import back_up
from storied.testing.contract.specimens import event

MOUNTS = r"""
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
28 27 0:40 / /srv/nfs rw,relatime shared:12 master:1 - nfs4 server:/export rw,vers=4.2,addr=10.0.0.1
29 28 0:41 / /srv/nfs/local rw - xfs /dev/vdb rw
30 27 0:42 / /mnt/my\040files\134x rw - cifs //server/share rw
31 27 0:43 / /home/anna/remote rw - fuse.sshfs anna@server: rw
32 27 0:44 / /home/anna/crypt rw - fuse.gocryptfs /x rw
33 27 0:45 / /mnt/c rw - 9p drvfs rw
34 27 0:46 / /twice rw - nfs server:/a rw
35 27 0:47 / /twice rw - tmpfs tmpfs rw
36 27 0:48 / /hidden rw - btrfs /dev/vdc rw
37 27 0:49 / /hidden rw - nfs server:/b rw

not a line of it
38 27
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/var/shop.db", None),
        ("/srv/nfs/shop.db", "nfs4"),
        ("/srv/nfs/deep/er/shop.db", "nfs4"),
        ("/srv/nfs/local/shop.db", None),
        ("/srv/nfs-not/shop.db", None),
        ("/mnt/my files\\x/shop.db", "cifs"),
        ("/home/anna/remote/shop.db", "fuse.sshfs"),
        ("/home/anna/crypt/shop.db", None),
        ("/mnt/c/shop.db", "9p"),
        ("/twice/shop.db", None),
        ("/hidden/shop.db", "nfs"),
    ],
)
def test_the_mount_that_holds_the_path_tells(path: str, found: str | None) -> None:
    """The longest place that the path lies under; of two on one place the later."""
    assert network_type(PurePosixPath(path), MOUNTS) == found


@pytest.mark.parametrize("kind", sorted(NETWORK_TYPES) + [f"fuse.{helper}" for helper in sorted(NETWORK_HELPERS)])
def test_each_kind_is_known(kind: str) -> None:
    """By its own name, or as a helper of FUSE."""
    assert network_type(PurePosixPath("/a/b"), f"1 0 0:1 / /a rw - {kind} x rw") == kind


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse", "fuseblk", "fuse.sshfs2"])
def test_local_kinds_pass(kind: str) -> None:
    """A disk of this machine, whatever its file system."""
    assert network_type(PurePosixPath("/a/b"), f"1 0 0:1 / / rw - {kind} x rw") is None


def test_the_path_is_resolved_first(tmp_path: Path) -> None:
    """A link that leads onto a network is one."""
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {tmp_path.resolve()}/far rw - nfs x rw\n")
    with pytest.raises(StoreUnavailable) as caught:
        check_local(tmp_path / "near" / "shop.db", table)
    assert caught.value.code == "network"
    check_local(tmp_path / "shop.db", table)


def test_without_a_table_nothing_is_refused(tmp_path: Path) -> None:
    """On another system than Linux it cannot be told."""
    check_local(tmp_path / "shop.db", tmp_path / "absent")


async def test_a_store_on_a_network_is_refused_and_allowed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made there; ``?network=allow`` opens it all the same, the views as well."""
    monkeypatch.setattr(connection, "network_type", lambda path, text: "nfs")
    url = f"sqlite:///{tmp_path}/shop.db"
    with pytest.raises(StoreUnavailable) as caught:
        async with open_engine(url):
            pass
    assert (caught.value.code, list(tmp_path.iterdir())) == ("network", [])
    async with open_engine(f"{url}?network=allow") as engine:
        assert await engine.store.head() == 0


def test_an_import_onto_an_allowed_network_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opened the store has been asked already; what is restored goes on connections of its own."""
    for name in ("STORIED_STORE", "STORIED_APP"):
        monkeypatch.delenv(name, raising=False)
    here, there, lines = f"{tmp_path}/here.db", f"sqlite:///{tmp_path}/there.db?network=allow", f"{tmp_path}/a.jsonl"
    assert main(["append", "Noted", "{}", "--store", here]) == 0
    assert main(["export", lines, "--store", here]) == 0
    monkeypatch.setattr(connection, "network_type", lambda path, text: "nfs")
    assert main(["import", lines, "--store", there]) == 0
    assert main(["verify", "--store", there]) == 0


async def test_a_backup_onto_a_network_is_looked_at_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else has the new file open, so its locks do not matter."""
    url = f"sqlite:///{tmp_path}/shop.db"
    async with open_engine(url) as engine:
        await engine.store.append([event()])
    monkeypatch.setattr(connection, "network_type", lambda path, text: "nfs" if "far" in str(path) else None)
    (tmp_path / "far").mkdir()
    made = await back_up(url, tmp_path / "far" / "backup.db")
    assert made.head == 1


def test_the_option_has_two_values() -> None:
    """Anything else is a mistake."""
    assert not sqlite_address("sqlite:///a.db?network=refuse").network
    for value in ("", "yes", "true"):
        with pytest.raises(StoreUnavailable) as caught:
            sqlite_address(f"sqlite:///a.db?network={value}")
        assert caught.value.code == "bad-url"
