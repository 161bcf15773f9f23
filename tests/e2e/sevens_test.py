"""A dim of 7 split in 2, 3 and more parts wherever an op may have it: passing through, reduced, contracted, compared."""

import json
import pathlib
import sys
import unittest

import numpy as np
from onnx import TensorProto, helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from asked_shardings import SpecTestCase, weight
from built_tools import runTool

BATCH, ROWS, SEVEN = 3, 5, 7
WIDE = 311  # makes weights of what would be constants


def makeGraph():
    rng = np.random.default_rng(7)
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "wide.weight"], ["wide"], "wide"),
        node("Softmax", ["x"], ["soft"], "softmax", axis=-1),
        node("LogSoftmax", ["x"], ["logs"], "log_softmax", axis=1),
        node("Mul", ["soft", "logs"], ["mixed"], "mix"),
        node("CumSum", ["mixed", "rows"], ["summed"], "running_sum"),
        node("LayerNormalization", ["summed", "gain", "shift"], ["normed"], "norm", axis=-1),
        node("MatMul", ["normed", "square.weight"], ["square"], "square"),
        node("ReduceMean", ["square", "last"], ["mean"], "mean"),
        node("ReduceMax", ["square", "rows"], ["top"], "top"),
        node("Sub", ["square", "mean"], ["centred"], "centre"),
        node("Sub", ["centred", "top"], ["below"], "below_top"),
        node("MatMul", ["wide", "narrow.weight"], ["narrow"], "narrow"),
        node("Add", ["below", "narrow"], ["y"], "join"),
        node("ArgMax", ["square"], ["best"], "argmax", axis=2, keepdims=0),
    ]
    value = helper.make_tensor_value_info
    inputs = [value("x", TensorProto.FLOAT, ["batch", ROWS, SEVEN])]
    outputs = [value("y", TensorProto.FLOAT, ["batch", ROWS, SEVEN]), value("wide", TensorProto.FLOAT, ["batch", ROWS, WIDE]),
               value("best", TensorProto.INT64, ["batch", ROWS])]
    constants = [weight(rng, "wide.weight", SEVEN, WIDE), weight(rng, "narrow.weight", WIDE, SEVEN),
                 weight(rng, "square.weight", SEVEN, SEVEN), weight(rng, "gain", SEVEN), weight(rng, "shift", SEVEN), helper.make_tensor("last", TensorProto.INT64, [1], [2]),
                 helper.make_tensor("rows", TensorProto.INT64, [1], [1])]
    return helper.make_graph(nodes, "sevens", inputs, outputs, constants)


def split(**strategy):
    return {"strategy": strategy}


