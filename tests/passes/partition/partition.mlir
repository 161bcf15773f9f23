// RUN: shard-opt %s --split-input-file --partition | FileCheck %s

// Column parallel, then row parallel: the weights are halves, and the partial result is combined once.
// CHECK-LABEL: module
#mesh = #dist.mesh<"tp=2">
module attributes {dist.mesh = #mesh, dist.symbols = {b = {assumed = 3 : i64}}} {
  // CHECK: func.func @main(%[[X:.*]]: tensor<?x8xf32, {{.*}}>, %[[OUT:.*]]: tensor<?x4xf32, {{.*}}> {dist.output})
  func.func @main(%x: tensor<?x8xf32, #dist.exprs<["b", 8]>>) -> tensor<?x4xf32, #dist.exprs<["b", 4]>> {
    // CHECK: dist.read %[[X]]
    // CHECK: "onnx.Weight"{{.*}}dist.global = #dist.exprs<[8, 6]>{{.*}} -> tensor<8x3xf32>
    %w = "onnx.Weight"() {name = "w", location = "f", offset = 0 : i64, length = 192 : i64, dist.out = [#dist.sharding<#mesh, "[_, 6{tp}]">]} : () -> tensor<8x6xf32>
    // CHECK: onnx.MatMul{{.*}} -> tensor<?x3xf32, #dist.exprs<["b", 3]>>
    %0 = "onnx.MatMul"(%x, %w) {dist.in = [#dist.sharding<#mesh, "[_, _]">, #dist.sharding<#mesh, "[_, 6{tp}]">], dist.out = [#dist.sharding<#mesh, "[_, 6{tp}]">]} : (tensor<?x8xf32, #dist.exprs<["b", 8]>>, tensor<8x6xf32>) -> tensor<?x6xf32, #dist.exprs<["b", 6]>>
    // CHECK: "onnx.Weight"{{.*}} -> tensor<3x4xf32>
    %v = "onnx.Weight"() {name = "v", location = "f", offset = 192 : i64, length = 96 : i64, dist.out = [#dist.sharding<#mesh, "[6{tp}, _]">]} : () -> tensor<6x4xf32>
    // CHECK: %[[PART:.*]] = "onnx.MatMul"
    %1 = "onnx.MatMul"(%0, %v) {dist.in = [#dist.sharding<#mesh, "[_, 6{tp}]">, #dist.sharding<#mesh, "[6{tp}, _]">], dist.out = [#dist.sharding<#mesh, "[_, _] partial=sum{tp}">]} : (tensor<?x6xf32, #dist.exprs<["b", 6]>>, tensor<6x4xf32>) -> tensor<?x4xf32, #dist.exprs<["b", 4]>>
    // CHECK: %[[SUM:.*]] = dist.all_reduce sum %[[PART]]
    %2 = dist.reshard %1 from <#mesh, "[_, _] partial=sum{tp}"> to <#mesh, "[_, _]"> : tensor<?x4xf32, #dist.exprs<["b", 4]>>
    // CHECK: dist.write %[[SUM]], %[[OUT]] {{.*}} if
    return %2 : tensor<?x4xf32, #dist.exprs<["b", 4]>>
  }
}
