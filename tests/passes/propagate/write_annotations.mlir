// RUN: shard-opt --import %S/../../models/falcon/model.onnx --infer-shapes --expand-on-import --apply-patterns --annotate="mesh=pp=2,tp=2" --assign-stages --split-stages --choose-strategies >%t.chosen.mlir
// RUN: shard-opt %t.chosen.mlir --insert-reshards --write-annotations="model=%S/../../models/falcon/model.onnx output=%t.onnx" >%t.mlir 2>%t.warnings
// RUN: FileCheck --check-prefix=WARN %s <%t.warnings
// RUN: shard-opt --import %t.onnx | FileCheck %s

// What is written is read again: the mesh, stages by chunk, shards on the ranks of the node's stage.
// CHECK: onnx.configurations = [{devices = 4 : i64, name = "pp=2,tp=2", nodes = [
// CHECK-SAME: {node = "node_embedding", stage = 0 : i64, tensors = [{devices = [array<i64: 0>, array<i64: 1>], dims = [{axis = 1 : i64, shards = array<i64: 2>, sizes = ["32"]}]
// CHECK-SAME: devices = [array<i64: 2>, array<i64: 3>], dims = [{axis = {{[01]}} : i64, shards = array<i64: 2>
// CHECK-SAME: stage = 1 : i64
// WARN: warning: {{.*}}--annotated: ONNX cannot say all of what was decided, and the compiler decides it anew: {{[0-9]+}} of
