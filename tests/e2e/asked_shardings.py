"""What the tests of --shard share: models made on the spot, and whether a plan holds tensors as a SPEC.json asked for."""

import json
import pathlib
import re
import shutil
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from built_tools import runTool


def axesOfDims(sharding):
    """"[_, 7{x,y}/7] partial=sum{z}" -> [[], ["x", "y"]]"""
    dims = re.match(r"\[(.*?)\](?: |$)", sharding).group(1)
    return [re.sub(r"[^{]*\{([^}]*)\}.*|.*", r"\1", dim).split(",") if "{" in dim else [] for dim in dims.split(", ")]


def isAsAsked(found, asked):
    return all(dim is None or dim == found[i] for i, dim in enumerate(asked))


def assertHeldAsAsked(test, model, mesh, spec, plan):
    """Every tensor that the spec names without a glob is, when it is made or just after, split over the axes asked for and no
    others; inputs and outputs are in the plan too."""
    report = json.loads(runTool("shardview", plan, "--json").stdout)
    ports = {port["name"]: port["sharding"] for port in report["inputs"] + report["outputs"]}
    for name, asked in json.loads(pathlib.Path(spec).read_text())["tensors"].items():
        if "*" in name or "?" in name:
            continue
        if name in ports:
            test.assertTrue(isAsAsked(ports[name], asked), f"{name}: asked for {asked}, the plan has {ports[name]}")
        explained = runTool("shardc", model, "--dry-run", "--mesh", mesh, "--shard", spec, "--explain", name)
        test.assertEqual(explained.returncode, 0, explained.stderr)
        found = re.findall(r"^  (?:held as|resharded to) (\[[^:\n]*(?::\(\d+\)\d+[^:\n]*)*)", explained.stdout, re.MULTILINE)
        test.assertTrue(any(isAsAsked(axesOfDims(s), asked) for s in found), f"{name}: asked for {asked}:\n{explained.stdout}")
    return report


class SpecTestCase(unittest.TestCase):
    """Tests on a model made on the spot, which a subclass gives in setUpClass with save()."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-specs-"))
        cls.model, cls.data = cls.folder / "model.onnx", cls.folder / "data"

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def save(cls, graph, inputs):
        """The model, its inputs (by name, in the graph's order), and the outputs that ONNX Runtime has for them."""
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model)
        onnx.save(model, cls.model)
        outputs = onnxruntime.InferenceSession(cls.model, providers=["CPUExecutionProvider"]).run(None, inputs)
        cls.data.mkdir()
        for kind, values in (("input", list(inputs.values())), ("output", outputs)):
            for i, value in enumerate(values):
                tensor = numpy_helper.from_array(value, getattr(graph, kind)[i].name)
                (cls.data / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())

    def check(self, mesh, **spec):
        """Compiles under the spec and compares; returns the plan's collectives by kind, and its report."""
        path, plan = self.folder / "spec.json", self.folder / "plan"
        path.write_text(json.dumps({"tensors": {}, **spec}))
        compiled = runTool("shardc", self.model, "-o", plan, "--mesh", mesh, "--shard", path)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        run = runTool("shardrun", plan, "--data", self.data, "--check", "--rtol", "1e-4", "--atol", "1e-5")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        report = assertHeldAsAsked(self, self.model, mesh, path, plan)
        return {kind: entry["count"] for kind, entry in report["collectives"][0].items()}, report


def weight(rng, name, *shape):
    return numpy_helper.from_array(rng.normal(0.3, 0.5, shape).astype(np.float32), name)
