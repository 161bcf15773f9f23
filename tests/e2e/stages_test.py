"""What crosses the stages of a pipeline: values that skip one, a weight of two, masks that all need, outputs of any; and batches that
microbatches and data parallelism do not divide, are more than, or have alone. A model made on the spot equals ONNX Runtime."""

import json
import pathlib
import re
import shutil
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from asked_shardings import weight
from built_tools import runTool

SEQUENCE, WORDS, WIDTH = 5, 311, 24
BATCHES = [7, 1, 3, 2, 8, 5]
IN_STAGES = {"embed": 0, "one": 0, "two": 1, "three": 2, "join": 2, "logits": 2}


def makeGraph():
    """embed -> one -> two -> three -> join with the embedding -> logits over the embedding's table; a mask in every stage."""
    rng = np.random.default_rng(11)
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "ids"], ["h0"], "embed"),
        node("Cast", ["keep"], ["kept"], "mask", to=TensorProto.FLOAT),
        node("Unsqueeze", ["kept", "last"], ["m"], "mask_dims"),
        node("MatMul", ["h0", "w1"], ["a1"], "one"),
        node("Mul", ["a1", "m"], ["h1"], "one_masked"),
        node("MatMul", ["h1", "w2"], ["a2"], "two"),
        node("Mul", ["a2", "m"], ["h2"], "two_masked"),
        node("Shape", ["ids"], ["sizes"], "sizes"),
        node("Concat", ["sizes", "pair"], ["pairs"], "pair_sizes", axis=0),
        node("Reshape", ["h2", "pairs"], ["h2_pairs"], "pairs"),
        node("ReduceSum", ["h2_pairs", "last"], ["p2"], "add_pairs", keepdims=0),
        node("MatMul", ["p2", "w3"], ["a3"], "three"),
        node("Add", ["a3", "h0"], ["joined"], "join"),
        node("Mul", ["joined", "m"], ["h3"], "three_masked"),
        node("Transpose", ["table"], ["table_t"], "turn", perm=[1, 0]),
        node("MatMul", ["h3", "table_t"], ["logits"], "logits"),
        node("ReduceSum", ["m", "rows"], ["lengths"], "lengths", keepdims=0),
    ]
    value = helper.make_tensor_value_info
    inputs = [value("ids", TensorProto.INT64, ["batch", SEQUENCE]), value("keep", TensorProto.BOOL, ["batch", SEQUENCE])]
    widths = {"h1": WIDTH, "h2": 18, "joined": WIDTH, "logits": WORDS}
    outputs = [value(name, TensorProto.FLOAT, ["batch", SEQUENCE, width]) for name, width in widths.items()]
    outputs.append(value("lengths", TensorProto.FLOAT, ["batch", 1]))
    constants = [weight(rng, "table", WORDS, WIDTH), weight(rng, "w1", WIDTH, WIDTH), weight(rng, "w2", WIDTH, 18),
                 weight(rng, "w3", 9, WIDTH), helper.make_tensor("last", TensorProto.INT64, [1], [-1]),
                 helper.make_tensor("rows", TensorProto.INT64, [1], [1]), helper.make_tensor("pair", TensorProto.INT64, [2], [9, 2])]
    return helper.make_graph(nodes, "stages", inputs, outputs, constants)


class StagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-stages-"))
        cls.model = cls.folder / "model.onnx"
        graph = makeGraph()
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, cls.model)
        session = onnxruntime.InferenceSession(cls.model, providers=["CPUExecutionProvider"])
        for batch in BATCHES:
            rng = np.random.default_rng(batch)
            inputs = {"ids": rng.integers(0, WORDS, (batch, SEQUENCE)), "keep": rng.random((batch, SEQUENCE)) < 0.7}
            data = cls.folder / f"batch_{batch}"
            data.mkdir()
            for kind, values in (("input", inputs.values()), ("output", session.run(None, inputs))):
                for i, found in enumerate(values):
                    tensor = numpy_helper.from_array(found, getattr(graph, kind)[i].name)
                    (data / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def compile(self, mesh, *options, stages=None):
        plan, spec = self.folder / "plan", self.folder / "spec.json"
        spec.write_text(json.dumps({"nodes": {name: {"stage": stage} for name, stage in (stages or {}).items()}}))
        return plan, runTool("shardc", self.model, "-o", plan, "--mesh", mesh, "--shard", spec, *options)

    def check(self, mesh, *options, stages=None, batches=BATCHES):
        """One plan runs every batch. What shardview says of the plan, as text and as data."""
        plan, compiled = self.compile(mesh, *options, stages=stages)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        for batch in batches:
            run = runTool("shardrun", plan, "--data", self.folder / f"batch_{batch}", "--check", "--rtol", "1e-4", "--atol", "1e-4",
                          "--timeout", "20")
            self.assertEqual(run.returncode, 0, f"batch {batch}: {run.stdout}{run.stderr}")
        return runTool("shardview", plan).stdout, json.loads(runTool("shardview", plan, "--json").stdout)

    @staticmethod
    def moved(text, way):
        """By stage, the nodes whose values come that way."""
        return [re.findall(r"(\w+) [\d.]+ [KM]?i?B", names) for names in re.findall(rf"  {way}: ([^\n]*)", text)]

    def refused(self, mesh, *options, stages=None, says=()):
        _, compiled = self.compile(mesh, *options, stages=stages)
        self.assertEqual(compiled.returncode, 2, compiled.stderr)
        for words in says:
            self.assertIn(words, compiled.stderr)

    # --- batches --------------------------------------------------------------------------------------------------------------

    def test_batches_that_nothing_divides(self):
        for mesh, microbatches, schedule in [("dp=2,pp=2", 4, "gpipe"), ("dp=3,pp=2", 2, "1f1b"), ("dp=2,pp=2,tp=2", 3, "1f1b"),
                                             ("pp=3", 4, "gpipe"), ("pp=2,dp=2", 6, "gpipe"), ("dp=4", 3, "gpipe"), ("dp=5,pp=1", 1, "gpipe")]:
            with self.subTest(mesh=mesh, microbatches=microbatches, schedule=schedule):
                pins = {"one": 0, "logits": 1} if "pp=2" in mesh else IN_STAGES if "pp=3" in mesh else None
                self.check(mesh, "--microbatches", str(microbatches), "--schedule", schedule, stages=pins)

    def test_chunks_of_microbatches_that_nothing_divides(self):
        for mesh in ("pp=2", "dp=2,pp=2"):
            with self.subTest(mesh=mesh):
                _, report = self.check(mesh, "--microbatches", "4", "--schedule", "interleaved", "--assume", "batch=64")
                self.assertEqual(report["schedule"], "interleaved")

    # --- what crosses stages ----------------------------------------------------------------------------------------------------

    def test_value_that_skips_a_stage(self):
        text, _ = self.check("pp=3", "--microbatches", "2", stages=IN_STAGES)
        self.assertEqual(self.moved(text, "receives from stage 0"), [["one_masked"], ["embed"]])
        self.assertEqual(self.moved(text, "receives from stage 1"), [["add_pairs"]])

    def test_weight_of_two_stages(self):
        _, report = self.check("pp=3", stages=IN_STAGES)
        table = 4 * WORDS * WIDTH
        held = [rank["weightBytes"] for rank in report["ranks"]]
        self.assertGreaterEqual(held[0], table)
        self.assertLess(held[1], table)
        self.assertGreaterEqual(held[2], table)

    def test_weight_of_two_stages_that_tp_splits(self):
        _, report = self.check("pp=3,tp=2", "--microbatches", "2", stages=IN_STAGES)
        self.assertEqual(len(report["ranks"]), 6)

    def test_masks_are_made_where_they_are_needed(self):
        text, _ = self.check("pp=3", "--microbatches", "3", stages=IN_STAGES)
        for names in self.moved(text, r"receives from stage \d"):
            self.assertFalse({"mask", "mask_dims", "sizes", "pair_sizes"} & set(names), names)

    def test_stage_that_computes_nothing(self):
        """Its one node gives another shape to what it receives."""
        stages = {"embed": 0, "one": 0, "one_masked": 0, "two": 0, "two_masked": 0, "pairs": 1, "add_pairs": 2, "three": 2, "join": 2,
                  "three_masked": 2, "logits": 2}
        text, _ = self.check("pp=3", "--microbatches", "2", stages=stages)
        self.assertEqual(self.moved(text, "receives from stage 0"), [["two_masked"], ["embed"]])
        self.assertEqual(self.moved(text, "receives from stage 1"), [["pairs"]])

    def test_stage_without_a_node(self):
        self.refused("pp=3", stages={name: 0 for name in IN_STAGES} | {"logits": 1}, says=["model.onnx", "stage 2"])
        self.refused("pp=60", says=["model.onnx", "axis pp wants 60 stages", "use a smaller axis"])


if __name__ == "__main__":
    unittest.main()
