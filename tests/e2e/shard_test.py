"""--shard fixes some tensors, the rest follows, and the result equals the whole model; what is wrong in a spec is said."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin"
MODELS = ROOT / "tests" / "models"
EQUAL = {
    "batch_by_a_tensor_axis": ("gpt2", "tp=2", {"input_ids": [["tp"], []], "logits": [None, ["tp"], None]}),
    "sequence_of_the_logits_ragged": ("gpt2", "tp=3", {"logits": [[], ["tp"], []]}),
    "vocabulary_on_two_axes": ("gpt2", "x=2,y=2", {"logits": [[], [], ["x", "y"]]}),
    "two_dims_of_the_result": ("llama", "x=2,y=3", {"logits": [[], ["x"], ["y"]]}),
    "class_scores_of_a_convolution": ("resnet", "tp=3", {"logits": [[], ["tp"]]}),
}
REFUSED = {
    "unknown_tensor": ("tp=2", {"nosuch": [["tp"]]}, "nosuch"),
    "unknown_axis": ("tp=2", {"logits": [["xx"], [], []]}, "xx"),
    "one_axis_twice": ("tp=2", {"logits": [["tp"], ["tp"], []]}, "tp"),
    "more_dims_than_the_tensor": ("tp=2", {"logits": [[], [], [], ["tp"]]}, "logits"),
}


def runTool(tool, *arguments):
    return subprocess.run([BIN / tool, *arguments], capture_output=True, text=True, timeout=300)


class ShardTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-shard-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def compile(self, model, mesh, tensors):
        spec = self.folder / "spec.json"
        spec.write_text(json.dumps({"tensors": tensors}))
        return runTool("shardc", MODELS / model / "model.onnx", "-o", self.folder / "plan", "--mesh", mesh, "--shard", spec)

    def equal(self, model, mesh, tensors):
        compiled = self.compile(model, mesh, tensors)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        for data in sorted((MODELS / model).glob("test_data_set_*")):
            run = runTool("shardrun", self.folder / "plan", "--data", data, "--check", "--rtol", "1e-3", "--atol", "1e-4")
            self.assertEqual(run.returncode, 0, f"{data.name}: {run.stdout}{run.stderr}")

    def refused(self, mesh, tensors, says):
        compiled = self.compile("gpt2", mesh, tensors)
        self.assertEqual(compiled.returncode, 2, compiled.stderr)
        self.assertIn(says, compiled.stderr)
        self.assertIn("spec.json", compiled.stderr)
        self.assertFalse((self.folder / "plan").exists())


for name, case in EQUAL.items():
    setattr(ShardTest, f"test_equal_{name}", lambda self, case=case: self.equal(*case))
for name, case in REFUSED.items():
    setattr(ShardTest, f"test_refused_{name}", lambda self, case=case: self.refused(*case))

if __name__ == "__main__":
    unittest.main()
