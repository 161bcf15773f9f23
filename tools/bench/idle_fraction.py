#!/usr/bin/env python3
"""Measures how much of its time a pipeline of four stages is idle under each schedule, against the formula for equal stages.

    idle_fraction.py [--bin build/release/bin] [--repeat 5] [--quota 0.4]      # as root, with cgroup v1 and mpirun

The model is a GPT of eight equal layers and small tables, cut into four stages of two layers, or two chunks of one; four
microbatches go through it, (p-1)/(v m+p-1) idle if all actions take equally long and transfers nothing. Each stage is a process
that gets a fixed share of a processor, no more (a control group's quota) and no less (its weight, against whatever else runs), so
that four of them compute side by side on two cores.
What is printed: by the formula; by the formulas' simulation with the times that were measured; measured.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "models"))
import make_gpt  # noqa: E402
from trace_times import chunkSeconds  # noqa: E402

STAGES, MICROBATCHES, LAYERS, PERIOD_US = 4, 4, 8, 5000
SCHEDULES = {"gpipe": 1, "1f1b": 1, "interleaved:2": 2}
GROUPS = pathlib.Path("/sys/fs/cgroup/cpu")


def makeGroups(quota):
    groups = [GROUPS / f"shardwright-{os.getpid()}-{rank}" for rank in range(STAGES)]
    for group in groups:
        group.mkdir()
        (group / "cpu.shares").write_text("200000")
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(int(PERIOD_US * quota)))
    return groups


def simulated(seconds, chunks):
    """Idle fraction if rank r's chunk takes seconds[r][chunk] each time, in the schedule's order of chunks by groups of p."""
    if chunks == 1:
        order = [(microbatch, 0) for microbatch in range(MICROBATCHES)]
    else:
        order = [(first + i, chunk) for first in range(0, MICROBATCHES, STAGES) for chunk in range(chunks)
                 for i in range(min(STAGES, MICROBATCHES - first))]
    free, done = [0.0] * STAGES, {}
    for microbatch, chunk in order:
        for rank in range(STAGES):
            before = done.get((microbatch, chunk * STAGES + rank - 1), 0.0)
            free[rank] = done[microbatch, chunk * STAGES + rank] = max(free[rank], before) + seconds[rank][chunk]
    busy = MICROBATCHES * sum(map(sum, seconds))
    return 1 - busy / (STAGES * max(free))


def measure(args, folder, schedule, groups):
    plan, trace = folder / "plan", folder / "trace.json"
    subprocess.run([args.bin / "shardc", folder / "model.onnx", "-o", plan, "--mesh", f"pp={STAGES}", "--microbatches", str(MICROBATCHES),
                    "--schedule", schedule, "--assume", f"batch={MICROBATCHES * args.batch}"], check=True)
    join = f'echo $$ >"{GROUPS}/shardwright-{os.getpid()}-$OMPI_COMM_WORLD_RANK/cgroup.procs" && exec "$0" "$@"'
    subprocess.run(["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(STAGES), "sh", "-c", join, args.bin / "shardrun", plan,
                    "--threads-per-rank", "1", "--warmup", "1", "--repeat", str(args.repeat), "--trace", trace],
                   check=True, stdout=subprocess.DEVNULL)
    view = subprocess.run([args.bin / "shardview", plan, "--trace", trace, "--json"], check=True, capture_output=True, text=True)
    measured = json.loads(view.stdout)["measured"]
    if args.draw:
        print(subprocess.run([args.bin / "shardview", plan, "--trace", trace], check=True, capture_output=True, text=True).stdout)
    return measured["idleFraction"], measured["seconds"], chunkSeconds(trace, measured["run"], MICROBATCHES)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "release" / "bin")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--quota", type=float, default=0.4, help="of a processor, for each stage")
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4, help="of a microbatch, of 128 tokens each")
    parser.add_argument("--draw", action="store_true", help="print what shardview says of each trace")
    args = parser.parse_args()
    groups = makeGroups(args.quota)
    try:
        with tempfile.TemporaryDirectory(prefix="shardwright-idle-") as folder:
            folder = pathlib.Path(folder)
            make_gpt.makeGpt(folder, LAYERS, args.hidden, heads=8, vocabulary=64, positions=128)
            print(f"{'schedule':15} {'formula':>9} {'simulated':>9} {'measured':>9} {'off':>7}   one run   action of each stage's chunks")
            for schedule, chunks in SCHEDULES.items():
                idle, seconds, times = measure(args, folder, schedule, groups)
                formula = (STAGES - 1) / (chunks * MICROBATCHES + STAGES - 1)
                actions = "  ".join("/".join(f"{1e3 * t:.0f}" for t in rank) for rank in times)
                print(f"{schedule:15} {formula:9.3f} {simulated(times, chunks):9.3f} {idle:9.3f} {idle / formula - 1:+7.1%}   {seconds:5.2f} s   {actions} ms",
                      flush=True)
    finally:
        for group in groups:
            group.rmdir()


if __name__ == "__main__":
    sys.exit(main())
