"""Sizes that a model computes in floats, as exporters write an enlargement by 1.5 or a number of patches: they follow from the
inputs' sizes all the same, and what a float would round is refused."""

import functools
import pathlib
import shutil
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import built_tools

runTool = functools.partial(built_tools.runTool, timeout=120)
node = helper.make_node


def constant(name, value, dtype=np.int64):
    return node("Constant", [], [name], value=numpy_helper.from_array(np.array(value, dtype)))


def enlargement(scale, rounding="Floor"):
    """Resize to height and width times the scale."""
    return [constant("scale", scale, np.float32), constant("two", [2]), constant("four", [4]), constant("zero", [0]),
            node("Shape", ["x"], ["shape"]), node("Slice", ["shape", "two", "four"], ["area"]), node("Cast", ["area"], ["area_f"], to=TensorProto.FLOAT),
            node("Mul", ["area_f", "scale"], ["larger_f"]), node(rounding, ["larger_f"], ["whole_f"]), node("Cast", ["whole_f"], ["larger"], to=TensorProto.INT64),
            node("Slice", ["shape", "zero", "two"], ["outer"]), node("Concat", ["outer", "larger"], ["sizes"], axis=0),
            node("Resize", ["x", "", "", "sizes"], ["y"], "enlarge", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")]


def patches(divide=2.0):
    """Rows are padded to pairs, ceil(height / 2.0) of them, which become a dim; each axis by itself, joined as floats."""
    return [constant("k2", 2), constant("k3", 3), constant("none", [0]), constant("by", divide, np.float32), node("Shape", ["x"], ["shape"]),
            node("Gather", ["shape", "k2"], ["h"], axis=0), node("Gather", ["shape", "k3"], ["w"], axis=0),
            node("Cast", ["h"], ["hf"], to=TensorProto.FLOAT), node("Cast", ["w"], ["wf"], to=TensorProto.FLOAT),
            node("Div", ["hf", "by"], ["half"]), node("Ceil", ["half"], ["pairs"]), node("Sub", ["pairs", "half"], ["odd_half"]),
            node("Add", ["odd_half", "odd_half"], ["odd"]), node("Unsqueeze", ["odd", "none"], ["odd_1"]), node("Unsqueeze", ["pairs", "none"], ["pairs_1"]),
            node("Unsqueeze", ["wf", "none"], ["w_1"]), node("Concat", ["pairs_1", "w_1"], ["tail_f"], axis=0), node("Cast", ["tail_f"], ["tail"], to=TensorProto.INT64),
            node("Cast", ["odd_1"], ["more"], to=TensorProto.INT64), constant("before", [0, 0, 0, 0, 0, 0]), constant("behind", [0]),
            node("Concat", ["before", "more", "behind"], ["pads"], axis=0), node("Pad", ["x", "pads"], ["padded"]),
            constant("head", [0, 5]), constant("pair", [2]), node("Slice", ["tail", "none", "one"], ["rows"]), constant("one", [1]),
            node("Slice", ["tail", "one", "pair"], ["columns"]), node("Concat", ["head", "rows", "pair", "columns"], ["shape5"], axis=0),
            node("Reshape", ["padded", "shape5"], ["y"], "cut")]


class FloatSizesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-float-sizes-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def save(self, nodes, dims):
        nodes = sorted(nodes, key=lambda one: one.op_type != "Constant")
        graph = helper.make_graph(nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), self.folder / "model.onnx")

    def compile(self, *options):
        return runTool("shardc", self.folder / "model.onnx", "-o", self.folder / "plan", *options)

    def check(self, shapes, *options):
        compiled = self.compile(*options)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        session = onnxruntime.InferenceSession(self.folder / "model.onnx", providers=["CPUExecutionProvider"])
        for shape in shapes:
            x = np.random.default_rng(9).standard_normal(shape).astype(np.float32) + 3
            data = self.folder / "data"
            data.mkdir(exist_ok=True)
            (data / "input_0.pb").write_bytes(numpy_helper.from_array(x).SerializeToString())
            (data / "output_0.pb").write_bytes(numpy_helper.from_array(session.run(None, {"x": x})[0]).SerializeToString())
            run = runTool("shardrun", self.folder / "plan", "--data", data, "--check")
            self.assertEqual(run.returncode, 0, f"{shape}: {run.stdout}{run.stderr}")

    def test_an_enlargement_of_a_known_size(self):
        # In floats, 10 * 1.3 is 13 and 7 * 0.7 is 4.9.
        for scale in [1.3, 0.7, 2.0, 1.5]:
            self.save(enlargement(scale), ["batch", 5, 10, 7])
            self.check([(2, 5, 10, 7)])
        self.save(enlargement(1.3, "Ceil"), ["batch", 5, 10, 7])
        self.check([(3, 5, 10, 7)], "--mesh", "dp=2")

    def test_an_enlargement_of_any_size(self):
        for scale in [2.0, 0.5, 1.5]:
            self.save(enlargement(scale), ["batch", 5, "height", "width"])
            self.check([(2, 5, 10, 7), (1, 5, 3, 8)])

    def test_patches(self):
        self.save(patches(), ["batch", 5, 7, 6])
        self.check([(3, 5, 7, 6)], "--mesh", "dp=2")
        self.save(patches(), ["batch", 5, "height", "width"])
        self.check([(3, 5, 7, 6), (2, 5, 8, 3)])

    def test_what_floats_round_is_refused_unless_the_size_is_fixed(self):
        self.save(enlargement(1.3), ["batch", 5, "height", 7])
        refused = self.compile()
        self.assertEqual(refused.returncode, 2)
        self.assertIn("model.onnx: enlarge: Resize: ", refused.stderr)
        self.check([(2, 5, 10, 7)], "--dim", "height=10")
        self.save(patches(3.0), ["batch", 5, "height", 6])
        refused = self.compile()
        self.assertEqual(refused.returncode, 2)
        self.assertIn("model.onnx: ", refused.stderr)

    def test_a_size_that_floats_do_not_hold_is_refused_at_run_time(self):
        self.save(enlargement(2.0), [1, 1, 1, "width"])
        self.check([(1, 1, 1, 11)])
        np.save(self.folder / "x.npy", np.zeros((1, 1, 1, (1 << 22) + 1), np.float32))
        run = runTool("shardrun", self.folder / "plan", "--data", self.folder)
        self.assertEqual(run.returncode, 2, run.stdout)
        self.assertIn("width", run.stderr)

    def test_a_size_that_becomes_data_is_not_bounded(self):
        self.save([constant("scale", 1.3, np.float32), constant("k", 0), node("Shape", ["x"], ["shape"]), node("Gather", ["shape", "k"], ["n"], axis=0),
                   node("Cast", ["n"], ["nf"], to=TensorProto.FLOAT), node("Mul", ["nf", "scale"], ["more"]), node("Cast", ["more"], ["whole"], to=TensorProto.INT64),
                   node("Cast", ["whole"], ["data"], to=TensorProto.FLOAT), node("Add", ["x", "data"], ["y"])], ["length"])
        self.check([(11,), ((1 << 22) + 1,)])


if __name__ == "__main__":
    unittest.main()
