"""If whose condition follows from sizes: the branch that runs takes its place, with what it reads from outside and its own weights."""

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


def constant(name, value):
    return node("Constant", [], [name], value=numpy_helper.from_array(np.array(value, np.int64)))


def branch(name, nodes, output, initializers=()):
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)], initializers)


def isSize(value, axis, size, result):
    """Nodes that compute whether the value has this size there, as exporters write it."""
    return [constant(f"{result}_axis", axis), constant(f"{result}_size", size), node("Shape", [value], [f"{result}_shape"]),
            node("Gather", [f"{result}_shape", f"{result}_axis"], [f"{result}_dim"], axis=0),
            node("Equal", [f"{result}_dim", f"{result}_size"], [result])]


def squeezeWhereOne(value, axis, result):
    """What a squeeze of a dim of unknown size becomes."""
    then = branch("then", [constant("axes", [axis]), node("Squeeze", [value, "axes"], ["squeezed"])], "squeezed")
    otherwise = branch("else", [node("Identity", [value], ["kept"])], "kept")
    return isSize(value, axis, 1, f"{result}_is_one") + [node("If", [f"{result}_is_one"], [result], f"choose_{result}", then_branch=then, else_branch=otherwise)]


class BranchesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-branches-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.weight = np.random.default_rng(5).standard_normal((7, 60)).astype(np.float32)

    def save(self, nodes, dims, initializers=()):
        graph = helper.make_graph(nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, self.folder / "model.onnx")

    def compile(self, *options):
        return runTool("shardc", self.folder / "model.onnx", "-o", self.folder / "plan", *options)

    def check(self, shape, *options):
        compiled = self.compile(*options)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        x = np.random.default_rng(9).standard_normal(shape).astype(np.float32) + 3
        session = onnxruntime.InferenceSession(self.folder / "model.onnx", providers=["CPUExecutionProvider"])
        [y] = session.run(None, {"x": x})
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        (data / "input_0.pb").write_bytes(numpy_helper.from_array(x).SerializeToString())
        (data / "output_0.pb").write_bytes(numpy_helper.from_array(y).SerializeToString())
        run = runTool("shardrun", self.folder / "plan", "--data", data, "--check")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_a_squeeze_of_a_dim_that_is_one(self):
        self.save(squeezeWhereOne("x", 2, "s") + [node("Exp", ["s"], ["y"])], ["batch", 5, 1])
        self.check((3, 5, 1))
        self.check((3, 5, 1), "--mesh", "dp=2")

    def test_a_squeeze_of_a_dim_that_is_not(self):
        self.save(squeezeWhereOne("x", 2, "s") + [node("Exp", ["s"], ["y"])], ["batch", 5, "last"])
        self.check((3, 5, 2), "--dim", "last=2")

    def test_branches_with_weights_and_branches_in_them(self):
        """The inner branch reads values of both graphs around it; nodes without names have the same ones in each."""
        inner = node("If", ["is_long"], ["b"],
                     then_branch=branch("then", [node("Add", ["a", "x"], ["sum"]), node("Add", ["sum", "sum"], ["c"])], "c"),
                     else_branch=branch("else", [node("Neg", ["a"], ["d"])], "d"))
        outer = branch("then", [node("MatMul", ["x", "w"], ["a60"]), node("MatMul", ["a60", "v"], ["a"]), inner], "b",
                       [numpy_helper.from_array(self.weight, "w"), numpy_helper.from_array(self.weight.T.copy(), "v")])
        other = branch("else", [node("Relu", ["x"], ["e"])], "e")
        nodes = isSize("x", 1, 7, "is_wide") + isSize("x", 1, 7, "is_long") + [node("If", ["is_wide"], ["chosen"], then_branch=outer, else_branch=other),
                                                                               node("Add", ["chosen", "x"], ["y"])]
        self.save(nodes, ["batch", 7])
        self.check((3, 7))
        self.check((4, 7), "--mesh", "dp=2,tp=2")

    def test_a_condition_made_a_truth_by_a_cast(self):
        cast = [constant("one", 1), node("Sub", ["s_is_one_dim", "one"], ["beyond"]), node("Cast", ["beyond"], ["many"], to=TensorProto.BOOL),
                node("Not", ["many"], ["few"]), node("Cast", ["few"], ["few_again"], to=TensorProto.BOOL)]
        *sizes, choice = squeezeWhereOne("x", 2, "s")
        choice.input[0] = "few_again"
        self.save([*sizes, *cast, choice, node("Exp", ["s"], ["y"])], ["batch", 5, 1])
        self.check((2, 5, 1))

    def test_what_differs_between_runs_is_refused_until_it_is_fixed(self):
        self.save(squeezeWhereOne("x", 1, "s") + [node("Exp", ["s"], ["y"])], ["batch", "length"])
        refused = self.compile()
        self.assertEqual(refused.returncode, 2)
        self.assertIn("model.onnx: choose_s: If: which of its graphs runs depends on data, or on sizes that differ between runs", refused.stderr)
        self.assertIn("--dim", refused.stderr)
        self.check((2, 1), "--dim", "length=1")
        self.check((2, 4), "--dim", "length=4")

    def test_a_condition_on_data_is_refused(self):
        choice = squeezeWhereOne("x", 1, "s")[-1]
        choice.input[0] = "is_positive"
        greater = [node("ReduceSum", ["x"], ["total"], keepdims=0), node("Sub", ["total", "total"], ["zero"]), node("Greater", ["total", "zero"], ["is_positive"])]
        self.save([*greater, choice, node("Exp", ["s"], ["y"])], [3, 1])
        refused = self.compile()
        self.assertEqual(refused.returncode, 2)
        self.assertIn("choose_s: If: which of its graphs runs depends on data", refused.stderr)


if __name__ == "__main__":
    unittest.main()
