"""Ops that import writes as others, ONNX Runtime's fused ones among them, equal ONNX Runtime, whole and split.

One case is one node with weights; the batch is dynamic and odd, heads and channels do not divide by three.
"""

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

MICROSOFT = "com.microsoft"
MESHES = [[], ["--mesh", "tp=3"], ["--mesh", "dp=2,tp=2"]]
BATCH, LENGTH, HEADS, SIZE = 3, 5, 4, 6
WIDTH = HEADS * SIZE


def numbers(*dims, seed=1):
    """Float numbers, none of which is 0."""
    drawn = np.random.default_rng(seed).standard_normal(dims)
    return (drawn + np.where(drawn < 0, -0.1, 0.1)).astype(np.float32)


def integers(low, high, *dims, dtype=np.int64, seed=2):
    return np.random.default_rng(seed).integers(low, high, dims).astype(dtype)


class FusedOpsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-fused-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, op, inputs, weights, outputs=1, domain=MICROSOFT, order=None, types=None, **attributes):
        """Compares a node with inputs, whose first dim (of "past" the second) is the batch, and weights; `order` are its operands, "" for absent."""
        node = helper.make_node(op, order or [*inputs, *weights], [f"y{i}" for i in range(outputs)], "node",
                                domain=domain, **attributes)

        def info(name, array):
            dims = [d if i != (name == "past") else "batch" for i, d in enumerate(array.shape)]
            return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), dims)

        graph = helper.make_graph(
            [node], "graph", [info(name, array) for name, array in inputs.items()],
            [helper.make_tensor_value_info(name, (types or [TensorProto.FLOAT] * outputs)[i], None)
             for i, name in enumerate(node.output)],
            [numpy_helper.from_array(array, name) for name, array in weights.items()])
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
        model = self.folder / "model.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), model)
        expected = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, inputs)
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        for kind, arrays in (("input", inputs.items()), ("output", zip(node.output, expected))):
            for i, (name, array) in enumerate(arrays):
                (data / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())
        for mesh in MESHES:
            compiled = runTool("shardc", model, "-o", self.folder / "plan", *mesh)
            self.assertEqual(compiled.returncode, 0, compiled.stderr)
            run = runTool("shardrun", self.folder / "plan", "--data", data, "--check", "--rtol", "1e-4", "--atol", "2e-5")
            self.assertEqual(run.returncode, 0, f"{op} {mesh}: {run.stdout}{run.stderr}")

    def test_activations(self):
        x = {"x": numbers(BATCH, LENGTH, WIDTH)}
        self.check("Gelu", x, {})
        self.check("BiasGelu", x, {"b": numbers(WIDTH, seed=3)})
        self.check("FastGelu", x, {"b": numbers(WIDTH, seed=3)})
        self.check("QuickGelu", x, {}, alpha=1.5)

    def test_skips_before_norms(self):
        x = {"x": numbers(BATCH, LENGTH, WIDTH), "skip": numbers(BATCH, LENGTH, WIDTH, seed=4)}
        gamma, beta, bias = {"gamma": numbers(WIDTH)}, {"beta": numbers(WIDTH, seed=5)}, {"bias": numbers(WIDTH, seed=6)}
        self.check("SkipLayerNormalization", x, {**gamma, **beta, **bias}, epsilon=1e-5)
        self.check("SkipSimplifiedLayerNormalization", x, {**gamma, **bias}, epsilon=1e-6)

    def test_embedding(self):
        ids = {"ids": integers(0, 11, BATCH, LENGTH, dtype=np.int32), "kinds": integers(0, 2, BATCH, LENGTH, dtype=np.int32)}
        tables = {"words": numbers(11, WIDTH), "places": numbers(9, WIDTH, seed=3), "segments": numbers(2, WIDTH, seed=4),
                  "gamma": numbers(WIDTH, seed=5), "beta": numbers(WIDTH, seed=6)}
        mask = {"mask": np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], np.int32)}
        self.check("EmbedLayerNormalization", {**ids, **mask}, tables, 2, order=[*ids, *tables, "mask"],
                   types=[TensorProto.FLOAT, TensorProto.INT32], epsilon=1e-5)

    def test_attention_with_packed_weights(self):
        x, past = {"x": numbers(BATCH, LENGTH, 7)}, {"past": numbers(2, BATCH, HEADS, 3, SIZE, seed=7)}
        weights = {"w": numbers(7, 3 * WIDTH), "b": numbers(3 * WIDTH, seed=3)}
        lengths = {"lengths": np.array([5, 2, 4], np.int32)}
        seen = {"seen": np.array([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [1, 0, 1, 1, 1]], np.int32)}
        self.check("Attention", {**x, **lengths}, weights, order=["x", "w", "b", "lengths"], num_heads=HEADS)
        self.check("Attention", {**x, **seen}, weights, order=["x", "w", "b", "seen"], num_heads=HEADS, scale=0.3)
        self.check("Attention", {**x, **past}, weights, 2, order=["x", "w", "b", "", "past"], num_heads=HEADS,
                   unidirectional=1)

    def test_attention_of_several_heads(self):
        q, k, v = numbers(BATCH, LENGTH, WIDTH), numbers(BATCH, 7, WIDTH, seed=3), numbers(BATCH, 7, HEADS * 5, seed=4)
        apart, bias = {"q": q, "k": k, "v": v}, {"b": numbers(2 * WIDTH + HEADS * 5, seed=5)}
        seen = {"seen": integers(0, 2, BATCH, 7, dtype=np.int32)}
        self.check("MultiHeadAttention", {**apart, **seen}, bias, order=["q", "k", "v", "b", "seen"], num_heads=HEADS)
        cached = {"q": q, "k": q + 1, "v": q - 2, "pk": numbers(BATCH, HEADS, 3, SIZE, seed=6),
                  "pv": numbers(BATCH, HEADS, 3, SIZE, seed=7)}
        self.check("MultiHeadAttention", cached, {}, 3, order=["q", "k", "v", "", "", "", "pk", "pv"], num_heads=HEADS)

    def test_rotary(self):
        tables = {"cos": numbers(9, SIZE // 2), "sin": numbers(9, SIZE // 2, seed=3)}
        flat, places = {"x": numbers(BATCH, LENGTH, WIDTH)}, {"places": integers(0, 9, BATCH, LENGTH)}
        self.check("RotaryEmbedding", {**flat, **places}, tables, interleaved=1)
        self.check("RotaryEmbedding", flat, {"first": np.array([2], np.int64), **tables})

    def test_products(self):
        a, w = {"a": numbers(BATCH, 4, 7, 5)}, {"w": numbers(8, 7, seed=3)}
        self.check("FusedMatMul", a, w, transA=1, transB=1, alpha=0.5)
        self.check("FusedGemm", {"a": numbers(BATCH, 7)}, {**w, "c": numbers(8, seed=4)}, transB=1, activation="LeakyRelu",
                   activation_alpha=0.2)
        x, kernel = {"x": numbers(BATCH, 4, 9, 7)}, {"w": numbers(6, 4, 3, 3, seed=3), "b": numbers(6, seed=4)}
        self.check("FusedConv", x, kernel, activation="Relu", pads=[1, 1, 1, 1], kernel_shape=[3, 3])

    def test_transposed_convolution(self):
        x = {"x": numbers(BATCH, 4, 7, 5)}
        weights = {"w": numbers(4, 3, 4, 3, seed=3), "b": numbers(6, seed=4)}
        self.check("ConvTranspose", x, weights, domain="", group=2, strides=[2, 3], pads=[1, 0, 1, 2], output_padding=[1, 2])
        self.check("ConvTranspose", x, {"w": numbers(4, 5, 1, 2, seed=5)}, domain="", strides=[2, 2], dilations=[1, 3])

    def test_quantised_weights(self):
        x, scales = {"x": numbers(BATCH, 7, 40)}, numbers(10, 3, seed=3)
        blocks = {"w": integers(0, 256, 10, 3, 8, dtype=np.uint8), "scales": scales}
        self.check("MatMulNBits", x, {**blocks, "zeros": integers(0, 256, 10, 2, dtype=np.uint8, seed=4)}, K=40, N=10,
                   bits=4, block_size=16)
        self.check("MatMulNBits", x, blocks, K=40, N=10, bits=4, block_size=16)

    def test_linear_quantisation(self):
        scale, zero = np.float32(0.05), np.uint8(120)
        self.check("QuantizeLinear", {"x": numbers(BATCH, 7, 10) * 4}, {"s": np.array(scale), "z": np.array(zero)},
                   domain="", types=[TensorProto.UINT8])
        self.check("DequantizeLinear", {"x": integers(-128, 128, BATCH, 7, 10, dtype=np.int8)},
                   {"s": np.abs(numbers(7)), "z": integers(-9, 9, 7, dtype=np.int8)}, domain="", axis=1)
        self.check("DequantizeLinear", {"x": integers(-128, 128, BATCH, 8, 5, dtype=np.int8)},
                   {"s": np.abs(numbers(BATCH, 2, 5))}, domain="", axis=1, block_size=4)


if __name__ == "__main__":
    unittest.main()
