"""What a compiled plan costs beside its work, allocations in each run and temporary memory; and that it is always the same."""

import filecmp
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import onnx

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev"))
CACHE = pathlib.Path(os.environ.get("SHARDWRIGHT_CACHE", pathlib.Path.home() / ".cache" / "shardwright"))
MODELS = ROOT / "tests" / "models"
FULL_SIZE = ["bert-base", "gpt2-124m", "llama-1b", "resnet50", "vit-b16"]
NAMES = ["gpt2", "llama", "llama-attention", "minilm", "mixtral", "resnet", "vit"]
# Sizes at which every rank has work, unlike a batch of 1 on two ranks.
MESHES = {"whole": [], "tp2": ["--mesh", "tp=2"], "dp2": ["--mesh", "dp=2", "--assume", "batch=3"],
          "pp2": ["--mesh", "pp=2", "--microbatches", "2", "--schedule", "gpipe"],
          "pp2_tp2": ["--mesh", "pp=2,tp=2", "--microbatches", "3", "--schedule", "interleaved"],
          "tp4": ["--mesh", "tp=4"], "dp2_tp2": ["--mesh", "dp=2,tp=2", "--assume", "batch=3"]}
# What oneDNN allocates itself in one execution of a primitive, at most; it differs by the primitive and its number of operands.
LIBRARY_ALLOCATIONS_PER_CALL = 10


def runTool(tool, *arguments):
    return subprocess.run([BUILD / tool, *arguments], capture_output=True, text=True, timeout=600)


class SteadyStateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-steady-"))
        cls.plans = {}
        (cls.folder / "minilm").mkdir()
        shutil.copy(MODELS / "minilm" / "model.onnx", cls.folder / "minilm")
        (cls.folder / "minilm" / "model.safetensors").symlink_to(next(CACHE.glob("minilm-*/**/model.safetensors")))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def compile(self, model, mesh, name):
        file = (self.folder if model == "minilm" else MODELS) / model / "model.onnx"
        compiled = runTool("bin/shardc", file, "-o", self.folder / name, *MESHES[mesh])
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        return self.folder / name

    def plan(self, model, mesh):
        """Compiled once for all tests."""
        if (model, mesh) not in self.plans:
            self.plans[model, mesh] = self.compile(model, mesh, f"{model}-{mesh}.plan")
        return self.plans[model, mesh]

    def allocations(self, model, mesh):
        data = sorted((MODELS / model).glob("test_data_set_*"))
        counted = runTool("tests/count_allocations", self.plan(model, mesh), *data)
        self.assertEqual(counted.returncode, 0, counted.stderr)
        counts = json.loads(counted.stdout)
        self.assertGreater(counts["firstRuns"], 0, "the counter sees the ranks' threads")
        self.assertEqual(counts["ours"], 0, counts)
        self.assertLessEqual(counts["library"], LIBRARY_ALLOCATIONS_PER_CALL * counts["libraryCalls"], counts)

    def temporaryMemory(self, model, mesh):
        self.checkMemory(self.plan(model, mesh))

    def temporaryMemoryOfFullSize(self, model, mesh):
        """Nothing but the graph is needed to plan; its weights are a hole in a file."""
        folder = self.folder / "full-size" / model
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(MODELS / "full-size" / model / "model.onnx", folder)
        graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
        entries = [{e.key: e.value for e in t.external_data} for t in graph.initializer if t.external_data]
        for entry in entries:
            with open(folder / entry["location"], "ab") as file:
                file.truncate(max(file.tell(), int(entry["offset"]) + int(entry["length"])))
        compiled = runTool("bin/shardc", folder / "model.onnx", "--no-weights", "-o", folder / "plan", *MESHES[mesh])
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        self.checkMemory(folder / "plan")

    def checkMemory(self, plan):
        report = json.loads(runTool("bin/shardview", plan, "--json").stdout)
        self.assertGreater(max(rank["lowerBoundBytes"] for rank in report["ranks"]), 0)
        for rank in report["ranks"]:
            self.assertLessEqual(rank["peakBytes"], 1.1 * rank["lowerBoundBytes"], rank)

    def identical(self, model, mesh):
        first, second = self.plan(model, mesh), self.compile(model, mesh, "again.plan")
        files = sorted(str(f.relative_to(first)) for f in first.rglob("*") if f.is_file())
        self.assertGreater(len(files), 2)
        self.assertEqual(files, sorted(str(f.relative_to(second)) for f in second.rglob("*") if f.is_file()))
        self.assertEqual(filecmp.cmpfiles(first, second, files, shallow=False), (files, [], []))

    def test_temporary_memory_at_the_sizes_of_a_run(self):
        """A plan is packed again for the sizes of each run, which are not those that it was compiled with."""
        run = runTool("bin/shardrun", self.plan("gpt2", "tp2"), "--data", MODELS / "gpt2" / "test_data_set_1", "--json",
                      self.folder / "run.json")
        self.assertEqual(run.returncode, 0, run.stderr)
        again = runTool("bin/shardc", MODELS / "gpt2" / "model.onnx", "-o", self.folder / "sized.plan", "--mesh", "tp=2",
                        *self.sizesOf("gpt2", 1))
        self.assertEqual(again.returncode, 0, again.stderr)
        report = json.loads(runTool("bin/shardview", self.folder / "sized.plan", "--json").stdout)
        used = [rank["peakBytes"] for rank in json.loads((self.folder / "run.json").read_text())["ranks"]]
        self.assertEqual(used, [rank["peakBytes"] for rank in report["ranks"]])

    def sizesOf(self, model, dataSet):
        """--assume for the dims of the first input of a data set."""
        graph = onnx.load(MODELS / model / "model.onnx", load_external_data=False).graph
        tensor = onnx.load_tensor(MODELS / model / f"test_data_set_{dataSet}" / "input_0.pb")
        dims = [dim.dim_param for dim in graph.input[0].type.tensor_type.shape.dim]
        pairs = [["--assume", f"{name}={size}"] for name, size in zip(dims, tensor.dims) if name]
        return [argument for pair in pairs for argument in pair]


def addTest(name, check, model, mesh):
    setattr(SteadyStateTest, f"test_{name}_{model.replace('-', '_')}_{mesh}", lambda self: check(self, model, mesh))


for model in NAMES:
    for mesh in ("whole", "tp2", "dp2", "dp2_tp2"):
        addTest("temporary_memory", SteadyStateTest.temporaryMemory, model, mesh)
        addTest("two_compilations_are_byte_identical", SteadyStateTest.identical, model, mesh)
        if mesh != "dp2_tp2":
            addTest("allocations", SteadyStateTest.allocations, model, mesh)

for model in ("gpt2", "mixtral", "resnet"):
    for mesh in ("pp2", "pp2_tp2"):
        addTest("allocations", SteadyStateTest.allocations, model, mesh)

for model in FULL_SIZE:
    for mesh in ("whole", "tp2", "tp4"):
        addTest("temporary_memory_of_full_size", SteadyStateTest.temporaryMemoryOfFullSize, model, mesh)

if __name__ == "__main__":
    unittest.main()
