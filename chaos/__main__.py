"""``./dev chaos [kill|fsync|cancel|read] …``: injects faults and looks for what was lost; 1 when anything was."""

from __future__ import annotations

import argparse
import sys

from chaos import cancel, fsync, kill, reading
from chaos.reporting import Progress


def main() -> int:
    """Runs the campaigns that were asked for, all of them unless told otherwise."""
    parser = argparse.ArgumentParser(prog="./dev chaos", description="Inject faults and look for what was lost.")
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help="kill, fsync, cancel, read (default: all)")
    parser.add_argument("--cycles", type=int, default=300, help="kills (default 300)")
    parser.add_argument("--pairs", type=int, default=10_000, help="writes that are read back (default 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="where randomness starts (default 1)")
    options = parser.parse_args()
    unknown = set(options.campaigns) - {"kill", "fsync", "cancel", "read"}
    if unknown:
        parser.error(f"there is no campaign {', '.join(sorted(unknown))}.")
    broken: list[str] = []
    if wants(options, "kill"):
        killed = kill.campaign(options.cycles, options.seed, Progress("kill"))
        broken += report(f"kill (seed {options.seed})", killed.sentence(), killed.violations)
    if wants(options, "fsync"):
        synced = fsync.campaign(Progress("fsync"))
        broken += report("fsync", synced.sentence(), synced.violations)
    if wants(options, "cancel"):
        cancelled = cancel.campaign(Progress("cancel"))
        broken += report("cancel", cancelled.sentence(), cancelled.violations)
    if wants(options, "read"):
        read = reading.campaign(options.pairs, options.pairs // 500, Progress("read"))
        broken += report("read", read.sentence(), read.violations)
    return 1 if broken else 0


def wants(options: argparse.Namespace, name: str) -> bool:
    """Whether the campaign is to run."""
    return not options.campaigns or name in options.campaigns


def report(name: str, sentence: str, violations: list[str]) -> list[str]:
    """Prints the result and whatever was broken, which it returns."""
    print(f"{name}: {sentence}")
    for violation in violations[:50]:
        print(f"  {violation}")
    return violations


if __name__ == "__main__":
    sys.exit(main())
