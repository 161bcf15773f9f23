// RUN: shard-opt %s --split-input-file --expand-on-import --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// The parts have the node's name, and only the last the result's; operands that say sizes are folded.
// CHECK-LABEL: @gemm(
func.func @gemm(%x: tensor<3x4xf32>, %w: tensor<5x4xf32>, %b: tensor<5xf32>) -> tensor<3x5xf32> {
  // CHECK: %[[T:.*]] = "onnx.Transpose"(%arg1){{.*}} loc("fc"(""))
  // CHECK: %[[P:.*]] = "onnx.MatMul"(%arg0, %[[T]]){{.*}} loc("fc"(""))
  // CHECK: %[[Y:.*]] = "onnx.Add"(%[[P]], %arg2){{.*}} loc("fc"("y"))
  // CHECK: return %[[Y]]
  %0 = "onnx.Gemm"(%x, %w, %b) {transB = 1 : i64} : (tensor<3x4xf32>, tensor<5x4xf32>, tensor<5xf32>) -> tensor<3x5xf32> loc("fc"("y"))
  return %0 : tensor<3x5xf32>
}

// -----

// An expansion that does not apply leaves the op: the indices are no constant.
// CHECK-LABEL: @stays(
func.func @stays(%x: tensor<3x4xf32>, %i: tensor<i64>) -> tensor<4xf32> {
  // CHECK: "onnx.Gather"
  %0 = "onnx.Gather"(%x, %i) {axis = 0 : i64} : (tensor<3x4xf32>, tensor<i64>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
