"""One table of bad input over all tools: each row ends with its documented exit status and one message, in time, and leaves
nothing half-written behind. What a rank does whose peer fails or stalls is in tests/unit/runtime/session/session_test.cc."""

import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SHARDWRIGHT_BUILD", ROOT / "build" / "dev")) / "bin"
BATCH, IN, MID, OUT, WORDS = 3, 6, 61, 7, 53
CHECK_FAILED, WRONG, ENVIRONMENT = 1, 2, 3
CRASHES = ["Assertion", "Stack dump", "terminate called", "Segmentation", "internal error", "Sanitizer"]


def runTool(tool, *arguments, before=None):
    return subprocess.run([BIN / tool, *arguments], capture_output=True, text=True, errors="replace", timeout=60, preexec_fn=before)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# --- the good model, plan and data that each row spoils ------------------------------------------------------------------------


def makeModel():
    """y = softmax(x · up) · down + the sum of the words' vectors; its three weights lie in weights.bin."""
    rng = np.random.default_rng(3)
    weights, offset = [], 0
    for name, *shape in (("up", IN, MID), ("down", MID, OUT), ("words", WORDS, OUT)):
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        length = 4 * shape[0] * shape[1]
        for key, value in (("location", "weights.bin"), ("offset", str(offset)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)
        weights.append(tensor)
        offset += length
    nodes = [
        helper.make_node("MatMul", ["x", "up"], ["wide"], "expand"),
        helper.make_node("Softmax", ["wide"], ["soft"], "softmax", axis=-1),
        helper.make_node("MatMul", ["soft", "down"], ["narrow"], "contract"),
        helper.make_node("Gather", ["words", "ids"], ["vectors"], "look_up", axis=0),
        helper.make_node("ReduceSum", ["vectors", "axes"], ["bag"], "add_up", keepdims=0),
        helper.make_node("Add", ["narrow", "bag"], ["y"], "join"),
    ]
    value = helper.make_tensor_value_info
    inputs = [value("x", TensorProto.FLOAT, ["batch", IN]), value("ids", TensorProto.INT64, ["batch", 2])]
    constants = weights + [helper.make_tensor("axes", TensorProto.INT64, [1], [1])]
    graph = helper.make_graph(nodes, "bag", inputs, [value("y", TensorProto.FLOAT, ["batch", OUT])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return model, rng.normal(0.2, 0.5, offset // 4).astype(np.float32).tobytes()


def saveTensor(path, array, name):
    path.write_bytes(numpy_helper.from_array(array, name).SerializeToString())


def node(model, name):
    return next(n for n in model.graph.node if n.name == name)


def initializer(model, name):
    return next(t for t in model.graph.initializer if t.name == name)


def external(tensor, **entries):
    for entry in tensor.external_data:
        entry.value = str(entries.get(entry.key, entry.value))


# --- spoiling them -------------------------------------------------------------------------------------------------------------


def spoilCycle(model):
    node(model, "expand").input[0] = "narrow2"
    model.graph.node.append(helper.make_node("Slice", ["narrow", "zero", "six", "axes"], ["narrow2"], "back"))
    for name, number in (("zero", 0), ("six", IN)):
        model.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], [number]))


def setDim(tensor, index, size):
    tensor.dims[index] = size


def spoilInputType(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


# name: (what is done to the model, what the message says)
MODELS = {
    "cyclic_graph": (spoilCycle, ["expand", "is in a cycle"]),
    "undefined_value": (lambda m: node(m, "softmax").input.__setitem__(0, "wid"), ["softmax", 'reads value "wid"']),
    "undefined_output": (lambda m: setattr(m.graph.output[0], "name", "z"), ['output "z"']),
    "duplicate_value": (lambda m: node(m, "look_up").output.__setitem__(0, "soft"), ["look_up", '"soft" is defined again']),
    "duplicate_initializer": (lambda m: m.graph.initializer.append(initializer(m, "up")), ['"up" is defined again']),
    "duplicate_input": (lambda m: m.graph.input.append(m.graph.input[0]), ['"x" is defined again']),
    "op_without_a_required_attribute": (lambda m: setattr(node(m, "softmax"), "op_type", "Cast"), ["softmax", 'needs attribute "to"']),
    "attribute_that_the_op_does_not_have": (lambda m: setattr(node(m, "softmax").attribute[0], "name", "axes"), ["softmax", 'no attribute "axes"']),
    "too_few_operands": (lambda m: node(m, "expand").input.pop(), ["expand", "has 1 input"]),
    "operands_that_do_not_fit": (lambda m: node(m, "expand").input.__setitem__(1, "down"), ["expand", str(IN), str(MID)]),
    "operands_of_two_types": (lambda m: node(m, "join").input.__setitem__(1, "ids"), ["join"]),
    "axis_out_of_range": (lambda m: setattr(node(m, "softmax").attribute[0], "i", 5), ["softmax", "5"]),
    "op_of_another_domain": (lambda m: setattr(node(m, "softmax"), "domain", "com.example"), ["com.example", "softmax"]),
    "op_that_is_none": (lambda m: setattr(node(m, "softmax"), "op_type", "Softmux"), ["Softmux", "softmax"]),
    "opset_of_the_future": (lambda m: setattr(m.opset_import[0], "version", 99), ["99"]),
    "no_opset": (lambda m: m.ClearField("opset_import"), ["opset"]),
    "ir_of_the_future": (lambda m: setattr(m, "ir_version", 99), ["99"]),
    "no_graph": (lambda m: m.ClearField("graph"), ["graph"]),
    "no_nodes_and_no_outputs": (lambda m: (m.graph.ClearField("node"), m.graph.ClearField("output")), ["output"]),
    "input_without_a_type": (lambda m: m.graph.input[0].ClearField("type"), ["x"]),
    "input_of_another_type_than_its_reader_takes": (spoilInputType, ["expand"]),
    "external_path_that_leaves_the_folder": (lambda m: external(initializer(m, "up"), location="../weights.bin"), ["up", "leaves the model's folder"]),
    "external_path_that_is_absolute": (lambda m: external(initializer(m, "up"), location="/etc/passwd"), ["up", "is not a relative"]),
    "external_path_that_is_a_folder": (lambda m: external(initializer(m, "up"), location="."), ["up", "not a file"]),
    "external_file_that_is_missing": (lambda m: external(initializer(m, "up"), location="none.bin"), ["up", "none.bin", "put the file there"]),
    "external_data_beyond_the_file": (lambda m: external(initializer(m, "words"), offset=1 << 40), ["words", "weights.bin"]),
    "external_offset_that_is_none": (lambda m: external(initializer(m, "words"), offset="-8"), ["words", 'offset is "-8"']),
    "external_data_of_another_length": (lambda m: external(initializer(m, "up"), length=17), ["up", "17"]),
    "weight_with_a_negative_dim": (lambda m: setDim(initializer(m, "up"), 0, -6), ["up"]),
    "weight_of_two_to_the_sixty": (lambda m: setDim(initializer(m, "up"), 0, 1 << 60), ["up"]),
    "weight_of_an_unknown_type": (lambda m: setattr(initializer(m, "up"), "data_type", 77), ["up", "77"]),
    "input_of_two_to_the_sixty": (lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 1 << 60), ["expand"]),
}


def annotate(model, name, shardings=(), stage=None, devices=2, configuration="c"):
    """Declares the configuration, and annotates the node for "c"; shardings: (tensor, devices, axis, number of shards)."""
    if not model.configuration:
        model.configuration.add(name=configuration, num_devices=devices)
    entry = node(model, name).device_configurations.add(configuration_id="c")
    if stage is not None:
        entry.pipeline_stage = stage
    for tensor, places, axis, shards in shardings:
        spec = entry.sharding_spec.add(tensor_name=tensor, device=places)
        spec.sharded_dim.add(axis=axis).simple_sharding.add(num_shards=shards)


def annotateStages(model, first, second):
    annotate(model, "expand", stage=first)
    annotate(model, "contract", stage=second)


# name: (what is done to the model, the mesh, what the message says)
ANNOTATED = {
    "configuration_that_is_not_declared": (lambda m: annotate(m, "expand", stage=0, configuration="d"), "tp=2", ["expand", 'configuration "c"', "does not declare"]),
    "configuration_without_devices": (lambda m: annotate(m, "expand", stage=0, devices=0), "tp=2", ['"c" has 0 devices']),
    "configuration_declared_twice": (lambda m: (annotate(m, "expand"), m.configuration.add(name="c", num_devices=2)), "tp=2", ['"c" is declared twice']),
    "configuration_without_a_name": (lambda m: m.configuration.add(num_devices=2), "tp=2", ["has no name"]),
    "configuration_of_other_devices_than_the_mesh": (lambda m: annotate(m, "expand", stage=0), "tp=4", ["tp=4 has 4 ranks", '"c" (2 devices)', "--ignore-annotations"]),
    "stage_that_is_negative": (lambda m: annotate(m, "expand", stage=-7), "pp=2", ["expand", "-7"]),
    "stage_beyond_the_mesh": (lambda m: annotate(m, "expand", stage=5), "tp=2", ["expand", "stage 5", "no axis pp"]),
    "stage_before_what_it_reads": (lambda m: annotateStages(m, 1, 0), "pp=2", ["contract", "expand", "stage 0", "stage 1"]),
    "tensor_of_another_node": (lambda m: annotate(m, "expand", [("down", [0, 1], 0, 2)]), "tp=2", ["expand", '"down" is no input or output']),
    "device_that_is_none": (lambda m: annotate(m, "expand", [("up", [0, 99], 0, 2)]), "tp=2", ["expand", '"up"', "no device 99", "0 to 1"]),
    "device_twice": (lambda m: annotate(m, "expand", [("up", [1, 1], 0, 2)]), "tp=2", ["expand", '"up"', "a device holds"]),
    "fewer_devices_than_shards": (lambda m: annotate(m, "expand", [("up", [0], 0, 2)]), "tp=2", ["expand", '"up"', "2 shards", "lists 1 "]),
    "axis_that_the_tensor_lacks": (lambda m: annotate(m, "expand", [("up", [0, 1], 42, 2)]), "tp=2", ["expand", '"up"', "axis 42", "2 dims"]),
    "negative_number_of_shards": (lambda m: annotate(m, "expand", [("up", [0, 1], 0, -3)]), "tp=2", ["expand", '"up"', "-3 shards"]),
    "more_shards_than_elements": (lambda m: annotate(m, "expand", [("up", list(range(8)), 0, 8)], devices=8), "tp=8", ["expand", '"up"', "6 elements", "8 parts"]),
    "devices_in_no_order_of_the_mesh": (lambda m: annotate(m, "expand", [("up", [1, 0], 0, 2)]), "tp=2", ["expand", '"up"', "no arrangement"]),
}

# name: (arguments of shardc after the model, what the message says)
SHARDC = {
    "no_model": ([], ["model"]),
    "unknown_option": (["MODEL", "-o", "PLAN", "--tensor-parallel", "2"], ["--tensor-parallel"]),
    "two_models": (["MODEL", "MODEL", "-o", "PLAN"], ["model.onnx"]),
    "nowhere_to_write": (["MODEL"], ["give -o PLAN, or --dry-run"]),
    "missing_model": (["AT/none.onnx", "-o", "PLAN"], ["none.onnx"]),
    "model_that_is_a_folder": (["AT", "-o", "PLAN"], ["shardwright-bad"]),
    "mesh_that_does_not_parse": (["MODEL", "-o", "PLAN", "--mesh", "tp=zero"], ["tp=zero"]),
    "missing_spec": (["MODEL", "-o", "PLAN", "--shard", "AT/none.json"], ["none.json"]),
    "spec_that_is_no_json": (["MODEL", "-o", "PLAN", "--shard", "MODEL"], ["not JSON"]),
    "spec_that_is_a_folder": (["MODEL", "-o", "PLAN", "--shard", "AT"], ["shardwright-bad"]),
    "size_without_a_number": (["MODEL", "-o", "PLAN", "--dim", "batch"], ["NAME=N"]),
    "size_that_is_negative": (["MODEL", "-o", "PLAN", "--dim", "batch=-3"], ["batch", "-3"]),
    "size_that_is_too_large": (["MODEL", "-o", "PLAN", "--dim", "batch=99999999999999999999"], ["at most 19 digits"]),
    "size_of_an_unknown_symbol": (["MODEL", "-o", "PLAN", "--dim", "sequence=3"], ["sequence", "batch"]),
    "assumption_about_an_unknown_symbol": (["MODEL", "-o", "PLAN", "--assume", "sequence=3"], ["sequence", "batch"]),
    "limit_of_an_unknown_symbol": (["MODEL", "-o", "PLAN", "--max", "sequence=3"], ["sequence", "batch"]),
    "batch_that_is_no_symbol": (["MODEL", "-o", "PLAN", "--mesh", "dp=2", "--batch", "rows"], ["rows", "batch"]),
    "unknown_target": (["MODEL", "-o", "PLAN", "--target", "tpu"], ["--target takes cpu"]),
    "unknown_cpu": (["MODEL", "-o", "PLAN", "--target", "cpu:z80"], ["z80"]),
    "schedule_that_is_none": (["MODEL", "-o", "PLAN", "--mesh", "pp=2", "--schedule", "fifo"], ["fifo", "gpipe"]),
    "no_microbatches": (["MODEL", "-o", "PLAN", "--mesh", "pp=2", "--microbatches", "0"], ["microbatches", "0"]),
    "more_stages_than_ops": (["MODEL", "-o", "PLAN", "--mesh", "pp=99"], ["99 stages"]),
    "explained_tensor_that_is_none": (["MODEL", "-o", "PLAN", "--explain", "wid"], ["wid"]),
    "folder_that_is_no_plan": (["MODEL", "-o", "AT"], ["is no plan"]),
    "plan_that_is_a_file": (["MODEL", "-o", "MODEL"], ["is no plan"]),
    "plan_in_no_folder": (["MODEL", "-o", "AT/a/b/plan"], ["make it first"]),
    "annotated_model_in_the_place_of_the_model": (["MODEL", "--dry-run", "--annotated", "MODEL"], ["--annotated", "is the model itself"]),
    "annotated_model_away_from_its_data": (["MODEL", "--dry-run", "--annotated", "AT/out.onnx"], ["external data in weights.bin", "shardwright-good"]),
    "plan_without_a_name": (["MODEL", "-o", ""], ["-o"]),
}

# name: (arguments, status, what the message says)
SHARDRUN = {
    "no_plan": ([], WRONG, ["PLAN"]),
    "missing_plan": (["AT/none"], WRONG, ["none"]),
    "plan_that_is_a_file": (["MODEL"], WRONG, ["model.onnx"]),
    "plan_that_is_a_folder": (["AT"], WRONG, ["plan.pb"]),
    "unknown_option": (["GOOD", "--ranks", "2"], WRONG, ["--ranks"]),
    "missing_data": (["GOOD", "--data", "AT/none"], WRONG, ["none is no folder"]),
    "check_without_data": (["GOOD", "--check"], WRONG, ["--check needs --data"]),
    "unknown_device": (["GOOD", "--device", "abacus"], WRONG, ["cpu or cuda"]),
    "device_that_is_not_there": (["GOOD", "--device", "cuda"], ENVIRONMENT, ["CUDA"]),
    "no_repeats": (["GOOD", "--repeat", "0"], WRONG, ["repeat"]),
    "no_threads": (["GOOD", "--threads-per-rank", "0"], WRONG, ["threads-per-rank"]),
    "timeout_of_nothing": (["GOOD", "--timeout", "0"], WRONG, ["timeout"]),
    "tolerance_that_is_no_number": (["GOOD", "--rtol", "some"], WRONG, ["rtol"]),
    "outputs_that_are_a_file": (["GOOD", "--outputs", "MODEL"], WRONG, ["--outputs", "model.onnx"]),
    "outputs_in_no_folder": (["GOOD", "--outputs", "AT/a/b"], WRONG, ["--outputs", "a/b"]),
    "report_in_no_folder": (["GOOD", "--json", "AT/a/b.json"], WRONG, ["a/b.json"]),
    "report_on_a_full_device": (["GOOD", "--json", "/dev/full"], ENVIRONMENT, ["/dev/full", "No space left"]),
    "trace_in_no_folder": (["GOOD", "--trace", "AT/a/b.json"], WRONG, ["a/b.json"]),
    "trace_on_a_full_device": (["GOOD", "--trace", "/dev/full"], ENVIRONMENT, ["/dev/full", "No space left"]),
    "report_that_is_a_folder": (["GOOD", "--json", "AT"], WRONG, ["shardwright-bad"]),
}

SHARDVIEW = {
    "no_plan": ([], WRONG, ["PLAN"]),
    "missing_plan": (["AT/none"], WRONG, ["none"]),
    "plan_that_is_a_file": (["MODEL"], WRONG, ["model.onnx"]),
    "unknown_option": (["GOOD", "--xml"], WRONG, ["--xml"]),
    "rank_beyond_the_mesh": (["GOOD", "--rank", "2"], WRONG, ["ranks 0 to 1"]),
    "entry_that_is_none": (["GOOD", "--entry", "decode"], WRONG, ["decode", "main"]),
}

SHARD_OPT = {
    "missing_file": (["AT/none.mlir"], ["none.mlir"]),
    "garbage": (["BLOB"], ["garbage"]),
    "unknown_pass": (["EMPTY", "--infer-shaped"], ["--infer-shaped"]),
    "unknown_option_of_a_pass": (["EMPTY", "--annotate=meshes=tp=2"], ["meshes"]),
    "output_in_no_folder": (["EMPTY", "-o", "AT/a/b.mlir"], ["a/b.mlir"]),
    "import_of_a_missing_model": (["--import", "AT/none.onnx"], ["none.onnx"]),
    "import_of_garbage": (["--import", "BLOB"], ["garbage"]),
    "unknown_option_of_the_import": (["--import", "MODEL", "--shapes"], ["--shapes"]),
    "size_without_a_number": (["--import", "MODEL", "--dim", "batch"], ["NAME=N"]),
}

X = np.arange(BATCH * IN, dtype=np.float32).reshape(BATCH, IN) / 7 - 1
IDS = np.array([[1, 4], [7, 52], [3, 3]], dtype=np.int64)
# name: (files of the folder, status, what the message says)
DATA = {
    "missing_input": ({"input_0.pb": X}, WRONG, ["neither input_1.pb nor ids.npy"]),
    "both_inputs_missing": ({}, WRONG, ["input_0.pb", "input_1.pb"]),
    "extra_input": ({"input_0.pb": X, "input_1.pb": IDS, "input_2.pb": IDS}, WRONG, ["input_2.pb", "2 inputs: x, ids"]),
    "wrong_type": ({"input_0.pb": X.astype(np.float64), "input_1.pb": IDS}, WRONG, ["'x'", "float64", "takes float32 [batch, 6]"]),
    "wrong_type_in_npy": ({"x.npy": X, "ids.npy": IDS.astype(np.int32)}, WRONG, ["'ids'", "int32", "int64"]),
    "wrong_size": ({"input_0.pb": X[:, :5], "input_1.pb": IDS}, WRONG, ["'x'", "5", "6"]),
    "wrong_number_of_dims": ({"input_0.pb": X[0], "input_1.pb": IDS}, WRONG, ["'x'", "[6]", "[batch, 6]"]),
    "two_batches": ({"input_0.pb": X, "input_1.pb": IDS[:2]}, WRONG, ["batch", "2", "3"]),
    "garbage_pb": ({"input_0.pb": b"\xff\xfe garbage", "input_1.pb": IDS}, WRONG, ["input_0.pb"]),
    "empty_pb": ({"input_0.pb": b"", "input_1.pb": IDS}, WRONG, ["input_0.pb"]),
    "garbage_npy": ({"x.npy": b"garbage, not a header", "input_1.pb": IDS}, WRONG, ["x.npy", "is not a .npy"]),
    "npy_without_elements": ({"x.npy": b"\x93NUMPY\x01\x00\x36\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3,6)} ", "input_1.pb": IDS}, WRONG, ["x.npy"]),
    "npy_of_objects": ({"x.npy": np.array([{"a": 1}], dtype=object), "input_1.pb": IDS}, WRONG, ["x.npy", "element type"]),
    "npy_of_big_endians": ({"x.npy": X.astype(">f4"), "input_1.pb": IDS}, WRONG, ["x.npy", "little-endian"]),
    "strings": ({"input_0.pb": np.array(["a", "b"], dtype=object), "input_1.pb": IDS}, WRONG, ["input_0.pb", "string"]),
    "no_expected_outputs": ({"input_0.pb": X, "input_1.pb": IDS}, WRONG, ["--check", "output_0.pb"]),
    "expected_output_of_another_shape": ({"input_0.pb": X, "input_1.pb": IDS, "output_0.pb": X}, CHECK_FAILED, ["'y'", "[3, 7]", "[3, 6]"]),
    "expected_output_that_differs": ({"input_0.pb": X, "input_1.pb": IDS, "output_0.pb": np.ones((BATCH, OUT), np.float32)}, CHECK_FAILED, ["'y'", "elements are wrong"]),
    "expected_output_that_is_garbage": ({"input_0.pb": X, "input_1.pb": IDS, "output_0.pb": b"\xff"}, WRONG, ["output_0.pb"]),
}


class BadInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.good = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-good-"))
        cls.modelProto, cls.weights = makeModel()
        (cls.good / "weights.bin").write_bytes(cls.weights)
        onnx.save(cls.modelProto, cls.good / "model.onnx")
        made = runTool("shardc", cls.good / "model.onnx", "-o", cls.good / "plan", "--mesh", "tp=2")
        assert made.returncode == 0, made.stderr

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.good)

    def setUp(self):
        self.at = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-bad-"))
        self.addCleanup(shutil.rmtree, self.at)
        (self.at / "mine.txt").write_text("not a plan's")
        self.places = {"AT": self.at, "PLAN": self.at / "made", "MODEL": self.good / "model.onnx", "GOOD": self.good / "plan",
                       "BLOB": self.at / "garbage", "EMPTY": self.at / "empty.mlir"}

    def place(self, argument):
        head, slash, rest = argument.partition("/")
        return str(self.places[head]) + slash + rest if head in self.places else argument

    def ends(self, status, says, tool, *arguments, before=None):
        """The tool ends with this status and one message that says all of it; what it would have written is not there."""
        listing = sorted(self.at.rglob("*")) + sorted(self.good.rglob("*"))
        result = runTool(tool, *[self.place(str(a)) for a in arguments], before=before)
        self.assertEqual(result.returncode, status, result.stderr)
        for text in says:
            self.assertIn(text, result.stderr)
        for text in CRASHES:
            self.assertNotIn(text, result.stderr)
        self.assertLessEqual(len(result.stderr.strip().splitlines()), 4, result.stderr)
        left = sorted(self.at.rglob("*")) + sorted(self.good.rglob("*"))
        self.assertEqual(left, listing)
        return result

    # --- models and command lines --------------------------------------------------------------------------------------------

    def spoiledModel(self, spoil, says):
        model = onnx.ModelProto()
        model.CopyFrom(self.modelProto)
        spoil(model)
        (self.at / "weights.bin").write_bytes(self.weights)
        (self.at / "model.onnx").write_bytes(model.SerializeToString())
        self.ends(WRONG, ["model.onnx", *says], "shardc", self.at / "model.onnx", "-o", "PLAN")
        self.ends(WRONG, ["model.onnx", *says], "shardc", self.at / "model.onnx", "-o", "PLAN", "--mesh", "dp=2,tp=2")

    def annotatedModel(self, spoil, mesh, says):
        model = onnx.ModelProto()
        model.CopyFrom(self.modelProto)
        spoil(model)
        (self.at / "weights.bin").write_bytes(self.weights)
        (self.at / "model.onnx").write_bytes(model.SerializeToString())
        self.ends(WRONG, ["model.onnx", *says], "shardc", self.at / "model.onnx", "-o", "PLAN", "--mesh", mesh)
        ignored = runTool("shardc", self.at / "model.onnx", "--dry-run", "--mesh", mesh, "--ignore-annotations")
        self.assertEqual(ignored.returncode, 0, ignored.stderr)

    def test_model_truncated_anywhere(self):
        data = (self.good / "model.onnx").read_bytes()
        shutil.copy(self.good / "weights.bin", self.at)
        for length in range(0, len(data), len(data) // 25):
            (self.at / "cut.onnx").write_bytes(data[:length])
            with self.subTest(length=length):
                self.ends(WRONG, ["cut.onnx"], "shardc", self.at / "cut.onnx", "-o", "PLAN")

    def test_model_with_a_flipped_bit_ends_one_way_or_the_other(self):
        data = bytearray((self.good / "model.onnx").read_bytes())
        shutil.copy(self.good / "weights.bin", self.at)
        for position in range(0, len(data), len(data) // 40):
            flipped = bytes(data[:position]) + bytes([data[position] ^ 0x10]) + bytes(data[position + 1:])
            (self.at / "flipped.onnx").write_bytes(flipped)
            with self.subTest(position=position):
                result = runTool("shardc", self.at / "flipped.onnx", "-o", self.at / "made", "--mesh", "tp=2")
                self.assertIn(result.returncode, (0, WRONG), result.stderr)
                self.assertEqual(result.returncode == 0, (self.at / "made" / "plan.pb").exists(), result.stderr)
                shutil.rmtree(self.at / "made", ignore_errors=True)

    def test_model_of_garbage(self):
        for name, data in (("text", b"def main():\n"), ("zeros", bytes(4096)), ("noise", np.random.default_rng(1).bytes(4096)), ("ones", b"\xff" * 999)):
            (self.at / f"{name}.onnx").write_bytes(data)
            with self.subTest(name):
                self.ends(WRONG, [f"{name}.onnx"], "shardc", self.at / f"{name}.onnx", "-o", "PLAN")

    def shardOpt(self, arguments, says):
        (self.at / "garbage").write_bytes(b"garbage\n\x01\x02")
        (self.at / "empty.mlir").write_text("module {}\n")
        self.ends(WRONG, says, "shard-opt", *arguments)

    # --- data ----------------------------------------------------------------------------------------------------------------

    def spoiledData(self, files, status, says):
        data = self.at / "data"
        data.mkdir()
        for name, content in files.items():
            if isinstance(content, bytes):
                (data / name).write_bytes(content)
            elif name.endswith(".npy"):
                np.save(data / name, content, allow_pickle=True)
            else:
                saveTensor(data / name, content, name)
        check = ["--check"] if any("--check" in text or "output" in text for text in [*says, *files]) else []
        self.ends(status, says, "shardrun", "GOOD", "--data", data, "--json", self.at / "report.json" if status == WRONG else "/dev/null", *check)

    # --- plans ---------------------------------------------------------------------------------------------------------------

    def copyOfPlan(self):
        shutil.rmtree(self.at / "plan", ignore_errors=True)
        shutil.copytree(self.good / "plan", self.at / "plan")
        return self.at / "plan"

    def planFiles(self):
        files = sorted(f.relative_to(self.good / "plan") for f in (self.good / "plan").rglob("*") if f.is_file())
        self.assertEqual({f.parts[0] for f in files}, {"plan.pb", "code.so", "weights"})
        return files

    def test_plan_with_a_flipped_byte(self):
        """In every file, also of ranks other than the first, at its ends and in between."""
        plan = self.copyOfPlan()
        for file in self.planFiles():
            data = (plan / file).read_bytes()
            for position in sorted({*range(0, len(data), len(data) // 20 + 1), 7, 8, 12, 16, len(data) - 1}):
                (plan / file).write_bytes(data[:position] + bytes([data[position] ^ 0x20]) + data[position + 1:])
                with self.subTest(file=str(file), position=position):
                    self.ends(WRONG, [file.name], "shardrun", plan)
                    self.ends(WRONG if file.name == "plan.pb" else CHECK_FAILED, [file.name], "shardview", plan, "--verify")
            (plan / file).write_bytes(data)
        self.assertEqual(runTool("shardview", plan, "--verify").returncode, 0)

    def test_plan_with_a_file_cut_or_longer(self):
        plan = self.copyOfPlan()
        for file in self.planFiles():
            data = (plan / file).read_bytes()
            for changed in (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\0"):
                (plan / file).write_bytes(changed)
                with self.subTest(file=str(file), length=len(changed)):
                    self.ends(WRONG, [file.name], "shardrun", plan)
                    self.ends(WRONG, [file.name], "shardview", plan)
            (plan / file).write_bytes(data)

    def test_plan_with_a_file_missing(self):
        for file in self.planFiles():
            plan = self.copyOfPlan()
            (plan / file).unlink()
            with self.subTest(file=str(file)):
                self.ends(WRONG, [file.name, "No such file"], "shardrun", plan)
                self.ends(WRONG, [file.name, "No such file"], "shardview", plan, "--verify")

    def test_plan_with_two_ranks_files_exchanged(self):
        plan = self.copyOfPlan()
        ours, theirs = sorted((plan / "weights").glob("*-0.safetensors"))[0], sorted((plan / "weights").glob("*-1.safetensors"))[0]
        first, second = ours.read_bytes(), theirs.read_bytes()
        ours.write_bytes(second)
        theirs.write_bytes(first)
        self.ends(WRONG, ["weights"], "shardrun", plan)

    def test_plan_of_another_version(self):
        plan = self.copyOfPlan()
        data = (plan / "plan.pb").read_bytes()
        for version in (0, 2, 77):
            head = data[:8] + struct.pack("<I", version)
            (plan / "plan.pb").write_bytes(head + struct.pack("<I", crc32c(head + data[16:])) + data[16:])
            for tool in ("shardrun", "shardview"):
                self.ends(WRONG, [f"found plan version {version}", "reads version 1", "compile the model again"], tool, plan)

    def test_plan_for_another_cpu(self):
        """Bulldozer's instructions were dropped by all that came after it."""
        made = runTool("shardc", self.good / "model.onnx", "-o", self.at / "plan", "--target", "cpu:bdver4")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.ends(ENVIRONMENT, ["fma4", "--target cpu:x86-64-v3"], "shardrun", self.at / "plan")

    # --- where nothing can be written ----------------------------------------------------------------------------------------

    def test_disk_that_is_full(self):
        """As on a full disk, what exceeds 2000 bytes cannot be written; first where nothing was, then over an older plan."""

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

        self.ends(ENVIRONMENT, ["File too large"], "shardc", "MODEL", "-o", "PLAN", before=limit)
        plan = self.copyOfPlan()
        self.ends(ENVIRONMENT, ["File too large"], "shardc", "MODEL", "-o", plan, before=limit)
        self.assertEqual(runTool("shardview", plan, "--verify").returncode, 0)

    def test_standard_output_that_is_full(self):
        for tool, arguments in (("shardview", ["GOOD"]), ("shardrun", ["GOOD"]), ("shardc", ["MODEL", "--dry-run"])):
            with open("/dev/full", "w") as full:
                result = subprocess.run([BIN / tool, *map(self.place, arguments)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(result.returncode, ENVIRONMENT, result.stderr)
            self.assertIn("standard output", result.stderr)

    def test_names_that_the_file_system_refuses(self):
        """As from a read-only disk, whose refusals root would not see."""
        long, says = self.at / ("n" * 300), ["nnn", "File name too long"]
        self.ends(ENVIRONMENT, says, "shardc", "MODEL", "-o", long)
        self.ends(ENVIRONMENT, says, "shardc", "MODEL", "-o", "PLAN", "--dump-after-each", long)
        self.ends(ENVIRONMENT, says, "shardrun", "GOOD", "--outputs", long)
        self.ends(ENVIRONMENT, says, "shardrun", "GOOD", "--json", long)
        self.ends(ENVIRONMENT, says, "shardrun", "GOOD", "--trace", long)

    # --- help ----------------------------------------------------------------------------------------------------------------

    def test_help_has_examples_and_statuses(self):
        for tool in ("shardc", "shardrun", "shardview", "shard-opt"):
            result = runTool(tool, "--help")
            self.assertEqual(result.returncode, 0, result.stderr)
            for text in ("Examples:", f"\n  {tool} ", "Exit status:"):
                self.assertIn(text, result.stdout)


def addTests():
    def add(name, test):
        setattr(BadInputTest, "test_" + name, test)

    for name, (spoil, says) in MODELS.items():
        add("model_with_" + name, lambda self, spoil=spoil, says=says: self.spoiledModel(spoil, says))
    for name, (spoil, mesh, says) in ANNOTATED.items():
        add("annotated_with_" + name, lambda self, spoil=spoil, mesh=mesh, says=says: self.annotatedModel(spoil, mesh, says))
    for name, (arguments, says) in SHARDC.items():
        add("shardc_" + name, lambda self, arguments=arguments, says=says: self.ends(WRONG, says, "shardc", *arguments))
    for tool, table in (("shardrun", SHARDRUN), ("shardview", SHARDVIEW)):
        for name, (arguments, status, says) in table.items():
            add(f"{tool}_{name}", lambda self, tool=tool, arguments=arguments, status=status, says=says:
                self.ends(status, says, tool, *arguments))
    for name, (arguments, says) in SHARD_OPT.items():
        add("shard_opt_" + name, lambda self, arguments=arguments, says=says: self.shardOpt(arguments, says))
    for name, (files, status, says) in DATA.items():
        add("data_with_" + name, lambda self, files=files, status=status, says=says: self.spoiledData(files, status, says))


addTests()

if __name__ == "__main__":
    unittest.main()
