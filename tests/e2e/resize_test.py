"""Resize in every mode equals ONNX Runtime, whole and with its batch and channels split."""

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

# Scales of height and width, or sizes.
CASES = [
    ([2.0, 3.0], {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ([2.0, 3.0], {"mode": "nearest"}),
    ([2.0, 3.0], {"mode": "nearest", "nearest_mode": "ceil"}),
    ([1.7, 0.6], {"mode": "nearest", "nearest_mode": "round_prefer_ceil"}),
    ([9, 4], {"mode": "nearest", "coordinate_transformation_mode": "align_corners"}),
    ([2.0, 1.5], {"mode": "linear"}),
    ([0.6, 0.5], {"mode": "linear", "coordinate_transformation_mode": "half_pixel_symmetric"}),
    ([9, 1], {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}),
    ([9, 4], {"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
    ([9, 13], {"mode": "cubic"}),
    ([2.5, 1.7], {"mode": "cubic", "cubic_coeff_a": -0.5, "coordinate_transformation_mode": "asymmetric"}),
]


class ResizeTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-resize-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def save(self, cases):
        """One node per case, all of the same image of [batch, 5, 7, 6], multiplied by weights so that channels may be split."""
        nodes = [helper.make_node("Mul", ["x", "w"], ["scaled"])]
        initializers = [numpy_helper.from_array(np.arange(2, 7, dtype=np.float32).reshape(5, 1, 1), "w")]
        for i, (ratio, attributes) in enumerate(cases):
            isScale = isinstance(ratio[0], float)
            name = f"ratio{i}"
            initializers.append(numpy_helper.from_array(np.array(ratio, np.float32 if isScale else np.int64), name))
            operands = ["scaled", "", name] if isScale else ["scaled", "", "", name]
            nodes.append(helper.make_node("Resize", operands, [f"y{i}"], f"resize{i}", axes=[2, 3], **attributes))
        outputs = [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, None) for i in range(len(cases))]
        graph = helper.make_graph(nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 5, 7, 6])],
                                  outputs, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
        onnx.save(model, self.folder / "model.onnx")

    def test_every_mode(self):
        self.save(CASES)
        image = np.random.default_rng(3).standard_normal((3, 5, 7, 6)).astype(np.float32)
        session = onnxruntime.InferenceSession(self.folder / "model.onnx", providers=["CPUExecutionProvider"])
        data = self.folder / "data"
        data.mkdir()
        (data / "input_0.pb").write_bytes(numpy_helper.from_array(image, "x").SerializeToString())
        for i, y in enumerate(session.run(None, {"x": image})):
            (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(y, f"y{i}").SerializeToString())
        for mesh in ([], ["--mesh", "tp=2"], ["--mesh", "dp=2"]):
            compiled = runTool("shardc", self.folder / "model.onnx", "-o", self.folder / "plan", *mesh)
            self.assertEqual(compiled.returncode, 0, compiled.stderr)
            run = runTool("shardrun", self.folder / "plan", "--data", data, "--check")
            self.assertEqual(run.returncode, 0, f"{mesh}: {run.stdout}{run.stderr}")

    def test_what_is_not_known_is_refused(self):
        for attributes, word in (({"mode": "linear", "antialias": 1}, "antialias"),
                                 ({"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}, "tf_crop")):
            self.save([([2.0, 3.0], attributes)])
            compiled = runTool("shardc", self.folder / "model.onnx", "-o", self.folder / "plan")
            self.assertEqual(compiled.returncode, 2)
            self.assertIn("resize0", compiled.stderr)
            self.assertIn(word, compiled.stderr)


if __name__ == "__main__":
    unittest.main()
