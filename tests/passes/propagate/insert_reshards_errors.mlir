// RUN: not shard-opt %s --insert-reshards 2>&1 | FileCheck %s

// CHECK: error: internal error: an edge without shardings; run --choose-strategies first
module {
  func.func @main(%x: tensor<7x12xf32>) -> tensor<7x12xf32> {
    %y = "onnx.Relu"(%x) : (tensor<7x12xf32>) -> tensor<7x12xf32>
    return %y : tensor<7x12xf32>
  }
}
