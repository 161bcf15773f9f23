// RUN: split-file %s %t
// RUN: not shard-opt %t/model.mlir --annotate="mesh=dp=2,tp=4 spec=%t/names.json" 2>&1 | FileCheck --check-prefix=NAMES %s
// RUN: not shard-opt %t/model.mlir --annotate="mesh=dp=2,tp=4 spec=%t/dims.json" 2>&1 | FileCheck --check-prefix=DIMS %s
// RUN: not shard-opt %t/model.mlir --annotate="mesh=dp=2,tp=4 spec=%t/form.json" 2>&1 | FileCheck --check-prefix=FORM %s
// RUN: not shard-opt %t/model.mlir --annotate="mesh=tp=8 spec=%t/mesh.json" 2>&1 | FileCheck --check-prefix=MESH %s
// RUN: not shard-opt %t/model.mlir --annotate="spec=%t/text.json" 2>&1 | FileCheck --check-prefix=TEXT %s
// RUN: not shard-opt %t/model.mlir --annotate="spec=%t/absent.json" 2>&1 | FileCheck --check-prefix=ABSENT %s
// RUN: not shard-opt %t/model.mlir --annotate="mesh=tp=2,tp=3" 2>&1 | FileCheck --check-prefix=TWICE %s
// RUN: not shard-opt %t/model.mlir --annotate="mesh=tp=1000000" 2>&1 | FileCheck --check-prefix=LARGE %s

// Every error of a spec is reported, with its place.
// NAMES: names.json: /tensors/dense.wieght: the model has no such tensor after import; the nearest name is "dense.weight"
// NAMES: names.json: /tensors/encoder.*: the model has no such tensor after import{{$}}
// NAMES: names.json: /nodes/MatMul_2: the model has no such node after import; the nearest name is "MatMul_1"
// NAMES: names.json: /nodes/MatMul_1/stage: there is no stage 1; the mesh has no axis pp
// NAMES: names.json: /nodes/MatMul_1/strategy/ep: there is no axis ep; the mesh has dp, tp
// NAMES: names.json: /nodes/MatMul_1/strategy/tp: MatMul_1 (onnx.MatMul) has no dim 0 of an operand 2; it has [batch, 6], [6, 8]
// NAMES: names.json: /nodes/MatMul_1/strategy/dp: MatMul_1 (onnx.MatMul) has no dim 2 of an operand 0; it has [batch, 6], [6, 8]
// NAMES: names.json: /state/hiden: the model has no input hiden; the nearest name is "hidden"
// NAMES: names.json: /state/hidden: the model has no output logit; the nearest name is "logits"

// DIMS: dims.json: /tensors/dense.*/0: says [dp] of dim 0 of dense.weight, and /tensors/dense.weight/0 says [tp]; leave one of them out
// DIMS: dims.json: /tensors/hidden: gives 3 dims, and hidden has 2: [batch, 6]
// DIMS: dims.json: /tensors/dense.weight/1: there is no mesh axis "tpp"; the mesh is dp=2,tp=4
// DIMS: dims.json: /tensors/logits/1: axis dp is used twice; an axis splits one dim of a tensor
// DIMS: dims.json: /tensors/h*/1: "dp:(2)2" is no part of axis dp of size 2; write dp:(PRE)SIZE where PRE*SIZE divides the size

// FORM: form.json: /tensors/b: is there twice; leave one of them out
// FORM: form.json: /nodes/d/strategy/tp: is there twice; leave one of them out
// FORM: form.json: /meshes: unknown key; allowed are mesh, tensors, nodes and state
// FORM: form.json: /mesh/tp: is 0; give a size of 1 or more
// FORM: form.json: /mesh/2x: is no name of an axis; use letters, digits and "_", a digit not first
// FORM: form.json: /tensors/a: is a string; give a list with, per dim, a list of axes, [] for whole, or null
// FORM: form.json: /tensors/b/0: is "tp"; give a list of axes such as ["tp"], [] for whole, or null
// FORM: form.json: /tensors/b/1: holds 3; give names of axes, such as "tp" or "tp:(2)4"
// FORM: form.json: /nodes/c: is a number; give an object with "stage" or "strategy"
// FORM: form.json: /nodes/d/stage: is -1; give a stage's number, 0 or more
// FORM: form.json: /nodes/d/strategy/tp: is "0.x"; give "operand.dim", such as "0.1" for dim 1 of operand 0
// FORM: form.json: /nodes/d/device: unknown key; allowed are stage and strategy
// FORM: form.json: /state: is an array; give an object

// MESH: mesh.json: /mesh: says tp=4, and --mesh says tp=8; leave one of them out
// MESH: mesh.json: /tensors/dense.weight/0: dim 0 has 6 elements, which cannot be split in 8 parts; use a smaller axis or another dim

// TEXT: text.json: not JSON: {{.*}}line 2, column 20
// ABSENT: absent.json: open for reading: No such file or directory
// TWICE: error: --mesh: mesh "tp=2,tp=3": axis tp is named twice; give each axis a name of its own
// LARGE: error: the mesh tp=1000000 has more than 65536 ranks; make its axes smaller

//--- model.mlir
module attributes {dist.symbols = {batch = {assumed = 1, divisor = 1, max = 64, min = 1}}} {
  func.func @main(%x: tensor<?x6xf32, #dist.exprs<["batch", 6]>> {onnx.name = "hidden"})
      -> (tensor<?x8xf32, #dist.exprs<["batch", 8]>> {onnx.name = "logits"}) {
    %w = "onnx.Weight"() {name = "dense.weight", location = "m", offset = 0 : i64, length = 192 : i64} : () -> tensor<6x8xf32>
    %y = "onnx.MatMul"(%x, %w) : (tensor<?x6xf32, #dist.exprs<["batch", 6]>>, tensor<6x8xf32>)
        -> tensor<?x8xf32, #dist.exprs<["batch", 8]>> loc("MatMul_1"("logits"))
    return %y : tensor<?x8xf32, #dist.exprs<["batch", 8]>>
  }
}
//--- names.json
{"tensors": {"dense.wieght": [["tp"]], "encoder.*": [[]]},
 "nodes": {"MatMul_2": {"strategy": {"tp": "0.1"}}, "MatMul_1": {"strategy": {"ep": "0.1", "tp": "2.0", "dp": "0.2"}, "stage": 1}},
 "state": {"hiden": "logits", "hidden": "logit"}}
//--- dims.json
{"tensors": {"dense.weight": [["tp"], ["tpp"]], "dense.*": [["dp"], null], "hidden": [["dp"], [], ["tp"]],
             "logits": [["dp"], ["dp"]], "h*": [["dp"], ["dp:(2)2"]]}}
//--- form.json
{"meshes": {}, "mesh": {"dp": 2, "tp": 0, "2x": 2}, "tensors": {"a": "tp", "b": [[]], "b": ["tp", [3], []]},
 "nodes": {"c": 3, "d": {"stage": -1, "strategy": {"tp": "0.1", "tp": "0.x"}, "device": 1}}, "state": []}
//--- mesh.json
{"mesh": {"tp": 4}, "tensors": {"dense.weight": [["tp"]], "logits": [null, ["tp:(3)2"]]}}
//--- text.json
{"mesh": {"tp": 4},
 "tensors": {"a": [}}
