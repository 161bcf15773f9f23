// RUN: not shard-opt %s --split-input-file --choose-strategies 2>&1 | FileCheck %s

// CHECK: error: axis dp splits the batch, and no input has a symbolic first dim; say which symbol it is with --batch, export the model with a dynamic batch, or use tp
module attributes {dist.mesh = #dist.mesh<"dp=2">} {
  func.func @main(%x: tensor<7x12xf32>) -> tensor<7x12xf32> {
    %y = "onnx.Relu"(%x) : (tensor<7x12xf32>) -> tensor<7x12xf32>
    return %y : tensor<7x12xf32>
  }
}

// -----

// CHECK: error: axis sp splits the sequence, and no input has a symbolic second dim; export the model with a dynamic sequence, or use an axis of another name
module attributes {dist.mesh = #dist.mesh<"sp=2">} {
  func.func @main(%x: tensor<7x12xf32>) -> tensor<7x12xf32> {
    %y = "onnx.Relu"(%x) : (tensor<7x12xf32>) -> tensor<7x12xf32>
    return %y : tensor<7x12xf32>
  }
}

// -----

// CHECK: error: axis ep splits experts, and no weight of the model has three dims or more; use tp
module attributes {dist.mesh = #dist.mesh<"ep=2">} {
  func.func @main(%x: tensor<7x12xf32>) -> tensor<7x12xf32> {
    %y = "onnx.Relu"(%x) : (tensor<7x12xf32>) -> tensor<7x12xf32>
    return %y : tensor<7x12xf32>
  }
}

// -----

// An axis that is larger than every dim would leave all of the model on every rank.
// CHECK: error: axis tp has 13 ranks, and the longest dim of the model that tp splits has 12 elements; give it at most as many ranks
module attributes {dist.mesh = #dist.mesh<"tp=13">} {
  func.func @main(%x: tensor<7x12xf32>) -> tensor<7x12xf32> {
    %y = "onnx.Relu"(%x) : (tensor<7x12xf32>) -> tensor<7x12xf32>
    return %y : tensor<7x12xf32>
  }
}

// -----

// Strategies that the user fixed and that cannot be: of a dim that the op has whole, and of one that two axes cannot share.
module attributes {dist.mesh = #dist.mesh<"dp=2,tp=2">, dist.batch = "b",
                   dist.symbols = {b = {assumed = 1, divisor = 1, max = 64, min = 1}}} {
  func.func @main(%x: tensor<?x12xf32, #dist.exprs<["b", 12]>>) -> tensor<?x12xf32, #dist.exprs<["b", 12]>> {
    %axis = "onnx.None"() : () -> none
    // CHECK: error: the spec's strategy has axis tp split dim 1 of operand 0, and onnx.CumSum needs that dim whole; by itself it can be split at 0.0
    %y = "onnx.CumSum"(%x, %axis) {dist.pin_strategy = {tp = "0.1"}, static = [unit, #dist.exprs<[1]>]} : (tensor<?x12xf32, #dist.exprs<["b", 12]>>, none) -> tensor<?x12xf32, #dist.exprs<["b", 12]>>
    // CHECK: error: the spec's strategy has axis dp split dim 1 of operand 0, and what else the mesh's axes do here leaves no room for it; by itself it can be split at 0.0, 0.1
    %z = "onnx.Relu"(%y) {dist.pin_strategy = {dp = "0.1"}} : (tensor<?x12xf32, #dist.exprs<["b", 12]>>) -> tensor<?x12xf32, #dist.exprs<["b", 12]>>
    return %z : tensor<?x12xf32, #dist.exprs<["b", 12]>>
  }
}

// -----

// CHECK: error: internal error: the module has no function main
module attributes {dist.mesh = #dist.mesh<"tp=2">} {
}
