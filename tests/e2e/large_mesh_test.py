"""A GPT too large for any machine here is compiled, proven and summarised for a 3-D mesh; the plan does not grow with ranks.

With SHARDWRIGHT_FULL=1 it has a trillion parameters, for 3072 ranks.
"""

import functools
import json
import os
import pathlib
import resource
import shutil
import sys
import tempfile
import unittest

import built_tools
from built_tools import ROOT

runTool = functools.partial(built_tools.runTool, timeout=600)

sys.path.insert(0, str(ROOT / "tests" / "models"))

import make_gpt  # noqa: E402

FULL = bool(os.environ.get("SHARDWRIGHT_FULL"))
LAYERS, STAGES = (128, 64) if FULL else (16, 8)
MOST_BYTES = 2 * 10**9


class LargeMeshTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-large-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.parameters = make_gpt.makeGpt(cls.folder, LAYERS, 25600, 160)
        cls.plan = cls.compile("plan", 6)

    @classmethod
    def compile(cls, name, replicas):
        plan = cls.folder / name
        compiled = runTool("shardc", cls.folder / "model.onnx", "-o", plan, "--mesh", f"dp={replicas},pp={STAGES},tp=8",
                           "--no-weights", "--microbatches", str(STAGES), "--assume", "sequence=2048", "--assume",
                           f"batch={replicas * STAGES * 2}")
        assert compiled.returncode == 0, compiled.stderr
        return plan

    def test_it_is_proven_and_summarised(self):
        verified = runTool("shardview", self.plan, "--verify")
        self.assertEqual(verified.returncode, 0, verified.stderr)
        view = json.loads(runTool("shardview", self.plan, "--json").stdout)
        self.assertEqual(len(view["ranks"]), 6 * STAGES * 8)
        self.assertEqual(view["stages"], STAGES)
        held = [rank["weightBytes"] for rank in view["ranks"]]
        even = 4 * self.parameters / (STAGES * 8)
        self.assertLess(max(held), 1.5 * even, "no rank holds much more than its share")
        self.assertGreater(min(held), 0.3 * even)
        for stage, totals in enumerate(view["collectives"]):
            layers = LAYERS / STAGES + 1
            combined = sum(total["count"] for total in totals.values()) / STAGES
            self.assertLessEqual(combined, 4 * layers, f"stage {stage}: two per layer, or their halves")
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, MOST_BYTES)

    def test_its_size_does_not_grow_with_ranks_that_differ_only_in_index(self):
        more = self.compile("more", 9)
        sizes = [sum(file.stat().st_size for file in plan.rglob("*") if file.is_file()) for plan in (self.plan, more)]
        self.assertLess(abs(sizes[0] - sizes[1]), 200)


if __name__ == "__main__":
    unittest.main()
