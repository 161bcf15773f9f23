#!/usr/bin/env python3
"""Times all-reduces between processes of this machine, ours beside MPI's and gloo's, in turns, and prints a table.

    allreduce_compare.py [--ranks 2,4] [--rounds 9] [--bin build/release/bin]

Each round runs every way once, one after the other; times are medians over the rounds, ratios too, each of one round, so that
a machine that slows down does so for all. gloo's is the best of its algorithms at each size. Needs mpirun; gloo where found.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLOO = ["gloo:ring", "gloo:bcube", "gloo:ring_chunked", "gloo:halving_doubling"]


def once(bench, ranks, way):
    """Seconds by size."""
    with tempfile.TemporaryDirectory(prefix="shardwright-allreduce-") as folder:
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(ranks), bench, way] + ([folder] if way in GLOO else [])
        if way == "threads":
            command = [bench, way, str(ranks)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=90)
        except subprocess.TimeoutExpired:
            if way not in GLOO:
                raise
            print(f"{way} with {ranks} ranks: no end", file=sys.stderr)
            return None
    if run.returncode == 2 and way in GLOO:
        return None
    if run.returncode:
        raise SystemExit(f"allreduce_compare: {way}: {run.stderr}")
    return {int(size): float(seconds) for size, seconds in (line.split() for line in run.stdout.splitlines())}


def measure(bench, ranks, rounds):
    """By way and size, one time per round."""
    times = {}
    for _ in range(rounds):
        for way in ["shared", "mpi", "threads", *GLOO]:
            for size, seconds in (once(bench, ranks, way) or {}).items():
                times.setdefault(way, {}).setdefault(size, []).append(seconds)
    for size in times["shared"]:
        ways = [times[way][size] for way in GLOO if way in times]
        if ways:
            times.setdefault("gloo", {})[size] = min(ways, key=statistics.median)
    return times


def sizeText(size):
    return f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB"


def report(times, ranks):
    peers = [way for way in ("mpi", "gloo") if way in times]
    print(f"| {ranks} ranks | processes | threads | " + " | ".join(peers) + " | " + " | ".join(f"{peer} / ours" for peer in peers) + " |")
    print("|---|" + "---:|" * (2 + 2 * len(peers)))
    for size, ours in times["shared"].items():
        cells = [statistics.median(times[way][size]) * 1e6 for way in ["shared", "threads", *peers]]
        ratios = [statistics.median(p / o for p, o in zip(times[peer][size], ours)) for peer in peers]
        print(f"| {sizeText(size)} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "release" / "bin")
    args = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; µs, medians of {args.rounds} rounds\n")
    for ranks in args.ranks.split(","):
        report(measure(args.bin / "allreduce_bench", int(ranks), args.rounds), int(ranks))
        print()


if __name__ == "__main__":
    sys.exit(main())
