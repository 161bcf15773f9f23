// RUN: not shard-opt %s --choose-strategies 2>&1 | FileCheck %s

// CHECK: error: axis dp splits the batch, and no input has a symbolic first dim; say which symbol it is with --batch, export the model with a dynamic batch, or use tp
module attributes {dist.mesh = #dist.mesh<"dp=2">} {
  func.func @main(%x: tensor<7x12xf32>) -> tensor<7x12xf32> {
    %y = "onnx.Relu"(%x) : (tensor<7x12xf32>) -> tensor<7x12xf32>
    return %y : tensor<7x12xf32>
  }
}
