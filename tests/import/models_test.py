"""Every given model in its imported form: all sizes are expressions over inputs' symbols, no shape computation is left, every op has
a row, and what exporters write is undone where a pattern says so. Weights are never read here: sparse files stand for them."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import onnx
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARD_OPT = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin" / "shard-opt"
MODELS = sorted(path.parent for path in (ROOT / "tests" / "models").glob("*/model.onnx"))
PASSES = ["--infer-shapes", "--expand-on-import", "--apply-patterns", "--cse"]


def standIn(model, folder):
    """The model's graph beside files as long as its external data needs."""
    shutil.copy(model / "model.onnx", folder)
    sizes = {}
    for tensor in onnx.load(model / "model.onnx", load_external_data=False).graph.initializer:
        if uses_external_data(tensor):
            data = ExternalDataInfo(tensor)
            sizes[data.location] = max(sizes.get(data.location, 0), (data.offset or 0) + (data.length or 0))
    for location, size in sizes.items():
        with open(folder / location, "wb") as file:
            file.truncate(size)
    return folder / "model.onnx"


def importModel(model):
    with tempfile.TemporaryDirectory(prefix="shardwright-import-") as folder:
        path = standIn(model, pathlib.Path(folder))
        result = subprocess.run([SHARD_OPT, "--import", path, *PASSES, "--mlir-elide-elementsattrs-if-larger=4"],
                                capture_output=True, text=True, timeout=300)
    return result


def opsOf(text):
    return re.findall(r'"onnx\.([\w.]+)"\(', text)


class ImportTest(unittest.TestCase):
    def check(self, model):
        result = importModel(model)
        self.assertEqual(result.returncode, 0, result.stderr)
        text = result.stdout
        for line in text.splitlines():
            if '"onnx.' in line and '"onnx.None"' not in line:
                self.assertNotRegex(line, r"-> \(?none\b", "a result without a type")
        for tensor in re.findall(r"tensor<[^<>]*(?:<[^<>]*>)?[^<>]*>", text):
            if "?" in tensor:
                self.assertIn("#dist.exprs", tensor, "a dynamic size without an expression")
        ops = opsOf(text)
        for gone in ("Shape", "Size", "Identity", "Gemm"):
            self.assertNotIn(gone, ops)
        self.assertGreater(len(ops), 20)

    def counts(self, name, *ops):
        found = opsOf(importModel(ROOT / "tests" / "models" / name).stdout)
        return [found.count(op) for op in ops]

    def test_gpt2_has_no_fused_weights_and_linear_layers_on_three_dims(self):
        # Two layers: Q, K, V, output, two of the MLP; and the logits.
        self.assertEqual(self.counts("gpt2", "Split", "GatherND", "MatMul"), [0, 0, 2 * 6 + 1])

    def test_attention_in_primitives_is_one_op_per_layer(self):
        for name, layers in (("gpt2", 2), ("llama", 2), ("llama-attention", 2), ("minilm", 6), ("mixtral", 2), ("vit", 2)):
            self.assertEqual(self.counts(name, "shardwright.FusedAttention", "IsNaN"), [layers, 0], name)

    def test_keys_are_transposed_as_they_are(self):
        # Two layers; a Reshape in and out of heads for each of Q, K, V and the result.
        self.assertEqual(self.counts("vit", "Reshape")[0], 2 * 4 + 1)

    def test_mixtral_looks_up_only_experts(self):
        # Gate, up and down per layer.
        self.assertEqual(self.counts("mixtral", "Split", "GatherND"), [0, 2 * 3])


def addTest(model):
    name = "test_" + model.name.replace("-", "_")
    setattr(ImportTest, name, lambda self: self.check(model))


for model in MODELS:
    addTest(model)

if __name__ == "__main__":
    unittest.main()
