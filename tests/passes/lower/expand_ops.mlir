// RUN: shard-opt %s --split-input-file --expand-ops | FileCheck %s

// Composite ops become simple ones, in place.
// CHECK-LABEL: @softmax
func.func @softmax(%x: tensor<?x7xf32, #dist.exprs<["b", 7]>>) -> tensor<?x7xf32, #dist.exprs<["b", 7]>> {
  // CHECK: onnx.ReduceMax
  // CHECK: onnx.Sub
  // CHECK: onnx.Exp
  // CHECK: onnx.ReduceSum
  // CHECK: onnx.Div
  // CHECK-NOT: onnx.Softmax
  %0 = "onnx.Softmax"(%x) {axis = 1 : i64} : (tensor<?x7xf32, #dist.exprs<["b", 7]>>) -> tensor<?x7xf32, #dist.exprs<["b", 7]>>
  return %0 : tensor<?x7xf32, #dist.exprs<["b", 7]>>
}

// -----

// A whole value made partial is kept where the coordinate is 0 and is the neutral element elsewhere.
// CHECK: dist.mesh
module attributes {dist.mesh = #dist.mesh<"tp=2">} {
  func.func @mask(%x: tensor<5xf32>) -> tensor<5xf32> {
    // CHECK: "onnx.ShapeValue"() {exprs = #dist.exprs<["-min(@tp, 1) + 1"]>}
    // CHECK: onnx.Where
    %0 = dist.mask sum %x over <#dist.mesh<"tp=2">, "tp"> : tensor<5xf32>
    return %0 : tensor<5xf32>
  }
}
