// RUN: shard-opt %s --insert-reshards --verify-propagated | FileCheck %s

// One reshard for both readers that want it whole, and the third reader's part is cut out of that.
// CHECK-LABEL: func.func @main
// CHECK: %[[Y:.*]] = "onnx.Relu"
// CHECK-NEXT: %[[WHOLE:.*]] = dist.reshard %[[Y]] from <#mesh, "[_, 12{tp}]"> to <#mesh, "[_, _]">
// CHECK-NEXT: %[[A:.*]] = "onnx.Exp"(%[[WHOLE]])
// CHECK-NEXT: %[[PART:.*]] = dist.reshard %[[WHOLE]] from <#mesh, "[_, _]"> to <#mesh, "[7{tp}/7, _]">
// CHECK-NEXT: %[[B:.*]] = "onnx.Exp"(%[[PART]])
// CHECK-NEXT: %[[C:.*]] = "onnx.Abs"(%[[WHOLE]])
// CHECK-NEXT: "onnx.Neg"(%[[Y]])
// CHECK-NEXT: %[[RESULT:.*]] = dist.reshard %[[B]] from <#mesh, "[7{tp}/7, _]"> to <#mesh, "[_, _]">
// CHECK-NEXT: return %[[A]], %[[RESULT]], %[[C]]
#mesh = #dist.mesh<"tp=2">
#whole = #dist.sharding<#mesh, "[_, _]">
#columns = #dist.sharding<#mesh, "[_, 12{tp}]">
#rows = #dist.sharding<#mesh, "[7{tp}/7, _]">
module attributes {dist.mesh = #mesh} {
  func.func @main(%x: tensor<7x12xf32> {dist.sharding = #columns}) ->
      (tensor<7x12xf32> {dist.sharding = #whole}, tensor<7x12xf32> {dist.sharding = #whole},
       tensor<7x12xf32> {dist.sharding = #whole}, tensor<7x12xf32> {dist.sharding = #columns}) {
    %y = "onnx.Relu"(%x) {dist.in = [#columns], dist.out = [#columns]} : (tensor<7x12xf32>) -> tensor<7x12xf32>
    %a = "onnx.Exp"(%y) {dist.in = [#whole], dist.out = [#whole]} : (tensor<7x12xf32>) -> tensor<7x12xf32>
    %b = "onnx.Exp"(%y) {dist.in = [#rows], dist.out = [#rows]} : (tensor<7x12xf32>) -> tensor<7x12xf32>
    %c = "onnx.Abs"(%y) {dist.in = [#whole], dist.out = [#whole]} : (tensor<7x12xf32>) -> tensor<7x12xf32>
    %d = "onnx.Neg"(%y) {dist.in = [#columns], dist.out = [#columns]} : (tensor<7x12xf32>) -> tensor<7x12xf32>
    return %a, %b, %c, %d : tensor<7x12xf32>, tensor<7x12xf32>, tensor<7x12xf32>, tensor<7x12xf32>
  }
}
