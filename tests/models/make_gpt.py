"""Writes a GPT of any size as an ONNX model whose weights are a hole in a file: to be compiled and looked at, not run.

    python make_gpt.py FOLDER --layers 128 --hidden 25600 --heads 160      # a trillion parameters
"""

import argparse
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    def __init__(self):
        self.nodes, self.initializers, self.offset = [], [], 0

    def weight(self, name, *dims):
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
        length = 4 * int(np.prod(dims, dtype=object))
        for key, value in (("location", "weights.bin"), ("offset", self.offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.offset += length
        self.initializers.append(tensor)
        return name

    def constant(self, name, value, dtype):
        self.initializers.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{op}_{output}", **attributes))
        return output

    def linear(self, x, name, rows, columns):
        product = self.node("MatMul", [x, self.weight(name + ".weight", rows, columns)], name + ".product")
        return self.node("Add", [product, self.weight(name + ".bias", columns)], name)

    def normalized(self, x, name, hidden):
        gain, bias = self.weight(name + ".gain", hidden), self.weight(name + ".bias", hidden)
        return self.node("LayerNormalization", [x, gain, bias], name)

    def causalMask(self):
        self.node("Shape", ["input_ids"], "shape")
        self.node("Gather", ["shape", self.constant("one", 1, np.int64)], "sequence")
        self.node("Range", [self.constant("zero", 0, np.int64), "sequence", "one"], "positions")
        self.node("Unsqueeze", ["positions", self.constant("dim_1", [1], np.int64)], "rows")
        self.node("Unsqueeze", ["positions", self.constant("dim_0", [0], np.int64)], "columns")
        self.node("LessOrEqual", ["columns", "rows"], "allowed")
        hidden, shown = self.constant("hidden", -1e9, np.float32), self.constant("shown", 0, np.float32)
        return self.node("Where", ["allowed", shown, hidden], "mask")

    def block(self, x, name, hidden):
        a = self.normalized(x, name + "ln_1", hidden)
        heads = []
        for part in "qkv":
            split = self.node("Reshape", [self.linear(a, name + part, hidden, hidden), "split"], name + part + ".heads")
            heads.append(self.node("Transpose", [split], name + part + ".moved", perm=[0, 2, 1, 3]))
        keys = self.node("Transpose", [heads[1]], name + "keys", perm=[0, 1, 3, 2])
        scores = self.node("Mul", [self.node("MatMul", [heads[0], keys], name + "scores"), "scale"], name + "scaled")
        weights = self.node("Softmax", [self.node("Add", [scores, "mask"], name + "masked")], name + "probs", axis=-1)
        context = self.node("MatMul", [weights, heads[2]], name + "context")
        context = self.node("Transpose", [context], name + "context.moved", perm=[0, 2, 1, 3])
        context = self.node("Reshape", [context, "merge"], name + "context.merged")
        x = self.node("Add", [x, self.linear(context, name + "proj", hidden, hidden)], name + "attended")
        m = self.linear(self.normalized(x, name + "ln_2", hidden), name + "fc", hidden, 4 * hidden)
        m = self.linear(self.node("Gelu", [m], name + "gelu"), name + "out", 4 * hidden, hidden)
        return self.node("Add", [x, m], name + "result")


def makeGpt(folder, layers, hidden, heads, vocabulary=51200, positions=2048):
    """The number of parameters."""
    graph = Graph()
    graph.constant("split", [0, 0, heads, hidden // heads], np.int64)
    graph.constant("merge", [0, 0, hidden], np.int64)
    graph.constant("scale", (hidden // heads) ** -0.5, np.float32)
    graph.causalMask()
    tokens = graph.node("Gather", [graph.weight("wte", vocabulary, hidden), "input_ids"], "tokens")
    x = graph.node("Add", [tokens, graph.node("Gather", [graph.weight("wpe", positions, hidden), "positions"], "places")], "x")
    for layer in range(layers):
        x = graph.block(x, f"h.{layer}.", hidden)
    graph.node("MatMul", [graph.normalized(x, "ln_f", hidden), graph.weight("lm_head", hidden, vocabulary)], "logits")
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "sequence", vocabulary])]
    model = helper.make_model(helper.make_graph(graph.nodes, "gpt", inputs, outputs, graph.initializers),
                              opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, pathlib.Path(folder) / "model.onnx")
    with open(pathlib.Path(folder) / "weights.bin", "wb") as file:
        file.truncate(graph.offset)
    return graph.offset // 4


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    for option in ("layers", "hidden", "heads"):
        parser.add_argument("--" + option, type=int, required=True)
    arguments = parser.parse_args()
    print(makeGpt(arguments.folder, arguments.layers, arguments.hidden, arguments.heads), "parameters")
