"""The machine that figures hold for: what it is made of, and how busy it was meanwhile."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

import apsw
import msgspec


class Machine(msgspec.Struct, frozen=True):
    """What the figures hold for, one fact a line: its name and what it is."""

    facts: tuple[tuple[str, str], ...]
    load: tuple[float, float, float]
    """The load average of 1, 5 and 15 minutes at the start."""

    def lines(self) -> list[str]:
        """A Markdown list, with the load at the start."""
        loads = f"- Load average (1, 5, 15 minutes): {_shown(self.load)} at the start"
        return [*(f"- {name}: {fact}" for name, fact in self.facts), loads]

    def report(self) -> list[str]:
        """The same, with the load as it is now."""
        *facts, loads = self.lines()
        return [*facts, f"{loads}, {_shown(os.getloadavg())} at the end"]


def this_machine() -> Machine:
    """The machine that this runs on, as it is now."""
    folder = tempfile.gettempdir()
    facts = (
        ("CPU", f"{_cpu()}, {os.cpu_count()} cores, {platform.machine()}"),
        ("Kernel", f"{platform.system()} {platform.release()}"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("SQLite", apsw.sqlite_lib_version()),
        ("File system", f"{file_system(folder)} (of {folder}, where the databases are)"),
    )
    return Machine(facts, os.getloadavg())


def file_system(folder: str, mounts: str | None = None) -> str:
    """The type of the file system that the folder is on, by the system's list of mounts; unknown where it has none."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
        except OSError:
            return "unknown"
    found, longest = "unknown", -1
    path = Path(folder).resolve()
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        mounted = Path(point.replace("\\040", " "))
        if path.is_relative_to(mounted) and len(mounted.parts) >= longest:
            found, longest = kind, len(mounted.parts)
    return found


def _cpu() -> str:
    """The processor's model, as far as the system tells."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        told = []
    models = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def _shown(load: tuple[float, float, float]) -> str:
    return ", ".join(f"{value:.1f}" for value in load)
