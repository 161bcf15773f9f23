"""What users may ask for in SPEC.json: each plan equals the whole model, and holds what was asked for.

The model is a perceptron with a softmax and two normalisations, on dims that do not divide: 7 positions, 14 and 21 wide.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin"
BATCH, POSITIONS, WIDE, WIDER = 3, 7, 14, 21


def runTool(tool, *arguments):
    return subprocess.run([BIN / tool, *arguments], capture_output=True, text=True, timeout=300)


def makeModel():
    rng = np.random.default_rng(5)

    def weight(name, *shape):
        return numpy_helper.from_array(rng.normal(0.3, 0.5, shape).astype(np.float32), name)

    nodes = [
        helper.make_node("LayerNormalization", ["x", "gain1", "shift1"], ["normed"], "norm1", axis=-1),
        helper.make_node("MatMul", ["normed", "up.weight"], ["up"], "up"),
        helper.make_node("Add", ["up", "up.bias"], ["biased"], "up_bias"),
        helper.make_node("Gelu", ["biased"], ["active"], "gelu"),
        helper.make_node("MatMul", ["active", "down.weight"], ["down"], "down"),
        helper.make_node("Add", ["down", "x"], ["hidden"], "residual"),
        helper.make_node("Softmax", ["hidden"], ["weights"], "softmax", axis=-1),
        helper.make_node("Mul", ["weights", "hidden"], ["mixed"], "mix"),
        helper.make_node("LayerNormalization", ["mixed", "gain2", "shift2"], ["y"], "norm2", axis=-1),
    ]
    shape = ["batch", POSITIONS, WIDE]
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [
            weight("gain1", WIDE),
            weight("shift1", WIDE),
            weight("gain2", WIDE),
            weight("shift2", WIDE),
            weight("up.weight", WIDE, WIDER),
            weight("up.bias", WIDER),
            weight("down.weight", WIDER, WIDE),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


class SpecsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-specs-"))
        cls.model = cls.folder / "model.onnx"
        onnx.save(makeModel(), cls.model)
        cls.data = cls.folder / "data"
        cls.data.mkdir()
        x = np.random.default_rng(6).normal(0.5, 1, (BATCH, POSITIONS, WIDE)).astype(np.float32)
        (y,) = onnxruntime.InferenceSession(cls.model, providers=["CPUExecutionProvider"]).run(None, {"x": x})
        for name, value in (("input_0", x), ("output_0", y)):
            (cls.data / f"{name}.pb").write_bytes(numpy_helper.from_array(value, name[0]).SerializeToString())

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def check(self, mesh, **spec):
        """Compiles under the spec and compares; returns the plan's collectives by kind, and its report."""
        path = self.folder / "spec.json"
        path.write_text(json.dumps(spec))
        plan = self.folder / "plan"
        compiled = runTool("shardc", self.model, "-o", plan, "--mesh", mesh, "--shard", path)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        run = runTool("shardrun", plan, "--data", self.data, "--check", "--rtol", "1e-4", "--atol", "1e-5")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        report = json.loads(runTool("shardview", plan, "--json").stdout)
        counts = {}
        for stage in report["collectives"]:
            for kind, entry in stage.items():
                if isinstance(entry, dict):
                    counts[kind] = entry["count"]
        return counts, report

    def test_positions_split_in_seven(self):
        for ranks in (2, 3):
            counts, report = self.check(f"sp={ranks}", tensors={"x": [[], ["sp"], []], "y": [[], ["sp"], []]})
            self.assertEqual(counts, {}, "positions do not meet")
            self.assertIn("sp", json.dumps(report["inputs"]))

    def test_positions_split_by_tp(self):
        for ranks in (2, 3, 4):
            self.check(f"tp={ranks}", tensors={name: [[], ["tp"], []] for name in ("x", "hidden", "y")})

    def test_softmax_over_a_split_dim(self):
        for ranks in (2, 3):
            pins = {name: [[], [], ["tp"]] for name in ("hidden", "weights", "mixed")}
            self.check(f"tp={ranks}", tensors=pins)

    def test_normalisation_over_a_split_dim(self):
        for ranks in (2, 3):
            pins = {name: [[], [], ["tp"]] for name in ("x", "normed", "mixed", "y")}
            self.check(f"tp={ranks}", tensors=pins)

    def test_matmul_split_in_two_dims(self):
        self.check("x=2,y=2", tensors={"up.weight": [["x"], ["y"]], "down.weight": [["y"], ["x"]], "up": [[], [], ["y"]]})

    def test_weights_split_in_two_dims_of_other_axes(self):
        self.check("x=2,y=3", tensors={"up.weight": [["y"], ["x"]], "down.weight": [["y"], ["x"]]})

    def test_contracted_dim_on_two_axes(self):
        for mesh in ("x=2,y=2", "x=3,y=2"):
            self.check(mesh, tensors={"active": [[], [], ["x", "y"]], "down.weight": [["x", "y"], []]})
            self.check(mesh, tensors={"active": [[], [], ["y", "x"]], "down.weight": [["y", "x"], []]})

    def test_sub_axes(self):
        self.check("tp=4", tensors={"active": [[], ["tp:(1)2"], ["tp:(2)2"]], "hidden": [[], ["tp:(2)2"], []]})

    def test_batch_and_tensor_axes(self):
        self.check("dp=2,tp=2", tensors={"active": [["dp"], [], ["tp"]], "hidden": [["dp"], ["tp"], []]})
        self.check("dp=2,tp=2", tensors={"active": [["tp"], [], ["dp"]], "hidden": [[], [], []]})

    def test_strategy_of_a_node(self):
        counts, _ = self.check("tp=2", nodes={"down": {"strategy": {"tp": "0.1"}}})
        _, report = self.check("tp=2", nodes={"down": {"strategy": {"tp": "0.2"}}})
        self.assertTrue(report["steps"])

    def test_everything_whole(self):
        weights = {"up.weight": [[], []], "down.weight": [[], []], "up.bias": [[]], "gain?": [[]], "shift?": [[]]}
        counts, report = self.check("tp=2", tensors=weights)
        self.assertEqual(counts, {})
        self.assertEqual(len({rank["weightBytes"] for rank in report["ranks"]}), 1)


if __name__ == "__main__":
    unittest.main()
