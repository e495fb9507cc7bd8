"""``./dev chaos [kill|fsync|cancel|read|http] …``: injects faults and looks for what broke; 1 when anything did."""

from __future__ import annotations

import argparse
import sys

from chaos import cancel, fsync, http, kill, reading
from chaos.reporting import Progress


def main() -> int:
    """Runs the campaigns that were asked for, all of them unless told otherwise."""
    parser = argparse.ArgumentParser(prog="./dev chaos", description="Inject faults and look for what was lost.")
    every = ("kill", "fsync", "cancel", "read", "http")
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help=f"{', '.join(every)} (default: all)")
    parser.add_argument("--cycles", type=int, default=300, help="kills (default 300)")
    parser.add_argument("--pairs", type=int, default=10_000, help="writes that are read back (default 10,000)")
    parser.add_argument("--examples", type=int, default=300, help="random requests for each operation (default 300)")
    parser.add_argument("--seed", type=int, default=1, help="where randomness starts (default 1)")
    options = parser.parse_args()
    unknown = set(options.campaigns) - set(every)
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
    if wants(options, "http"):
        asked = http.campaign(options.examples, options.seed, Progress("http"))
        broken += report(f"http (seed {options.seed})", asked.sentence(), asked.violations)
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
