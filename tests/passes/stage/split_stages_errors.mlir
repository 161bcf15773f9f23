// RUN: not shard-opt %s --split-input-file --split-stages 2>&1 | FileCheck %s

// CHECK: error: internal error: reads a value of a later stage
module attributes {dist.pipeline = {mesh = #dist.mesh<"pp=2">}} {
  func.func @main(%x: tensor<5xf32>) -> tensor<5xf32> {
    %a = "onnx.Neg"(%x) {dist.stage = 1 : i64} : (tensor<5xf32>) -> tensor<5xf32>
    %b = "onnx.Relu"(%a) {dist.stage = 0 : i64} : (tensor<5xf32>) -> tensor<5xf32>
    return %b : tensor<5xf32>
  }
}

// -----

// CHECK: error: internal error: stage 2 of 2
module attributes {dist.pipeline = {mesh = #dist.mesh<"pp=2">}} {
  func.func @main(%x: tensor<5xf32>) -> tensor<5xf32> {
    %a = "onnx.Neg"(%x) {dist.stage = 2 : i64} : (tensor<5xf32>) -> tensor<5xf32>
    return %a : tensor<5xf32>
  }
}
