"""What the benchmarks read from a trace of shardrun."""

import json


def chunkSeconds(trace, run, microbatches):
    """By rank and chunk, the mean time of an action of that run, its receives left out."""
    sums = {}
    for event in json.loads(trace.read_text())["traceEvents"]:
        if event["ph"] != "X" or event["args"]["run"] != run:
            continue
        key = event["tid"], event["args"]["chunk"]
        if event["cat"] == "chunk":
            sums[key] = sums.get(key, 0) + event["dur"]
        elif event["args"].get("op") == "receive":
            sums[key] = sums.get(key, 0) - event["dur"]
    ranks, chunks = 1 + max(rank for rank, _ in sums), 1 + max(chunk for _, chunk in sums)
    return [[sums[rank, chunk] / 1e6 / microbatches for chunk in range(chunks)] for rank in range(ranks)]
