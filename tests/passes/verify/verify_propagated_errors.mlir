// RUN: not shard-opt %s --verify-propagated 2>&1 | FileCheck %s

// CHECK-DAG: error: internal error: V3: operand 0 is held as [_, 12{tp}] and wanted as [_, _]
// CHECK-DAG: error: internal error: V1: result 0 has no sharding
// CHECK-DAG: error: internal error: V2: result 0: the sharding has 1 dims, and the tensor 2
// CHECK-DAG: error: internal error: V4: operand 2 is partial
#mesh = #dist.mesh<"tp=2">
#whole = #dist.sharding<#mesh, "[_, _]">
#vector = #dist.sharding<#mesh, "[_]">
#columns = #dist.sharding<#mesh, "[_, 12{tp}]">
#partial = #dist.sharding<#mesh, "[_, _] partial=sum{tp}">
module attributes {dist.mesh = #mesh} {
  func.func @main(%x: tensor<7x12xf32> {dist.sharding = #columns}) ->
      (tensor<7x12xf32> {dist.sharding = #whole}, tensor<7x12xf32> {dist.sharding = #vector},
       tensor<7x12xf32> {dist.sharding = #partial}) {
    %a = "onnx.Exp"(%x) {dist.in = [#whole], dist.out = [#whole]} : (tensor<7x12xf32>) -> tensor<7x12xf32>
    %b = "onnx.Exp"(%x) {dist.in = [#columns], dist.out = [#vector]} : (tensor<7x12xf32>) -> tensor<7x12xf32>
    %c = "onnx.Exp"(%x) {dist.in = [#columns]} : (tensor<7x12xf32>) -> tensor<7x12xf32>
    return %a, %b, %c : tensor<7x12xf32>, tensor<7x12xf32>, tensor<7x12xf32>
  }
}
