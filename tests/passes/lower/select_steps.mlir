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

// -----

// A convolution writes channels last, and what reads it sees a window; a collective gets its operand as it is.
// CHECK-LABEL: @order_of_results
module attributes {dist.mesh = #dist.mesh<"tp=2">} {
  func.func @order_of_results(%x: tensor<2x3x7x6xf32>, %w: tensor<4x3x3x3xf32>) -> (tensor<2x4x5x4xf32>, tensor<2x4x5x4xf32>) {
    %none = "onnx.None"() : () -> none
    // CHECK: %[[B:.*]] = step.kernel "conv"(%arg0, %arg1, %{{.*}}) {{.*}} then [] {dense_operands = 6 : i64, flops = {{[^,]*}}, result_views = {{\[\[}}#dist.exprs<[0]>, #dist.exprs<[2, 4, 5, 4]>, #dist.exprs<[80, 1, 16, 4]>]]} {{.*}} -> tensor<2x5x4x4xf32>
    // CHECK: step.view %[[B]] {{.*}} -> tensor<2x4x5x4xf32>
    %0 = "onnx.Conv"(%x, %w, %none) {kernel_shape = array<i64: 3, 3>} : (tensor<2x3x7x6xf32>, tensor<4x3x3x3xf32>, none) -> tensor<2x4x5x4xf32>
    // CHECK: %[[P:.*]] = step.kernel "conv"{{.*}} -> tensor<2x4x5x4xf32>
    // CHECK: dist.all_reduce sum %[[P]]
    %1 = "onnx.Conv"(%x, %w, %none) {kernel_shape = array<i64: 3, 3>} : (tensor<2x3x7x6xf32>, tensor<4x3x3x3xf32>, none) -> tensor<2x4x5x4xf32>
    %2 = dist.all_reduce sum %1 over <#dist.mesh<"tp=2">, "tp"> : tensor<2x4x5x4xf32>
    return %0, %2 : tensor<2x4x5x4xf32>, tensor<2x4x5x4xf32>
  }
}
