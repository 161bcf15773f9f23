// RUN: shard-opt %s --expand-decomposed --insert-reshards --verify-propagated | FileCheck %s

// A softmax over a split dim: two statistics are combined, and nothing larger.
// CHECK-LABEL: func.func @main
// CHECK: %[[LARGEST:.*]] = "onnx.ReduceMax"{{.*}}"[_, _] partial=max{tp}"
// CHECK: %[[A:.*]] = dist.reshard %[[LARGEST]] from <#mesh, "[_, _] partial=max{tp}"> to <#mesh, "[_, _]">
// CHECK: "onnx.Sub"(%arg0, %[[A]])
// CHECK: %[[SUM:.*]] = "onnx.ReduceSum"{{.*}}"[_, _] partial=sum{tp}"
// CHECK: %[[B:.*]] = dist.reshard %[[SUM]] from <#mesh, "[_, _] partial=sum{tp}"> to <#mesh, "[_, _]">
// CHECK: "onnx.Div"({{.*}}, %[[B]]){{.*}}"[_, 35{tp}/35]"
// CHECK-NOT: dist.reshard
#mesh = #dist.mesh<"tp=3">
#columns = #dist.sharding<#mesh, "[_, 35{tp}/35]">
module attributes {dist.mesh = #mesh} {
  func.func @main(%x: tensor<7x35xf32> {dist.sharding = #columns}) -> (tensor<7x35xf32> {dist.sharding = #columns}) {
    %y = "onnx.Softmax"(%x) {axis = 1 : i64, dist.in = [#columns], dist.out = [#columns]}
        : (tensor<7x35xf32>) -> tensor<7x35xf32>
    return %y : tensor<7x35xf32>
  }
}
