"""ONNX's multi-device annotations: what shardc writes compiles to the same plan without --shard, for every given model; what others
write by hand is followed. With SHARDWRIGHT_FULL=1 every model on every mesh, and run."""

import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper

import built_tools
import given_models

FULL = bool(os.environ.get("SHARDWRIGHT_FULL"))
MESHES = [["tp=2"], ["dp=2,tp=2"], ["pp=2,tp=2", "--microbatches", "2"], ["pp=3"], ["tp=3"], ["pp=2", "--microbatches", "4", "--schedule", "interleaved:2"]]
PARTS = re.compile(r"[0-9]+ of (partial sums|nodes|weights)")


class RoundTripTest(given_models.GivenModels):
    def compile(self, model, name, *options):
        plan = self.folder / name
        compiled = built_tools.runTool("shardc", model, "-o", plan, *options)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        return plan, compiled.stderr

    def view(self, plan):
        view = json.loads(built_tools.runTool("shardview", plan, "--json").stdout)
        del view["model"]
        return view

    def stagesOf(self, view):
        """Of each node, where its kernels run."""
        stages = {}
        for stage, steps in enumerate(view["steps"]):
            for step in steps:
                for node in step["node"] if step["kind"] == "kernel" else []:
                    stages.setdefault(node, set()).add(stage)
        return stages

    def checkRoundTrip(self, model, mesh, *options):
        """The annotated model is the model with annotations, and its plan the same; but for the order of steps, and for what the
        warning says that ONNX cannot say."""
        folder = self.folder / ("annotated-" + model)
        if not folder.exists():
            folder.mkdir()
            for file in self.modelPath(model).parent.iterdir():
                if file.is_file():
                    shutil.copy(file, folder)
        out = folder / "annotated.onnx"
        first, said = self.compile(folder / "model.onnx", "first", "--mesh", mesh, *options, "--annotated", out)
        second, _ = self.compile(out, "second", *options)  # the configuration's name is the mesh
        self.checkModel(folder / "model.onnx", out, mesh)
        one, other = self.view(first), self.view(second)
        for steps in one["steps"] + other["steps"]:
            steps.sort(key=lambda step: json.dumps(step))
        exact = ["mesh", "stages", "assumed", "microbatches", "schedule", "inputs", "outputs", "steps", "collectives", "transfers"]
        for key in exact if not PARTS.search(said) else exact[:7]:
            self.assertEqual(one.get(key), other.get(key), f"{key} of {model} on {mesh}: {said}")
        one, other = self.stagesOf(one), self.stagesOf(other)
        common = [node for node in one if node in other]  # fusion may name others
        self.assertGreater(len(common), 0.8 * len(one))
        if "nodes" not in PARTS.findall(said):
            self.assertEqual({node: one[node] for node in common}, {node: other[node] for node in common}, f"{model} on {mesh}")
        if FULL:
            self.checkRuns(second, model)
        for plan in (first, second):
            shutil.rmtree(plan)
        out.unlink()

    def checkRuns(self, plan, model):
        own = built_tools.ROOT / "tests" / "models" / model / "tolerance.json"
        tolerance = json.loads(own.read_text()) if own.exists() else {"rtol": 1e-3, "atol": 1e-4}
        limits = [text for name, value in tolerance.items() for text in (f"--{name}", str(value))]
        run = built_tools.runTool("shardrun", plan, "--data", built_tools.ROOT / "tests" / "models" / model / "test_data_set_0", "--check", *limits)
        self.assertEqual(run.returncode, 0, f"{model}: {run.stdout}{run.stderr}")

    def checkModel(self, model, out, mesh):
        """Nothing else has changed; what was external data is so still."""
        annotated = onnx.load(out, load_external_data=False)
        onnx.checker.check_model(str(out))
        self.assertEqual([(c.name, c.num_devices) for c in annotated.configuration], [(mesh, int(np.prod([int(s.split("=")[1]) for s in mesh.split(",")])))])
        numAnnotated = 0
        for node in annotated.graph.node:
            for devices in node.device_configurations:
                numAnnotated += 1
                self.assertEqual(devices.configuration_id, mesh)
                for spec in devices.sharding_spec:
                    self.assertIn(spec.tensor_name, [*node.input, *node.output])
            node.ClearField("device_configurations")
        self.assertGreater(numAnnotated, 0)
        annotated.ClearField("configuration")
        original = onnx.load(model, load_external_data=False)
        self.assertEqual(annotated.ir_version, max(original.ir_version, 11))
        annotated.ir_version = original.ir_version
        self.assertEqual(annotated, original)


