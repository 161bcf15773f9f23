"""--shard on the given models: what it fixes is in the plan, the rest follows, and the result equals the whole model; what is
wrong in a spec or a mesh is said."""

import json
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from asked_shardings import assertHeldAsAsked
from built_tools import runTool

MODELS = pathlib.Path(__file__).resolve().parents[1] / "models"
GPT2_STREAM = ["add_1", "layer_norm", "add_4", "layer_norm_1", "add_7", "layer_norm_2", "add_8", "layer_norm_3", "add_11", "layer_norm_4"]
VIT_STREAM = ["add", "layer_norm", "add_3", "layer_norm_1", "add_4", "layer_norm_2", "add_5", "layer_norm_3", "add_6"]


def all(names, dims):
    return {name: dims for name in names}


# name: model, mesh, tensors, collectives that the plan must have
EQUAL = {
    "batch_by_a_tensor_axis": ("gpt2", "tp=2", {"input_ids": [["tp"], []], "logits": [None, ["tp"], None]}, []),
    "sequence_of_the_logits_ragged": ("gpt2", "tp=3", {"logits": [[], ["tp"], []]}, []),
    "vocabulary_on_two_axes": ("gpt2", "x=2,y=2", {"logits": [[], [], ["x", "y"]]}, []),
    "two_dims_of_the_result": ("llama", "x=2,y=3", {"logits": [[], ["x"], ["y"]]}, []),
    "class_scores_of_a_convolution": ("resnet", "tp=3", {"logits": [[], ["tp"]]}, []),
    "sequence_between_the_blocks": ("gpt2", "tp=2", all(GPT2_STREAM, [[], ["tp"], []]), ["all-gather"]),
    "sequence_between_the_blocks_ragged": ("gpt2", "tp=3", all(GPT2_STREAM, [[], ["tp"], []]), ["all-gather"]),
    "65_positions_between_the_blocks": ("vit", "tp=2", all(VIT_STREAM, [[], ["tp"], []]), ["all-gather"]),
    "sequence_and_batch": ("gpt2", "dp=2,tp=2", all(GPT2_STREAM, [["dp"], ["tp"], []]), ["all-gather"]),
    "hidden_dim_between_the_blocks": ("vit", "tp=3", all(VIT_STREAM, [[], [], ["tp"]]), []),
    "heads_on_two_axes": ("gpt2", "x=2,y=2", {"transpose_2": [[], ["x", "y"], [], []], "view_2": [[], []]}, []),
    "weights_in_two_dims": ("gpt2", "x=2,y=2", {"m.transformer.h.0.mlp.c_fc.weight": [["x"], ["y"]], "m.transformer.h.0.mlp.c_proj.weight": [["y"], ["x"]],
                                                 "m.transformer.h.1.*.c_*.weight": [["x"], ["y"]]}, ["all-gather"]),
    "input_channels_of_a_convolution": ("resnet", "tp=3", {"m.layer2.0.conv1.weight": [[], ["tp"], [], []], "m.layer1.0.conv2.weight": [[], ["tp"], [], []]}, []),
    "cache_by_its_sequence": ("llama", "tp=2", {"past_key_values.0.key": [[], [], ["tp"], []]}, []),
    "cache_by_its_heads": ("llama", "tp=2", {"past_key_values.?.*": [[], ["tp"], [], []], "present.?.*": [[], ["tp"], [], []]}, []),
}
# name: mesh, spec, what the message says
REFUSED = {
    "unknown_tensor": ("tp=2", {"tensors": {"logit": [["tp"]]}}, ['spec.json: /tensors/logit: the model has no such tensor', 'the nearest name is "logits"']),
    "unknown_tensors_of_a_glob": ("tp=2", {"tensors": {"encoder.*": [["tp"]]}}, ["/tensors/encoder.*: the model has no such tensor"]),
    "unknown_axis": ("tp=2", {"tensors": {"logits": [["xx"], [], []]}}, ['no mesh axis "xx"', "the mesh is tp=2"]),
    "unknown_node": ("tp=2", {"nodes": {"node_lineal": {"strategy": {"tp": "0.2"}}}}, ["no such node", 'nearest name is "node_linear"']),
    "unknown_key": ("tp=2", {"tensor": {}}, ["/tensor: unknown key; allowed are mesh, tensors, nodes and state"]),
    "one_axis_twice": ("tp=2", {"tensors": {"logits": [["tp"], ["tp"], []]}}, ["/tensors/logits/1: axis tp is used twice"]),
    "parts_of_an_axis_that_overlap": ("tp=4", {"tensors": {"logits": [["tp:(1)2"], ["tp"], []]}}, ["/tensors/logits/1", "twice"]),
    "part_that_an_axis_does_not_have": ("tp=4", {"tensors": {"logits": [["tp:(1)3"]]}}, ["no part of axis tp of size 4"]),
    "more_dims_than_the_tensor": ("tp=2", {"tensors": {"logits": [[], [], [], ["tp"]]}}, ["gives 4 dims, and logits has 3"]),
    "two_patterns_that_disagree": ("tp=2", {"tensors": {"logits": [["tp"]], "log*": [[]]}}, ["says [] of dim 0 of logits", "says [tp]"]),
    "two_meshes": ("tp=2", {"mesh": {"tp": 4}}, ["says tp=4, and --mesh says tp=2"]),
    "more_parts_than_elements": ("tp=5", {"tensors": {"transpose_2": [[], ["tp"], [], []]}}, ["dim 1 has 4 elements", "cannot be split in 5 parts"]),
    "state_that_is_none": ("tp=2", {"state": {"input_ids": "logit"}}, ["the model has no output logit"]),
    "strategy_of_a_dim_that_is_none": ("tp=2", {"nodes": {"node_linear": {"strategy": {"tp": "0.3"}}}}, ["has no dim 3 of an operand 0"]),
    "strategy_of_a_dim_that_is_too_small": ("tp=5", {"nodes": {"node_transpose": {"strategy": {"tp": "0.2"}}}}, ["has 4 elements, which cannot be split in 5"]),
    "stages": ("tp=2", {"nodes": {"node_linear": {"stage": 1}}}, ["/nodes/node_linear/stage: there is no stage 1; the mesh has no axis pp"]),
}
MESHES = {
    "tp=0": "axis tp has the size",
    "tp=-2": "axis tp has the size",
    "tp=": "axis tp has the size",
    "tp=2,tp=2": "axis tp is named twice",
    "tp=99999999999999999999": "give an integer of at least 1",
    "tp=65537": "more than 65536 ranks",
    "x=70000,y=70000": "smaller",
    "tp=1001": "the longest dim of the model that tp splits has 1000 elements",
    "tp=2,": "is not NAME=SIZE",
    "2": "is not NAME=SIZE",
    "ep=2": "axis ep splits experts",
    "pp=200": "axis pp wants 200 stages",
}


class ShardTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardwright-shard-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def compile(self, model, mesh, spec):
        path = self.folder / "spec.json"
        path.write_text(json.dumps(spec))
        return runTool("shardc", MODELS / model / "model.onnx", "-o", self.folder / "plan", "--mesh", mesh, "--shard", path)

    def equal(self, model, mesh, tensors, collectives):
        compiled = self.compile(model, mesh, {"tensors": tensors})
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        for data in sorted((MODELS / model).glob("test_data_set_*")):
            run = runTool("shardrun", self.folder / "plan", "--data", data, "--check", "--rtol", "1e-3", "--atol", "1e-4")
            self.assertEqual(run.returncode, 0, f"{data.name}: {run.stdout}{run.stderr}")
        report = assertHeldAsAsked(self, MODELS / model / "model.onnx", mesh, self.folder / "spec.json", self.folder / "plan")
        for kind in collectives:
            self.assertIn(kind, report["collectives"][0])

    def refused(self, mesh, spec, says):
        compiled = self.compile("gpt2", mesh, spec)
        self.assertEqual(compiled.returncode, 2, compiled.stderr)
        for text in ["model.onnx", *says]:
            self.assertIn(text, compiled.stderr)
        self.assertEqual(list(self.folder.glob("plan*")), [])

    def test_refused_meshes(self):
        for mesh, says in MESHES.items():
            with self.subTest(mesh):
                self.refused(mesh, {}, [says])

    def test_every_error_of_a_spec_is_said(self):
        self.refused("tp=2", {"tensors": {"a": [["tp"]], "logits": [["q"]]}, "nodes": {"b": {}}}, ["/tensors/a", "/tensors/logits/0", "/nodes/b"])


for name, case in EQUAL.items():
    setattr(ShardTest, f"test_equal_{name}", lambda self, case=case: self.equal(*case))
for name, case in REFUSED.items():
    setattr(ShardTest, f"test_refused_{name}", lambda self, case=case: self.refused(*case))

if __name__ == "__main__":
    unittest.main()
