"""Ops that nobody described: with a function body they run through it, without one they are all refused by name."""

import functools
import pathlib
import shutil
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import built_tools

runTool = functools.partial(built_tools.runTool, timeout=120)


class UnknownOpsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-ops-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def save(self, nodes, functions=()):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 7])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 7])
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.example", 1)]
        graph = helper.make_graph(nodes, "graph", [x], [y])
        model = helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)
        onnx.save(model, self.folder / "model.onnx")

    def compile(self, *arguments):
        return runTool("shardc", self.folder / "model.onnx", "-o", self.folder / "plan", *arguments)

    def test_an_op_with_a_function_body_runs_through_it(self):
        body = [helper.make_node("Mul", ["a", "a"], ["square"]), helper.make_node("Add", ["square", "b"], ["c"])]
        function = helper.make_function("com.example", "SquareAdd", ["a", "b"], ["c"], body, [helper.make_opsetid("", 20)])
        self.save([helper.make_node("SquareAdd", ["x", "x"], ["y"], "odd", domain="com.example")], [function])
        data = self.folder / "data"
        data.mkdir()
        x = np.random.default_rng(5).standard_normal((3, 7), dtype=np.float32)
        (data / "input_0.pb").write_bytes(numpy_helper.from_array(x, "x").SerializeToString())
        (data / "output_0.pb").write_bytes(numpy_helper.from_array(x * x + x, "y").SerializeToString())
        for mesh in ([], ["--mesh", "dp=2"]):
            compiled = self.compile(*mesh)
            self.assertEqual(compiled.returncode, 0, compiled.stderr)
            run = runTool("shardrun", self.folder / "plan", "--data", data, "--check")
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_all_ops_without_a_body_are_in_one_message(self):
        self.save([helper.make_node("Sprocket", ["x"], ["a"], "first", domain="com.example"),
                   helper.make_node("Relu", ["a"], ["b"]),
                   helper.make_node("Gadget", ["b"], ["y"], "second", domain="com.example")])
        compiled = self.compile()
        self.assertEqual(compiled.returncode, 2, compiled.stderr)
        for text in ("model.onnx", "Sprocket", "Gadget", "first", "second"):
            self.assertIn(text, compiled.stderr)
        self.assertFalse((self.folder / "plan").exists())


if __name__ == "__main__":
    unittest.main()