def addTest(model, options):
    name = f"test_{model}_{'_'.join(options)}".replace("-", "_").replace("=", "").replace(",", "_").replace(":", "")
    setattr(RoundTripTest, name, lambda self: self.checkRoundTrip(model, *options))


for number, model in enumerate(given_models.MODELS):
    # Each model on two meshes, each mesh with several models.
    for options in MESHES if FULL else [MESHES[number % len(MESHES)], MESHES[(number + 2) % len(MESHES)]]:
        addTest(model, options)


def sharding(tensor, devices, dims=(), groups=()):
    """dims: (axis, number of shards or [(size, number), …])."""
    spec = onnx.ShardingSpecProto(tensor_name=tensor, device=devices)
    for key, members in groups:
        spec.index_to_device_group_map.add(key=key, value=members)
    for axis, shards in dims:
        dim = spec.sharded_dim.add(axis=axis)
        for size, number in [(None, shards)] if isinstance(shards, int) else shards:
            simple = dim.simple_sharding.add(num_shards=number)
            if isinstance(size, str):
                simple.dim_param = size
            elif size:
                simple.dim_value = size
    return spec


class HandMadeTest(unittest.TestCase):
    """z = relu(x · a + b) · c on models that no compiler has annotated."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-annotated-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def model(self, configurations, annotations):
        """annotations: (node, configuration, stage or None, [sharding, …])."""
        rng = np.random.default_rng(5)
        weights = [onnx.numpy_helper.from_array(rng.integers(1, 5, shape).astype(np.float32), name)
                   for name, shape in (("a", (6, 50)), ("b", (50,)), ("c", (50, 7)))]
        nodes = [helper.make_node("MatMul", ["x", "a"], ["wide"], "expand"), helper.make_node("Add", ["wide", "b"], ["moved"], "shift"),
                 helper.make_node("Relu", ["moved"], ["bent"], "bend"), helper.make_node("MatMul", ["bent", "c"], ["z"], "contract")]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(nodes, "two", [value("x", TensorProto.FLOAT, ["batch", 6])], [value("z", TensorProto.FLOAT, ["batch", 7])], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=11)
        for name, devices in configurations:
            model.configuration.add(name=name, num_devices=devices)
        for name, configuration, stage, shardings in annotations:
            entry = next(node for node in model.graph.node if node.name == name).device_configurations.add(configuration_id=configuration)
            entry.sharding_spec.extend(shardings)
            if stage is not None:
                entry.pipeline_stage = stage
        x = np.arange(18, dtype=np.float32).reshape(3, 6) - 7
        a, b, c = (onnx.numpy_helper.to_array(weight) for weight in weights)
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        for kind, array, port in (("input", x, "x"), ("output", np.maximum(x @ a + b, 0) @ c, "z")):
            (data / f"{kind}_0.pb").write_bytes(onnx.numpy_helper.from_array(array, port).SerializeToString())
        onnx.checker.check_model(model)
        onnx.save(model, self.folder / "model.onnx")

    def plan(self, *options):
        plan = self.folder / "plan"
        compiled = built_tools.runTool("shardc", self.folder / "model.onnx", "-o", plan, *options)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        run = built_tools.runTool("shardrun", plan, "--data", self.folder / "data", "--check")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return json.loads(built_tools.runTool("shardview", plan, "--json").stdout), compiled.stderr

    def explained(self, tensor, *options):
        compiled = built_tools.runTool("shardc", self.folder / "model.onnx", "--dry-run", "--explain", tensor, *options)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        return compiled.stdout

    def computed(self, view):
        """By stage."""
        return [sorted({node for step in steps if step["kind"] == "kernel" for node in step["node"]}) for steps in view["steps"]]

    def test_columns_against_the_search(self):
        """By itself the compiler splits a by columns and c by rows; here a is split by rows, and its sum over all devices."""
        self.model([("two", 2)], [("expand", "two", None, [sharding("x", [0, 1], [(1, 2)]), sharding("a", [0, 1], [(0, 2)]),
                                                            sharding("wide", [-1], groups=[(-1, [0, 1])])])])
        self.assertIn("a [6, 50] float32\n  held as [6{tp}, _]", self.explained("a", "--mesh", "tp=2"))
        self.assertIn("from model: node expand", self.explained("a", "--mesh", "tp=2"))
        self.assertIn("held as [_, 50{tp}]", self.explained("a", "--mesh", "tp=2", "--ignore-annotations"))
        view, _ = self.plan("--mesh", "tp=2")
        self.assertIn("all-reduce", view["collectives"][0])

    def test_two_dims_on_four_devices_column_by_column(self):
        """Shards go to devices 0, 2, 1, 3: the first dim is on the minor axis."""
        self.model([("four", 4)], [("shift", "four", None, [sharding("moved", [0, 2, 1, 3], [(0, [("batch", 2)]), (-1, [(50, 2)])])])])
        self.assertIn("held as [batch{inner}/batch, 50{outer}]", self.explained("moved", "--mesh", "outer=2,inner=2"))
        self.plan("--mesh", "outer=2,inner=2")

    def test_stages(self):
        self.model([("line", 2)], [("expand", "line", 0, []), ("shift", "line", 0, []), ("bend", "line", 1, []), ("contract", "line", 1, [])])
        view, _ = self.plan("--mesh", "pp=2")
        self.assertEqual(self.computed(view), [["expand", "shift"], ["bend", "contract"]])

    def test_stages_that_count_from_one(self):
        self.model([("line", 2)], [("expand", "line", 1, []), ("shift", "line", 2, [])])
        view, _ = self.plan("--mesh", "pp=2")
        self.assertEqual(self.computed(view), [["expand"], ["bend", "contract", "shift"]])

    def test_a_call_of_a_function_goes_for_its_body(self):
        self.model([("line", 4)], [("expand", "line", 0, []), ("bend", "line", 1, [sharding("bent", [2, 3], [(1, 2)])])])
        model = onnx.load(self.folder / "model.onnx")
        body = [helper.make_node("Neg", ["m"], ["n"], "turn"), helper.make_node("Neg", ["n"], ["o"], "back"), helper.make_node("Relu", ["o"], ["r"], "cut")]
        body[1].device_configurations.add(configuration_id="line").sharding_spec.append(sharding("n", [2, 3], [(1, 2)]))
        model.functions.append(helper.make_function("mine", "Bend", ["m"], ["r"], body, [helper.make_opsetid("", 20)]))
        model.opset_import.append(helper.make_opsetid("mine", 1))
        call = next(node for node in model.graph.node if node.name == "bend")
        call.op_type, call.domain = "Bend", "mine"
        onnx.save(model, self.folder / "model.onnx")
        view, _ = self.plan("--mesh", "pp=2,tp=2")
        self.assertEqual({node for node in self.computed(view)[0] if node.startswith("bend/")}, set())
        self.assertIn("held as [_, 50{tp}]", self.explained("bent", "--mesh", "pp=2,tp=2"))

    def test_one_of_several_configurations(self):
        self.model([("two", 2), ("three", 3)], [("expand", "two", None, [sharding("a", [0, 1], [(0, 2)])]),
                                                ("expand", "three", None, [sharding("a", [0, 1, 2], [(1, 3)])])])
        self.assertIn("held as [6{tp}, _]", self.explained("a", "--mesh", "tp=2"))
        self.assertIn("held as [_, 50{tp}/50]", self.explained("a", "--mesh", "tp=3"))
        self.plan("--mesh", "tp=3")

    def test_the_spec_wins_and_says_so(self):
        self.model([("two", 2)], [("expand", "two", None, [sharding("a", [0, 1], [(0, 2)])])])
        (self.folder / "spec.json").write_text('{"tensors": {"a": [[], ["tp"]]}}')
        self.assertIn("held as [_, 50{tp}]", self.explained("a", "--mesh", "tp=2", "--shard", self.folder / "spec.json"))
        _, said = self.plan("--mesh", "tp=2", "--shard", self.folder / "spec.json")
        self.assertIn('model.onnx: warning: --shard says otherwise than the model\'s annotations of 1 name, the first of them "a"; --shard wins', said)

    def test_compiled_for_one_device(self):
        self.model([("two", 2)], [("expand", "two", None, [sharding("a", [0, 1], [(0, 2)])])])
        _, said = self.plan()
        self.assertIn("is annotated for several devices, and is compiled for one; give --mesh", said)

    def test_writing_keeps_what_other_configurations_say(self):
        self.model([("two", 2)], [("expand", "two", None, [sharding("a", [0, 1], [(0, 2)])])])
        written = built_tools.runTool("shardc", self.folder / "model.onnx", "--dry-run", "--mesh", "tp=3", "--ignore-annotations", "--annotated", self.folder / "out.onnx")
        self.assertEqual(written.returncode, 0, written.stderr)
        out = onnx.load(self.folder / "out.onnx")
        self.assertEqual([c.name for c in out.configuration], ["two", "tp=3"])
        self.assertEqual([d.configuration_id for d in out.graph.node[0].device_configurations], ["two", "tp=3"])


if __name__ == "__main__":
    unittest.main()
