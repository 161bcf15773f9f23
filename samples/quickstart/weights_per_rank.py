"""weights_per_rank.py CHECKPOINT: reads `shardview PLAN --json` from its standard input and prints how many bytes of weights
each rank holds, and which part of the checkpoint's that is."""

import json
import os
import sys


def main(checkpoint):
    wholeBytes = os.path.getsize(checkpoint)
    for rank in json.load(sys.stdin)["ranks"]:
        print(f"  rank {rank['rank']}: {rank['weightBytes'] / 1e6:.1f} MB of weights, {rank['weightBytes'] / wholeBytes:.0%} of the checkpoint")


if __name__ == "__main__":
    main(*sys.argv[1:])
