// RUN: not shard-opt %s --explain="tensor=z" 2>&1 | FileCheck %s

// CHECK: error: --explain: the model has no tensor "z" after import; tensors that are folded or merged with equal ones are gone
module attributes {dist.mesh = #dist.mesh<"tp=2">} {
  func.func @main(%x: tensor<5x48xf32>) -> tensor<5x48xf32> {
    %y = "onnx.Exp"(%x) : (tensor<5x48xf32>) -> tensor<5x48xf32> loc("exp"("y"))
    return %y : tensor<5x48xf32>
  }
}
