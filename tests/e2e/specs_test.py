"""What users may ask for in SPEC.json: each plan equals the whole model, and holds what was asked for.

The model is a perceptron with a softmax and two normalisations, on dims that do not divide: 7 positions, 14 and 21 wide.
"""

import pathlib
import sys
import unittest

import numpy as np
from onnx import TensorProto, helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from asked_shardings import SpecTestCase, weight

BATCH, POSITIONS, WIDE, WIDER = 3, 7, 14, 21


def makeGraph():
    rng = np.random.default_rng(5)
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
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    weights = [("gain1", WIDE), ("shift1", WIDE), ("gain2", WIDE), ("shift2", WIDE), ("up.weight", WIDE, WIDER),
               ("up.bias", WIDER), ("down.weight", WIDER, WIDE)]
    return helper.make_graph(nodes, "perceptron", [x], [y], [weight(rng, *w) for w in weights])


class SpecsTest(SpecTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        x = np.random.default_rng(6).normal(0.5, 1, (BATCH, POSITIONS, WIDE)).astype(np.float32)
        cls.save(makeGraph(), {"x": x})

    def test_positions_split_in_seven(self):
        for ranks in (2, 3):
            counts, report = self.check(f"sp={ranks}", tensors={"x": [[], ["sp"], []], "y": [[], ["sp"], []]})
            self.assertEqual(counts, {}, "positions do not meet")
            self.assertEqual(report["inputs"][0]["sharding"], [[], ["sp"], []])

    def test_positions_split_by_tp(self):
        for ranks in (2, 3, 4):
            self.check(f"tp={ranks}", tensors={name: [[], ["tp"], []] for name in ("x", "hidden", "y")})

    def test_softmax_computed_in_parts(self):
        """Two all-reduces, of the largest and of the sum, where the operand comes split; no part is ever gathered."""
        pins = {name: [[], [], ["tp"]] for name in ("x", "hidden", "mixed")}
        for ranks in (2, 3, 4):
            counts, _ = self.check(f"tp={ranks}", tensors=pins, nodes={"softmax": {"strategy": {"tp": "0.2"}}})
            whole, _ = self.check(f"tp={ranks}", tensors=pins, nodes={"softmax": {"strategy": {"tp": "0.1"}}})
            self.assertGreaterEqual(counts["all-reduce"], 2, counts)
            self.assertLess(counts.get("all-gather", 0) + counts.get("all-to-all", 0),
                            whole.get("all-gather", 0) + whole.get("all-to-all", 0))

    def test_normalisations_computed_in_parts(self):
        parts = {"strategy": {"tp": "0.2"}}
        for ranks in (2, 3, 4):
            counts, _ = self.check(f"tp={ranks}", nodes={"norm1": parts, "norm2": parts})
            self.assertGreaterEqual(counts["all-reduce"], 4, counts)

    def test_softmax_and_normalisation_over_two_axes(self):
        both, other = {"strategy": {"x": "0.2", "y": "0.2"}}, {"strategy": {"x": "0.1", "y": "0.2"}}
        for mesh in ("x=2,y=2", "x=3,y=2", "x=2,y=3"):
            self.check(mesh, nodes={"softmax": both, "norm2": both})
            self.check(mesh, nodes={"softmax": other, "norm1": other})

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

    def test_no_rank_is_left_without_a_part(self):
        """21 rows over 3 x 2 ranks are 3 or 4 rows each, whichever axis comes first."""
        for mesh in ("x=3,y=2", "x=2,y=3"):
            _, report = self.check(mesh, nodes={"down": {"strategy": {"x": "0.2", "y": "0.2"}}})
            row = 4 * (WIDE + WIDE)  # of down.weight and of up.weight
            held = {rank["weightBytes"] for rank in report["ranks"]}
            self.assertEqual(len(held), 2)
            self.assertEqual(max(held) - min(held), row)
            self.assertLess(max(held), 4 * 4 * WIDE + 4 * WIDER + 5 * row)

    def test_sequence_parallel_around_both_matmuls(self):
        """Positions split where ranks would do the same work, columns where they would hold the same weights."""
        pins = {name: [[], ["tp"], []] for name in ("x", "normed", "hidden", "weights", "mixed", "y")}
        for ranks in (2, 3):
            counts, _ = self.check(f"tp={ranks}", tensors={**pins, "up": [[], [], ["tp"]], "active": [[], [], ["tp"]]})
            self.assertEqual(counts, {"all-gather": 1, "reduce-scatter": 1})

    def test_sub_axes(self):
        self.check("tp=4", tensors={"active": [[], ["tp:(1)2"], ["tp:(2)2"]], "hidden": [[], ["tp:(2)2"], []]})

    def test_batch_and_tensor_axes(self):
        self.check("dp=2,tp=2", tensors={"active": [["dp"], [], ["tp"]], "hidden": [["dp"], ["tp"], []]})
        self.check("dp=2,tp=2", tensors={"active": [["tp"], [], ["dp"]], "hidden": [[], [], []]})

    def test_strategy_of_a_node(self):
        counts, _ = self.check("tp=2", nodes={"down": {"strategy": {"tp": "0.1"}}})
        self.assertNotIn("all-reduce", counts)
        counts, _ = self.check("tp=2", nodes={"down": {"strategy": {"tp": "0.2"}}})
        self.assertEqual(counts, {"all-reduce": 1})

    def test_everything_whole(self):
        weights = {"up.weight": [[], []], "down.weight": [[], []], "up.bias": [[]], "gain?": [[]], "shift?": [[]]}
        counts, report = self.check("tp=2", tensors=weights)
        self.assertEqual(counts, {})
        self.assertEqual(len({rank["weightBytes"] for rank in report["ranks"]}), 1)


if __name__ == "__main__":
    unittest.main()
