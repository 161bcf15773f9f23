// RUN: not shard-opt %s --write-annotations="model=%t.none.onnx output=%t.onnx" 2>&1 | FileCheck %s
// RUN: not shard-opt %s --write-annotations="model=%S/../../models/falcon/model.onnx output=%S/../../models/falcon/model.onnx" 2>&1 | FileCheck --check-prefix=SAME %s
// RUN: not shard-opt %s --write-annotations="model=%S/../../models/falcon/model.onnx output=%t.none/model.onnx" 2>&1 | FileCheck --check-prefix=FOLDER %s

// CHECK: error: {{.*}}.none.onnx: there is no such file
// SAME: error: --annotated {{.*}}/model.onnx: is the model itself; give another name
// FOLDER: error: {{.*}}.none/model.onnx
module attributes {dist.mesh = #dist.mesh<"tp=2">} {
  func.func @main(%x: tensor<5x48xf32>) -> tensor<5x48xf32> {
    return %x : tensor<5x48xf32>
  }
}
