// RUN: shard-opt %s --choose-strategies --insert-reshards --verify-propagated | FileCheck %s

// A perceptron over dp=2 and tp=3: columns, then rows, of the weights (200 does not divide by 3); each rank writes its part
// of the output, so that one reduce-scatter is all there is. The bias is split as its reader wants it.
// CHECK-LABEL: func.func @main
// CHECK-SAME: dist.sharding = #dist.sharding<#mesh, "[batch{dp}/batch, _]">
// CHECK-SAME: dist.sharding = #dist.sharding<#mesh, "[batch{dp}/batch, 48{tp}]">
// CHECK: "onnx.Weight"() {{.*}}"[_, 200{tp}/200]">], {{.*}}name = "w1"
// CHECK: "onnx.Weight"() {{.*}}"[200{tp}/200, _]">], {{.*}}name = "w2"
// CHECK: "onnx.Weight"() {{.*}}"[48{tp}]">], {{.*}}name = "b"
// CHECK: "onnx.MatMul"{{.*}}dist.origin = "dp: batch symbol batch; tp: search"{{.*}}dist.strategy = "i:{dp}/batch j:{tp}/200"
// CHECK: "onnx.Relu"{{.*}}dist.strategy = "e1:{dp}/batch e0:{tp}/200"
// CHECK: "onnx.MatMul"{{.*}}dist.strategy = "i:{dp}/batch k:{tp}/200"
// CHECK-NEXT: dist.reshard {{.*}} from <#mesh, "[batch{dp}/batch, _] partial=sum{tp}"> to <#mesh, "[batch{dp}/batch, 48{tp}]">
// CHECK-NEXT: "onnx.Add"
// CHECK-NEXT: return
module attributes {dist.mesh = #dist.mesh<"dp=2,tp=3">, dist.batch = "batch",
                   dist.symbols = {batch = {assumed = 1, divisor = 1, max = 9223372036854775807, min = 0}}} {
  func.func @main(%x: tensor<?x48xf32, #dist.exprs<["batch", 48]>>) -> tensor<?x48xf32, #dist.exprs<["batch", 48]>> {
    %w1 = "onnx.Weight"() {name = "w1", location = "m.onnx", offset = 0 : i64, length = 38400 : i64}
        : () -> tensor<48x200xf32>
    %w2 = "onnx.Weight"() {name = "w2", location = "m.onnx", offset = 38400 : i64, length = 38400 : i64}
        : () -> tensor<200x48xf32>
    %b = "onnx.Weight"() {name = "b", location = "m.onnx", offset = 76800 : i64, length = 192 : i64} : () -> tensor<48xf32>
    %0 = "onnx.MatMul"(%x, %w1) : (tensor<?x48xf32, #dist.exprs<["batch", 48]>>, tensor<48x200xf32>)
        -> tensor<?x200xf32, #dist.exprs<["batch", 200]>>
    %1 = "onnx.Relu"(%0) : (tensor<?x200xf32, #dist.exprs<["batch", 200]>>)
        -> tensor<?x200xf32, #dist.exprs<["batch", 200]>>
    %2 = "onnx.MatMul"(%1, %w2) : (tensor<?x200xf32, #dist.exprs<["batch", 200]>>, tensor<200x48xf32>)
        -> tensor<?x48xf32, #dist.exprs<["batch", 48]>>
    %3 = "onnx.Add"(%2, %b) : (tensor<?x48xf32, #dist.exprs<["batch", 48]>>, tensor<48xf32>)
        -> tensor<?x48xf32, #dist.exprs<["batch", 48]>>
    return %3 : tensor<?x48xf32, #dist.exprs<["batch", 48]>>
  }
}
