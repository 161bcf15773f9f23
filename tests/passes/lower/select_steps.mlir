// RUN: shard-opt %s --split-input-file --allow-unregistered-dialect --select-steps | FileCheck %s

// A permutation of dims moves nothing; a reshape of the permuted value needs it dense first.
// CHECK-LABEL: @views_and_copies
func.func @views_and_copies(%x: tensor<3x5x2xf32>) -> tensor<10x3xf32> {
  // CHECK: %[[T:.*]] = step.view %arg0 {offset = #dist.exprs<[0]>, strides = #dist.exprs<[2, 1, 10]>} : tensor<3x5x2xf32> -> tensor<5x2x3xf32>
  %0 = "onnx.Transpose"(%x) {perm = array<i64: 1, 2, 0>} : (tensor<3x5x2xf32>) -> tensor<5x2x3xf32>
  // CHECK: step.view {{.*}}strides = #dist.exprs<[1, 10]>
  %none = "onnx.None"() : () -> none
  %1 = "onnx.Reshape"(%0, %none) {static = [unit, #dist.exprs<[10, 3]>]} : (tensor<5x2x3xf32>, none) -> tensor<10x3xf32>
  return %1 : tensor<10x3xf32>
}

// -----

// CHECK-LABEL: @reshape_of_a_transposed_value
func.func @reshape_of_a_transposed_value(%x: tensor<3x5xf32>) -> tensor<15xf32> {
  %0 = "onnx.Transpose"(%x) {perm = array<i64: 1, 0>} : (tensor<3x5xf32>) -> tensor<5x3xf32>
  // CHECK: %[[DENSE:.*]] = step.copy
  // CHECK: step.view %[[DENSE]]{{.*}} -> tensor<15xf32>
  %none = "onnx.None"() : () -> none
  %1 = "onnx.Reshape"(%0, %none) {static = [unit, #dist.exprs<[15]>]} : (tensor<5x3xf32>, none) -> tensor<15xf32>
  return %1 : tensor<15xf32>
}

// -----

// CHECK-LABEL: @kernels
func.func @kernels(%x: tensor<?x8xf32, #dist.exprs<["b", 8]>>, %w: tensor<8x3xf32>) -> tensor<?x3xf32, #dist.exprs<["b", 3]>> {
  // CHECK: step.kernel "matmul"(%arg0, %arg1)
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32, #dist.exprs<["b", 8]>>, tensor<8x3xf32>) -> tensor<?x3xf32, #dist.exprs<["b", 3]>>
  // CHECK: step.kernel "fill_values"() {values = [#dist.exprs<["b"]>]}
  %1 = "onnx.ShapeValue"() {exprs = #dist.exprs<["b"]>} : () -> tensor<1xi64>
  "test.use"(%1) : (tensor<1xi64>) -> ()
  return %0 : tensor<?x3xf32, #dist.exprs<["b", 3]>>
}
