// RUN: shard-opt %s --choose-strategies --insert-reshards --verify-propagated | FileCheck %s

// To gather w once, at load, costs less than to gather the product of 4096 rows in each run; but then all of w would be held.
// CHECK-LABEL: func.func @main
// CHECK: %[[W:.*]] = "onnx.Weight"() {{.*}}"[_, 200{tp}]">], {{.*}}name = "w"
// CHECK: %[[P:.*]] = "onnx.MatMul"(%arg0, %[[W]]){{.*}}dist.strategy = "j:{tp}"
// CHECK: dist.reshard %[[P]] from
module attributes {dist.mesh = #dist.mesh<"tp=2">, dist.batch = "batch",
                   dist.symbols = {batch = {assumed = 4096, divisor = 1, max = 9223372036854775807, min = 0}}} {
  func.func @main(%x: tensor<?x48xf32, #dist.exprs<["batch", 48]>>) -> tensor<?x200xf32, #dist.exprs<["batch", 200]>> {
    %w = "onnx.Weight"() {name = "w", location = "m.onnx", offset = 0 : i64, length = 38400 : i64} : () -> tensor<48x200xf32>
    %axis = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %0 = "onnx.MatMul"(%x, %w) : (tensor<?x48xf32, #dist.exprs<["batch", 48]>>, tensor<48x200xf32>)
        -> tensor<?x200xf32, #dist.exprs<["batch", 200]>>
    %1 = "onnx.CumSum"(%0, %axis) : (tensor<?x200xf32, #dist.exprs<["batch", 200]>>, tensor<i64>)
        -> tensor<?x200xf32, #dist.exprs<["batch", 200]>>
    return %1 : tensor<?x200xf32, #dist.exprs<["batch", 200]>>
  }
}
