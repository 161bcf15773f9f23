"""What tests over the given models share: where they are, and that a plan of one equals its expected outputs."""

import json
import os
import pathlib
import shutil
import tempfile
import unittest

from built_tools import ROOT, runTool

CACHE = pathlib.Path(os.environ.get("SHARDWRIGHT_CACHE", pathlib.Path.home() / ".cache" / "shardwright"))
MODELS = sorted(path.parent.name for path in (ROOT / "tests" / "models").glob("*/model.onnx"))


class GivenModels(unittest.TestCase):
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

    def dataOf(self, model, number=0):
        return ROOT / "tests" / "models" / model / f"test_data_set_{number}"

    def limitsOf(self, model):
        """The tolerances of shardrun --check."""
        own = ROOT / "tests" / "models" / model / "tolerance.json"
        tolerance = json.loads(own.read_text()) if own.exists() else {"rtol": 1e-3, "atol": 1e-4}
        return [text for name, value in tolerance.items() for text in (f"--{name}", str(value))]

    def compile(self, model, *options):
        """A plan of the model, with the options of shardc."""
        plan = self.folder / "plan"
        compiled = runTool("shardc", self.modelPath(model), "-o", plan, *options)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        return plan

    def check(self, model, *options):
        """Compiles with the options of shardc; the plan gives the expected outputs of every data set."""
        plan = self.compile(model, *options)
        for data in sorted((ROOT / "tests" / "models" / model).glob("test_data_set_*")):
            run = runTool("shardrun", plan, "--data", data, "--check", *self.limitsOf(model))
            self.assertEqual(run.returncode, 0, f"{data.name}: {run.stdout}{run.stderr}")
        shutil.rmtree(plan)
