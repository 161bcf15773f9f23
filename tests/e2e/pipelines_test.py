"""Every given model as a pipeline, alone and with tensor and data parallelism, equals the expected outputs.

The batches of the data sets are 1 to 3: microbatches are uneven, and some are empty. With SHARDWRIGHT_FULL=1 every mesh runs
with every number of microbatches under every schedule.
"""

import itertools
import os
import unittest

import given_models

MESHES = ["pp=2", "pp=3", "pp=2,tp=2", "dp=2,pp=2", "dp=2,pp=2,tp=2"]
MICROBATCHES = [1, 2, 4]
SCHEDULES = ["gpipe", "1f1b", "interleaved"]
CASES = [("pp=2", 1, "gpipe"), ("pp=3", 2, "gpipe"), ("pp=2,tp=2", 4, "1f1b"), ("dp=2,pp=2", 2, "interleaved"),
         ("dp=2,pp=2,tp=2", 2, "gpipe")]
if os.environ.get("SHARDWRIGHT_FULL"):
    CASES = list(itertools.product(MESHES, MICROBATCHES, SCHEDULES))


class PipelinesTest(given_models.GivenModels):
    pass


def addTest(model, mesh, microbatches, schedule):
    name = f"test_{model}_{mesh}_{microbatches}_{schedule}".replace("-", "_").replace("=", "").replace(",", "_")
    options = ["--mesh", mesh, "--microbatches", str(microbatches), "--schedule", schedule]
    setattr(PipelinesTest, name, lambda self: self.check(model, *options))


for model in given_models.MODELS:
    for case in CASES:
        addTest(model, *case)

if __name__ == "__main__":
    unittest.main()
