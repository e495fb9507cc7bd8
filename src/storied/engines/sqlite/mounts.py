"""Mounts: whether a file lies on a file system that other machines write to as well. Pure.

SQLite in WAL mode shares memory between the processes that have the file open, and trusts the locks on it. Over a
network there is no such memory, and the locks are often a pretence.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

NETWORK_TYPES = frozenset(
    (
        *("9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "gfs2", "glusterfs", "gpfs"),
        *("lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs"),
        *("vboxsf", "virtiofs", "vmhgfs"),
    )
)
"""File systems of other machines, of clusters, and of the host around a virtual machine."""
NETWORK_HELPERS = frozenset(
    (
        *("ceph", "davfs", "gcsfuse", "glusterfs", "goofys", "gvfsd-fuse", "juicefs", "mfs", "moosefs", "rclone"),
        *("s3fs", "seaweedfs", "smbnetfs", "sshfs", "vmhgfs-fuse"),
    )
)
"""Programs that bring such a file system by FUSE: it is then of type ``fuse.<program>``."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_type(path: PurePosixPath, mountinfo: str) -> str | None:
    """The type of the network file system that the absolute, resolved *path* lies on; None on a local one.

    *mountinfo* is the text of ``/proc/self/mountinfo`` (``man 5 proc_pid_mountinfo``). Lines that do not look like it
    are passed over.
    """
    found, longest = "", -1
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        place = PurePosixPath(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        if len(place.parts) >= longest and path.is_relative_to(place):  # of two on one place the later one is on top
            found, longest = after.split(" ")[0], len(place.parts)
    return found if _is_network(found) else None


def _is_network(kind: str) -> bool:
    name, _, helper = kind.partition(".")
    return name in NETWORK_TYPES or (name in ("fuse", "fuseblk") and helper in NETWORK_HELPERS)
