// RUN: not shard-opt %s --select-steps 2>&1 | FileCheck %s

// What --expand-ops and --fuse-loops should have taken; each op is reported.
func.func @left_over(%x: tensor<3x5xf32>) -> (tensor<3x5xf32>, tensor<3x5xf32>) {
  // CHECK: error: internal error: onnx.Softmax has no view and no kernel
  %0 = "onnx.Softmax"(%x) {axis = 1 : i64} : (tensor<3x5xf32>) -> tensor<3x5xf32>
  // CHECK: error: internal error: onnx.Exp has no view and no kernel
  %1 = "onnx.Exp"(%x) : (tensor<3x5xf32>) -> tensor<3x5xf32>
  return %0, %1 : tensor<3x5xf32>, tensor<3x5xf32>
}
