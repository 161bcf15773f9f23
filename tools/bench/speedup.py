#!/usr/bin/env python3
"""Times a model on meshes of ranks with one thread each against one rank with one thread, in turns, and prints medians and ratios.

    speedup.py MODEL.onnx [--assume batch=8 sequence=128] [--mesh tp=2 dp=2 pp=2:8] [--rounds 7] [--bin build/release/bin]

"pp=2:8" is a pipeline of two stages that eight microbatches go through. What such a one can reach at best is what its own
stages allow, whose times t are those of a trace: (Σt·M) / (Σt + (M-1)·max t). Inputs are made up, of the assumed sizes.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from trace_times import chunkSeconds

ROOT = pathlib.Path(__file__).resolve().parents[2]


def compile(args, folder, mesh):
    axes, _, microbatches = mesh.partition(":")
    plan = folder / f"plan-{mesh}"
    options = (["--mesh", axes] if axes else []) + (["--microbatches", microbatches] if microbatches else [])
    subprocess.run([args.bin / "shardc", args.model, "-o", plan, *options, "--assume", *args.assume], check=True)
    return plan


def run(args, folder, plan, *options):
    report = folder / "report.json"
    subprocess.run([args.bin / "shardrun", plan, "--threads-per-rank", "1", "--warmup", "1", "--repeat", str(args.repeat), "--json", report, *options],
                   check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())["median"]


def stageSeconds(args, folder, plan, microbatches):
    trace = folder / "trace.json"
    run(args, folder, plan, "--trace", trace)
    view = subprocess.run([args.bin / "shardview", plan, "--trace", trace, "--json"], check=True, capture_output=True, text=True)
    return [sum(chunks) for chunks in chunkSeconds(trace, json.loads(view.stdout)["measured"]["run"], microbatches)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--assume", nargs="+", default=["batch=8", "sequence=128"])
    parser.add_argument("--mesh", nargs="+", default=["tp=2", "dp=2", "pp=2:8"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "release" / "bin")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shardwright-speedup-") as folder:
        folder = pathlib.Path(folder)
        plans = {mesh: compile(args, folder, mesh) for mesh in ["", *args.mesh]}
        seconds = {mesh: [] for mesh in plans}
        for _ in range(args.rounds):
            for mesh, plan in plans.items():
                seconds[mesh].append(run(args, folder, plan))
        print(f"{args.model}, {', '.join(args.assume)}; medians of {args.rounds} rounds of {args.repeat}")
        print(f"  {'one rank':10} {statistics.median(seconds['']):8.3f} s")
        for mesh in args.mesh:
            ratio = statistics.median(one / many for one, many in zip(seconds[""], seconds[mesh]))
            line = f"  {mesh:10} {statistics.median(seconds[mesh]):8.3f} s   {ratio:5.2f} times as fast"
            if mesh.startswith("pp=") and "," not in mesh:
                microbatches = int(mesh.partition(":")[2] or 1)
                stages = stageSeconds(args, folder, plans[mesh], microbatches)
                best = sum(stages) * microbatches / (sum(stages) + (microbatches - 1) * max(stages))
                line += f", {ratio / best:.2f} of {best:.2f}, which stages of " + ", ".join(f"{1e3 * t:.1f}" for t in stages) + " ms allow"
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
