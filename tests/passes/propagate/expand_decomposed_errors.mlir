// RUN: not shard-opt %s --expand-decomposed 2>&1 | FileCheck %s

// Shardings of an op that its rule does not describe.
#mesh = #dist.mesh<"tp=2">
#whole = #dist.sharding<#mesh, "[_, _]">
module attributes {dist.mesh = #mesh} {
  func.func @main(%x: tensor<7x12xf32> {dist.sharding = #whole}, %w: tensor<10x4xf32> {dist.sharding = #whole}) -> (tensor<7x4xf32> {dist.sharding = #whole}) {
    // CHECK: error: {{.*}}12 and 10
    %y = "onnx.MatMul"(%x, %w) {dist.in = [#whole, #whole], dist.out = [#whole]} : (tensor<7x12xf32>, tensor<10x4xf32>) -> tensor<7x4xf32>
    return %y : tensor<7x4xf32>
  }
}
