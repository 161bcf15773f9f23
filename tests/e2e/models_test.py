"""Every given model, compiled for every mesh without any annotation, equals the expected outputs on every data set.

One plan runs both data sets, which differ in batch, sequence and past lengths.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin"
CACHE = pathlib.Path(os.environ.get("SHARDWRIGHT_CACHE", pathlib.Path.home() / ".cache" / "shardwright"))
MODELS = ["gpt2", "llama", "llama-attention", "minilm", "mixtral", "resnet", "vit"]
MESHES = [None, "tp=2", "tp=3", "tp=4", "dp=2", "dp=2,tp=2"]


def runTool(tool, *arguments):
    return subprocess.run([BIN / tool, *arguments], capture_output=True, text=True, timeout=300)


class ModelsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-models-"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def modelPath(self, model):
        """The model's file; of minilm a copy beside its checkpoint."""
        if model != "minilm":
            return ROOT / "tests" / "models" / model / "model.onnx"
        folder = self.folder / model
        if not folder.exists():
            folder.mkdir()
            shutil.copy(ROOT / "tests" / "models" / model / "model.onnx", folder)
            checkpoint = next(CACHE.glob("minilm-*/**/model.safetensors"))
            (folder / "model.safetensors").symlink_to(checkpoint)
        return folder / "model.onnx"

    def check(self, model, mesh):
        plan = self.folder / f"{model}-{mesh}"
        compiled = runTool("shardc", self.modelPath(model), "-o", plan, *(["--mesh", mesh] if mesh else []))
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        for data in sorted((ROOT / "tests" / "models" / model).glob("test_data_set_*")):
            run = runTool("shardrun", plan, "--data", data, "--check", "--rtol", "1e-3", "--atol", "1e-4")
            self.assertEqual(run.returncode, 0, f"{data.name}: {run.stdout}{run.stderr}")
        shutil.rmtree(plan)


def addTest(model, mesh):
    name = "test_" + model.replace("-", "_") + "_" + (mesh or "whole").replace("=", "").replace(",", "_")
    setattr(ModelsTest, name, lambda self: self.check(model, mesh))


for model in MODELS:
    for mesh in MESHES:
        addTest(model, mesh)

if __name__ == "__main__":
    unittest.main()
