// RUN: shard-opt %s --verify-propagated | FileCheck %s

// The propagated form passes as it is: every edge agrees, reshards stand where its ends differ, a sum that is not combined
// yet is read by what turns it into a whole one.
// CHECK-LABEL: func.func @main
// CHECK: "onnx.MatMul"{{.*}}partial=sum{tp}
// CHECK-NEXT: dist.reshard
// CHECK-NEXT: "onnx.Exp"
// CHECK-NEXT: return
#mesh = #dist.mesh<"tp=2">
#whole = #dist.sharding<#mesh, "[_, _]">
#rows = #dist.sharding<#mesh, "[12{tp}, _]">
#columns = #dist.sharding<#mesh, "[_, 12{tp}]">
#partial = #dist.sharding<#mesh, "[_, _] partial=sum{tp}">
module attributes {dist.mesh = #mesh} {
  func.func @main(%x: tensor<7x12xf32> {dist.sharding = #columns}, %w: tensor<12x5xf32> {dist.sharding = #rows}) ->
      (tensor<7x5xf32> {dist.sharding = #whole}) {
    %a = "onnx.MatMul"(%x, %w) {dist.in = [#columns, #rows], dist.out = [#partial]} : (tensor<7x12xf32>, tensor<12x5xf32>) -> tensor<7x5xf32>
    %b = dist.reshard %a from <#mesh, "[_, _] partial=sum{tp}"> to <#mesh, "[_, _]"> : tensor<7x5xf32>
    %c = "onnx.Exp"(%b) {dist.in = [#whole], dist.out = [#whole]} : (tensor<7x5xf32>) -> tensor<7x5xf32>
    return %c : tensor<7x5xf32>
  }
}
