"""Collectives that are ready together are one, and are under way while something else is computed; the results stay the same.

What the models need without that is in the comments: the figures may only fall.
"""

import collections
import json
import pathlib
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import given_models
from built_tools import runTool

WIDTH, HEADS = 24, 4


def makeNormedAttention():
    """Attention whose queries and keys are normalised over all heads, as in OLMo 2: with tp both norms sum over the ranks."""
    rng = np.random.default_rng(11)
    nodes, weights = [], []

    def weight(name, *dims):
        weights.append(numpy_helper.from_array(rng.standard_normal(dims).astype(np.float32) / 4, name))
        return name

    def constant(name, value, dtype):
        weights.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(op, inputs, name, **attributes):
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    last, epsilon = constant("last", [-1], np.int64), constant("epsilon", 1e-6, np.float32)
    heads, flat = constant("heads", [0, 0, HEADS, WIDTH // HEADS], np.int64), constant("flat", [0, 0, WIDTH], np.int64)

    def normed(x, name):
        mean = node("ReduceMean", [node("Mul", [x, x], name + ".square"), last], name + ".mean", keepdims=1)
        root = node("Sqrt", [node("Add", [mean, epsilon], name + ".above_0")], name + ".root")
        return node("Mul", [node("Div", [x, root], name + ".scaled"), weight(name + ".gain", WIDTH)], name)

    def byHead(x, perm):
        return node("Transpose", [node("Reshape", [x, heads], x + ".heads")], x + ".moved", perm=perm)

    q, k, v = (node("MatMul", ["x", weight(n + ".weight", WIDTH, WIDTH)], n) for n in "qkv")
    q, k = normed(q, "q_norm"), normed(k, "k_norm")
    scores = node("MatMul", [byHead(q, [0, 2, 1, 3]), byHead(k, [0, 2, 3, 1])], "scores")
    mixed = node("MatMul", [node("Softmax", [scores], "shares", axis=-1), byHead(v, [0, 2, 1, 3])], "mixed")
    joined = node("Reshape", [node("Transpose", [mixed], "back", perm=[0, 2, 1, 3]), flat], "joined")
    node("Add", ["x", node("MatMul", [joined, weight("o.weight", WIDTH, WIDTH)], "o")], "y")
    dims = ["batch", "sequence", WIDTH]
    graph = helper.make_graph(nodes, "normed_attention", [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, dims)], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


class CollectivesTest(given_models.GivenModels):
    def stepsOf(self, plan):
        seen = json.loads(runTool("shardview", plan, "--json").stdout)
        counts = collections.Counter()
        for stage in seen["collectives"]:
            for kind, collective in stage.items():
                counts[kind] += collective["count"]
        waits = sum(step["kind"] == "wait" for stage in seen["steps"] for step in stage)
        return dict(counts), waits

    def checkCounts(self, model, mesh, counts, startsEarly=True):
        """Equal, with these collectives, and some of them under way while other steps run."""
        self.check(model, "--mesh", mesh)
        found, waits = self.stepsOf(self.compile(model, "--mesh", mesh))
        self.assertEqual(found, counts)
        self.assertEqual(waits > 0, startsEarly)

    def test_keys_and_values_of_a_split_sequence_are_gathered_together(self):
        self.checkCounts("gpt2", "sp=2", {"all-gather": 3, "all-to-all": 1})  # 5 gathers
        self.checkCounts("gpt2", "sp=3", {"all-gather": 3, "all-to-all": 1})
        self.checkCounts("llama", "sp=2", {"all-gather": 2})  # 4

    def test_sums_of_expert_choices_come_together(self):
        self.checkCounts("mixtral", "ep=2,tp=2", {"all-gather": 1, "all-reduce": 6}, startsEarly=False)  # 8 sums

    def test_encoder_and_decoder_go_beside_each_other(self):
        self.checkCounts("t5", "tp=2", {"all-gather": 2, "all-reduce": 9})  # 10 sums

    def test_norms_of_queries_and_keys_sum_together(self):
        model = self.folder / "normed_attention.onnx"
        onnx.save(makeNormedAttention(), model)
        outputs = {}
        for name, options in {"whole": [], "tp2": ["--mesh", "tp=2"], "again": ["--mesh", "tp=2"], "tp4": ["--mesh", "tp=4"]}.items():
            plan, folder = self.folder / f"plan_{name}", self.folder / f"outputs_{name}"
            compiled = runTool("shardc", model, "-o", plan, "--assume", "batch=3", "--assume", "sequence=5", *options)
            self.assertEqual(compiled.returncode, 0, compiled.stderr)
            run = runTool("shardrun", plan, "--outputs", folder, "--repeat", "3")
            self.assertEqual(run.returncode, 0, run.stderr)
            outputs[name] = numpy_helper.to_array(onnx.load_tensor(next(pathlib.Path(folder).glob("*.pb"))))
            if options:
                self.assertEqual(sum(self.stepsOf(plan)[0].values()), 2)  # 3: sums for q and for k, and what o needs
        self.assertGreater(np.abs(outputs["whole"]).max(), 0.1)
        np.testing.assert_allclose(outputs["tp2"], outputs["whole"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(outputs["tp4"], outputs["whole"], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(outputs["tp2"], outputs["again"])


if __name__ == "__main__":
    unittest.main()
