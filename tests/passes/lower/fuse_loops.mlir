// RUN: shard-opt %s --split-input-file --fuse-loops | FileCheck %s

// A normalisation is one nest: its space is the rows, its inner dim the one that is reduced.
// CHECK-LABEL: @row_pattern
func.func @row_pattern(%x: tensor<?x12xf32, #dist.exprs<["b", 12]>>, %gain: tensor<12xf32>) -> tensor<?x12xf32, #dist.exprs<["b", 12]>> {
  %axes = "onnx.None"() : () -> none
  // CHECK: "step.fused"(%arg0, %arg1)
  // CHECK: onnx.Mul
  // CHECK: onnx.ReduceMean
  // CHECK: onnx.Sqrt
  // CHECK: onnx.Div
  // CHECK: onnx.Mul
  // CHECK: step.yield
  // CHECK: inner = array<i64: 1>
  // CHECK-SAME: space = #dist.exprs<["b", 12]>
  // CHECK-NOT: step.fused
  %0 = "onnx.Mul"(%x, %x) : (tensor<?x12xf32, #dist.exprs<["b", 12]>>, tensor<?x12xf32, #dist.exprs<["b", 12]>>) -> tensor<?x12xf32, #dist.exprs<["b", 12]>>
  %1 = "onnx.ReduceMean"(%0, %axes) {static = [unit, #dist.exprs<[1]>], keepdims = 1 : i64} : (tensor<?x12xf32, #dist.exprs<["b", 12]>>, none) -> tensor<?x1xf32, #dist.exprs<["b", 1]>>
  %2 = "onnx.Sqrt"(%1) : (tensor<?x1xf32, #dist.exprs<["b", 1]>>) -> tensor<?x1xf32, #dist.exprs<["b", 1]>>
  %3 = "onnx.Div"(%x, %2) : (tensor<?x12xf32, #dist.exprs<["b", 12]>>, tensor<?x1xf32, #dist.exprs<["b", 1]>>) -> tensor<?x12xf32, #dist.exprs<["b", 12]>>
  %4 = "onnx.Mul"(%3, %gain) : (tensor<?x12xf32, #dist.exprs<["b", 12]>>, tensor<12xf32>) -> tensor<?x12xf32, #dist.exprs<["b", 12]>>
  return %4 : tensor<?x12xf32, #dist.exprs<["b", 12]>>
}

// -----

// Joining Exp and Add would close a cycle through the MatMul: they stay two nests.
// CHECK-LABEL: @cycle_through_another_op
func.func @cycle_through_another_op(%x: tensor<6x6xf32>) -> tensor<6x6xf32> {
  // CHECK: step.fused
  // CHECK: onnx.Exp
  // CHECK: onnx.MatMul
  // CHECK: step.fused
  // CHECK: onnx.Add
  %0 = "onnx.Exp"(%x) : (tensor<6x6xf32>) -> tensor<6x6xf32>
  %1 = "onnx.MatMul"(%0, %0) : (tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>
  %2 = "onnx.Add"(%0, %1) : (tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>
  return %2 : tensor<6x6xf32>
}

// -----

// What follows from constants runs once at load, and so is not fused with what runs every time; one number becomes an immediate.
// CHECK-LABEL: @constants_apart
func.func @constants_apart(%x: tensor<5xf32>) -> tensor<5xf32> {
  %w = "onnx.Constant"() {value = dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>} : () -> tensor<5xf32>
  %two = "onnx.Constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  // CHECK: step.fused
  // CHECK: onnx.Constant{{.*}}dense<2.0
  // CHECK: onnx.Mul
  // CHECK: step.yield
  // CHECK: step.fused
  // CHECK: onnx.Add
  %0 = "onnx.Mul"(%w, %two) : (tensor<5xf32>, tensor<f32>) -> tensor<5xf32>
  %1 = "onnx.Add"(%x, %0) : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
  return %1 : tensor<5xf32>
}
