"""The repository's files hold nothing that only means something on the machine they were written on."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.structure.modules import ROOT

# Written in pieces, so that this file may be searched like any other.
PLACE = re.compile(r"(?<![\w.~$}-])(?:" + "/" + "work/|/" + "root/|/" + "opt/pypi)")  # not inside of a longer path
HOST = re.compile("pypi" + r"\.org|pythonhosted" + r"\.org|npmjs" + r"\.org|debian" + r"\.org")


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file that git tracks or would, with its content."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield Path(name), content.decode(errors="replace")


def found(pattern: re.Pattern[str]) -> list[str]:
    """Where *pattern* matches: `file:line: text`."""
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for path, text in texts()
        for match in pattern.finditer(text)
    ]


def test_no_file_names_a_place_on_a_machine() -> None:
    """A path that exists on one machine is of no use in a repository."""
    assert not found(PLACE)


def test_no_file_names_a_registry_host() -> None:
    """Where packages come from is the business of whoever installs them."""
    assert not found(HOST)