class SevensTest(SpecTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        x = np.random.default_rng(8).normal(0.5, 1, (BATCH, ROWS, SEVEN)).astype(np.float32)
        cls.save(makeGraph(), {"x": x})

    def test_seven_in_every_tensor(self):
        for ranks in (2, 3, 7):
            names = ("x", "soft", "logs", "mixed", "normed", "square", "centred", "y")
            self.check(f"tp={ranks}", tensors={name: [[], [], ["tp"]] for name in names})

    def test_seven_of_one_tensor(self):
        for name in ("x", "soft", "normed", "square", "y"):
            for ranks in (2, 3):
                self.check(f"tp={ranks}", tensors={name: [[], [], ["tp"]]})

    def test_five_rows(self):
        names = ("x", "soft", "logs", "normed", "square", "y", "wide")
        for ranks in (2, 3, 4):
            self.check(f"tp={ranks}", tensors={name: [[], ["tp"], []] for name in names})

    def test_weights_by_rows_and_by_columns(self):
        for ranks in (2, 3):
            for dims in ([["tp"], []], [[], ["tp"]]):
                _, report = self.check(f"tp={ranks}", tensors={"wide.weight": dims, "narrow.weight": dims})
                held = [rank["weightBytes"] for rank in report["ranks"]]
                small = 4 * (SEVEN * SEVEN + 2 * SEVEN)
                most = 4 * WIDE * -(-SEVEN // ranks) + 4 * SEVEN * -(-WIDE // ranks)
                self.assertLessEqual(max(held), most + small, held)

    def test_contracted_in_parts(self):
        for ranks in (2, 3, 7):
            counts, _ = self.check(f"tp={ranks}", nodes={"square": split(tp="0.2"), "wide": split(tp="0.2"), "narrow": split(tp="0.2")})
            self.assertTrue(counts.keys() & {"all-reduce", "reduce-scatter"}, counts)

    def test_contracted_on_two_axes(self):
        for mesh in ("x=2,y=2", "x=2,y=3", "x=3,y=2"):
            counts, _ = self.check(mesh, nodes={"square": split(x="0.2", y="0.2"), "wide": split(x="0.2", y="0.2")})
            self.assertTrue(counts.keys() & {"all-reduce", "reduce-scatter"}, counts)
            self.check(mesh, tensors={"normed": [[], [], ["x", "y"]], "x": [[], [], ["x", "y"]], "wide.weight": [["x", "y"], []]})
            self.check(mesh, tensors={"x": [[], [], ["y", "x"]], "wide.weight": [["x", "y"], []], "narrow.weight": [["y", "x"], []]})

    def test_matmul_in_two_dims(self):
        for mesh in ("x=2,y=2", "x=2,y=3", "x=3,y=2"):
            self.check(mesh, nodes={"square": split(x="0.1", y="1.1"), "wide": split(x="0.1", y="1.1")})
            self.check(mesh, nodes={"square": split(x="0.2", y="1.1"), "wide": split(x="1.1", y="0.2")})
            self.check(mesh, tensors={"narrow.weight": [["x"], ["y"]], "wide.weight": [["y"], ["x"]], "square": [[], ["x"], ["y"]]})

    def test_matmul_in_three_dims(self):
        counts, _ = self.check("x=2,y=2,z=2", nodes={"square": split(x="0.1", y="0.2", z="1.1")})
        self.assertTrue(counts.keys() & {"all-reduce", "reduce-scatter"}, counts)

    def test_softmax_and_normalisation_in_parts(self):
        for mesh in ("tp=2", "tp=3"):
            counts, _ = self.check(mesh, nodes={"softmax": split(tp="0.2"), "log_softmax": split(tp="0.1"), "norm": split(tp="0.2")})
            self.assertGreaterEqual(counts["all-reduce"], 5, counts)

    def test_reductions_in_parts(self):
        for mesh in ("tp=2", "tp=3"):
            self.check(mesh, nodes={"mean": split(tp="0.2"), "top": split(tp="0.1"), "argmax": split(tp="0.1")})
            self.check(mesh, nodes={"mean": split(tp="0.1"), "top": split(tp="0.2"), "argmax": split(tp="0.1")})

    def refused(self, mesh, says, **spec):
        path = self.folder / "refused.json"
        path.write_text(json.dumps(spec))
        compiled = runTool("shardc", self.model, "-o", self.folder / "refused", "--mesh", mesh, "--shard", path)
        self.assertEqual(compiled.returncode, 2, compiled.stderr)
        self.assertIn(says, compiled.stderr)
        self.assertFalse((self.folder / "refused").exists())

    def test_more_parts_than_elements(self):
        self.refused("tp=8", "refused.json: /tensors/normed/2: dim 2 has 7 elements, which cannot be split in 8 parts",
                     tensors={"normed": [[], [], ["tp"]]})
        self.refused("tp=8", "/nodes/square/strategy/tp: dim 2 of operand 0 of square has 7 elements", nodes={"square": split(tp="0.2")})

    def test_strategies_that_an_op_cannot_follow(self):
        """A running sum has its own dim whole; rows that x and y would split are dp's neither, which is of the batch."""
        self.refused("tp=2", "running_sum: the spec's strategy has axis tp split dim 1 of operand 0, and onnx.CumSum needs that dim whole; "
                     "by itself it can be split at 0.0, 0.2", nodes={"running_sum": split(tp="0.1")})
        self.refused("dp=2,tp=2", "square: the spec's strategy has axis dp split dim 1 of operand 0", nodes={"square": split(dp="0.1")})


if __name__ == "__main__":
    unittest.main()
