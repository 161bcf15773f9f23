#!/usr/bin/env python3
"""Times ONNX Runtime and Shardwright alternately on the same cores, and prints medians and ratios.

    compare.py MODEL.onnx --data DIR [--rounds 7] [--repeat 5] [--bin build/release/bin]

Each round runs, one after the other, ONNX Runtime with one thread per core; Shardwright as tensor-parallel ranks with one
thread each, one rank per core; and Shardwright as one rank with one thread per core. A ratio above 1 says that Shardwright is
faster; it is taken round by round, so that a machine that slows down does so for both.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]


def cpuFeatures():
    flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split()
    return " ".join(f for f in ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if f in flags)


def readInputs(session, folder):
    feeds = {}
    for index, port in enumerate(session.get_inputs()):
        tensor = onnx.TensorProto()
        tensor.ParseFromString((folder / f"input_{index}.pb").read_bytes())
        feeds[port.name] = numpy_helper.to_array(tensor)
    return feeds


def timeOnnxRuntime(session, feeds, repeat):
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        session.run(None, feeds)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def timeShardwright(binaries, plan, data, threads, repeat, report):
    subprocess.run([binaries / "shardrun", plan, "--data", data, "--threads-per-rank", str(threads), "--warmup", "2", "--repeat",
                    str(repeat), "--json", report], check=True, stdout=subprocess.DEVNULL)
    return json.loads(pathlib.Path(report).read_text())["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "release" / "bin")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
    feeds = readInputs(session, args.data)
    timeOnnxRuntime(session, feeds, 2)
    with tempfile.TemporaryDirectory(prefix="shardwright-compare-") as folder:
        modes = {f"tp={cores}, 1 thread each": (["--mesh", f"tp={cores}"], 1), f"1 rank, {cores} threads": ([], cores)}
        plans = {}
        for index, (mode, (mesh, _)) in enumerate(modes.items()):
            plans[mode] = pathlib.Path(folder) / f"plan{index}"
            subprocess.run([args.bin / "shardc", args.model, "-o", plans[mode], *mesh], check=True)
        peer, ours = [], {mode: [] for mode in modes}
        for _ in range(args.rounds):
            peer.append(timeOnnxRuntime(session, feeds, args.repeat))
            for mode, (_, threads) in modes.items():
                ours[mode].append(timeShardwright(args.bin, plans[mode], args.data, threads, args.repeat, f"{folder}/report.json"))
    print(f"{args.model}  {cores} cores, {cpuFeatures()}; median of {args.rounds} rounds of {args.repeat}")
    print(f"  {'ONNX Runtime ' + onnxruntime.__version__:24} {statistics.median(peer) * 1e3:9.2f} ms")
    for mode, seconds in ours.items():
        ratio = statistics.median(p / s for p, s in zip(peer, seconds))
        print(f"  {mode:24} {statistics.median(seconds) * 1e3:9.2f} ms   ratio {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main())
