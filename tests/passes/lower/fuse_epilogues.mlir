// RUN: shard-opt %s --split-input-file --allow-unregistered-dialect --fuse-epilogues | FileCheck %s

// Bias and activation, the latter in primitives, become post-ops; what follows stays a nest, which reads the kernel's result.
// CHECK-LABEL: @bias_gelu
func.func @bias_gelu(%x: tensor<5x8xf32>, %w: tensor<8x3xf32>, %bias: tensor<3xf32>) -> tensor<5xf32> {
  // CHECK: %[[R:.*]] = step.kernel "matmul"(%arg0, %arg1, %arg2)
  // CHECK-SAME: then {{\[}}["add", 2], ["gelu_erf", 0]]
  // CHECK: "step.fused"(%[[R]])
  // CHECK: onnx.ReduceSum
  // CHECK: step.yield
  // CHECK-NOT: step.fused
  %r = step.kernel "matmul"(%x, %w) {} then [] : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  %y = "step.fused"(%r, %bias) ({
  ^bb0(%a: tensor<5x3xf32>, %b: tensor<3xf32>):
    %none = "onnx.None"() : () -> none
    %root = "onnx.Constant"() {value = dense<1.4142135> : tensor<f32>} : () -> tensor<f32>
    %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %half = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
    %0 = "onnx.Add"(%b, %a) : (tensor<3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    %1 = "onnx.Div"(%0, %root) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %2 = "onnx.Erf"(%1) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %3 = "onnx.Add"(%2, %one) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %4 = "onnx.Mul"(%0, %3) : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    %5 = "onnx.Mul"(%4, %half) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %6 = "onnx.ReduceSum"(%5, %none) {static = [unit, #dist.exprs<[1]>], keepdims = 0 : i64} : (tensor<5x3xf32>, none) -> tensor<5xf32>
    "step.yield"(%6) : (tensor<5xf32>) -> ()
  }) {inner = array<i64: 1>, space = #dist.exprs<[5, 3]>} : (tensor<5x3xf32>, tensor<3xf32>) -> tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// The tanh form of GELU, with a cube; nothing is left of the nest.
// CHECK-LABEL: @gelu_tanh
func.func @gelu_tanh(%x: tensor<5x8xf32>, %w: tensor<8x3xf32>) -> tensor<5x3xf32> {
  // CHECK: %[[R:.*]] = step.kernel "matmul"{{.*}} then {{\[}}["gelu_tanh", 0]]
  // CHECK-NOT: step.fused
  // CHECK: return %[[R]]
  %r = step.kernel "matmul"(%x, %w) {} then [] : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  %y = "step.fused"(%r) ({
  ^bb0(%a: tensor<5x3xf32>):
    %three = "onnx.Constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
    %factor = "onnx.Constant"() {value = dense<0.044715> : tensor<f32>} : () -> tensor<f32>
    %root = "onnx.Constant"() {value = dense<0.7978846> : tensor<f32>} : () -> tensor<f32>
    %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %half = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
    %0 = "onnx.Mul"(%a, %half) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %1 = "onnx.Pow"(%a, %three) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %2 = "onnx.Mul"(%1, %factor) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %3 = "onnx.Add"(%a, %2) : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    %4 = "onnx.Mul"(%3, %root) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %5 = "onnx.Tanh"(%4) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %6 = "onnx.Add"(%5, %one) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %7 = "onnx.Mul"(%0, %6) : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    "step.yield"(%7) : (tensor<5x3xf32>) -> ()
  }) {inner = array<i64>, space = #dist.exprs<[5, 3]>} : (tensor<5x3xf32>) -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}

// -----

// A gated product: the first kernel takes the second's result as its operand, and so comes after it.
// CHECK-LABEL: @gate
func.func @gate(%x: tensor<5x8xf32>, %w: tensor<8x3xf32>, %v: tensor<8x3xf32>) -> tensor<5x3xf32> {
  // CHECK: %[[UP:.*]] = step.kernel "matmul"(%arg0, %arg2) {} then []
  // CHECK: %[[R:.*]] = step.kernel "matmul"(%arg0, %arg1, %[[UP]]) {} then {{\[}}["silu", 0], ["mul", 2]]
  // CHECK-NOT: step.fused
  // CHECK: return %[[R]]
  %r = step.kernel "matmul"(%x, %w) {} then [] : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  %s = step.kernel "matmul"(%x, %v) {} then [] : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  %y = "step.fused"(%r, %s) ({
  ^bb0(%a: tensor<5x3xf32>, %b: tensor<5x3xf32>):
    %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %0 = "onnx.Neg"(%a) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %1 = "onnx.Exp"(%0) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %2 = "onnx.Add"(%one, %1) : (tensor<f32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    %3 = "onnx.Div"(%a, %2) : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    %4 = "onnx.Mul"(%3, %b) : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    "step.yield"(%4) : (tensor<5x3xf32>) -> ()
  }) {inner = array<i64>, space = #dist.exprs<[5, 3]>} : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}

// -----

// Comparisons: relu and a clip, which are one clip, a leaky relu, a scale; a residual stream is a result of the nest and the kernel's.
// CHECK-LABEL: @choices
func.func @choices(%x: tensor<5x8xf32>, %w: tensor<8x3xf32>, %res: tensor<5x3xf32>) -> (tensor<5x3xf32>, tensor<5x3xf32>) {
  // CHECK: %[[R:.*]] = step.kernel "matmul"
  // CHECK-SAME: then {{\[}}["clip", 0, 0.000000e+00, 6.000000e+00], ["leaky_relu", 0, 2.500000e-01], ["scale", 0, 4.000000e+00], ["sub", 2]]
  // CHECK: %[[Y:.*]] = "step.fused"(%[[R]])
  // CHECK: return %[[R]], %[[Y]]
  %r = step.kernel "matmul"(%x, %w) {} then [] : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  %y:2 = "step.fused"(%r, %res) ({
  ^bb0(%a: tensor<5x3xf32>, %b: tensor<5x3xf32>):
    %low = "onnx.Constant"() {value = dense<-3.0> : tensor<f32>} : () -> tensor<f32>
    %high = "onnx.Constant"() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
    %quarter = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
    %0 = "onnx.Relu"(%a) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %1 = "onnx.Clip"(%0, %low, %high) : (tensor<5x3xf32>, tensor<f32>, tensor<f32>) -> tensor<5x3xf32>
    %2 = "onnx.LeakyRelu"(%1) {alpha = 0.25 : f32} : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %3 = "onnx.Div"(%2, %quarter) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %4 = "onnx.Sub"(%3, %b) : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    %5 = "onnx.Sin"(%4) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    "step.yield"(%4, %5) : (tensor<5x3xf32>, tensor<5x3xf32>) -> ()
  }) {inner = array<i64>, space = #dist.exprs<[5, 3]>} : (tensor<5x3xf32>, tensor<5x3xf32>) -> (tensor<5x3xf32>, tensor<5x3xf32>)
  return %y#0, %y#1 : tensor<5x3xf32>, tensor<5x3xf32>
}

// -----

// Nothing is taken from a nest that needs the result itself, of a kernel that takes no post-ops, of a result with another reader,
// or by a function that is close to a post-op and is none.
// CHECK-LABEL: @left_alone
func.func @left_alone(%x: tensor<5x8xf32>, %w: tensor<8x3xf32>) -> tensor<5x3xf32> {
  // CHECK-COUNT-3: step.kernel "matmul"{{.*}} then []
  // CHECK: step.kernel "other"(%arg0)
  // CHECK-NOT: then {{\[\[}}
  // CHECK: onnx.Relu
  // CHECK: onnx.Sin
  // CHECK: onnx.Erf
  // CHECK: onnx.Relu
  // CHECK: onnx.Relu
  %r = step.kernel "matmul"(%x, %w) {} then [] : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  %s = step.kernel "matmul"(%x, %w) {} then [] : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  %t = step.kernel "matmul"(%x, %w) {} then [] : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  %o = step.kernel "other"(%x) {} : (tensor<5x8xf32>) -> tensor<5x3xf32>
  %y:4 = "step.fused"(%r, %s, %t, %o) ({
  ^bb0(%a: tensor<5x3xf32>, %b: tensor<5x3xf32>, %c: tensor<5x3xf32>, %d: tensor<5x3xf32>):
    %half = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
    %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %0 = "onnx.Relu"(%a) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %1 = "onnx.Sin"(%a) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %2 = "onnx.Add"(%0, %1) : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    %3 = "onnx.Erf"(%b) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %4 = "onnx.Add"(%3, %one) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %5 = "onnx.Mul"(%b, %half) : (tensor<5x3xf32>, tensor<f32>) -> tensor<5x3xf32>
    %6 = "onnx.Mul"(%4, %5) : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
    %7 = "onnx.Relu"(%c) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    %8 = "onnx.Relu"(%d) : (tensor<5x3xf32>) -> tensor<5x3xf32>
    "step.yield"(%2, %6, %7, %8) : (tensor<5x3xf32>, tensor<5x3xf32>, tensor<5x3xf32>, tensor<5x3xf32>) -> ()
  }) {inner = array<i64>, space = #dist.exprs<[5, 3]>} : (tensor<5x3xf32>, tensor<5x3xf32>, tensor<5x3xf32>, tensor<5x3xf32>) -> (tensor<5x3xf32>, tensor<5x3xf32>, tensor<5x3xf32>, tensor<5x3xf32>)
  "test.use"(%y#0, %y#1, %y#2, %y#3, %t) : (tensor<5x3xf32>, tensor<5x3xf32>, tensor<5x3xf32>, tensor<5x3xf32>, tensor<5x3xf32>) -> ()
  return %y#0 : tensor<5x3xf32>
}

// -----

// A kernel that writes its dims in another order: of its result, what reads it in the order of memory reads a copy.
// CHECK-LABEL: @other_order
func.func @other_order(%x: tensor<2x5x7xf32>, %w: tensor<3x5x1xf32>) -> (tensor<6x7xf32>, tensor<2x3x7xf32>, tensor<2x3x7xf32>) {
  // CHECK: %[[R:.*]] = step.kernel "conv"{{.*}} then {{\[}}["relu", 0]]
  // CHECK: %[[V:.*]] = step.view %[[R]]
  // CHECK: %[[C:.*]] = step.copy %[[V]]
  // CHECK: %[[M:.*]] = step.view %[[C]]
  // CHECK: %[[P:.*]] = step.kernel "pad"(%[[C]])
  // CHECK: %[[A:.*]] = step.kernel "any"(%[[V]], %{{.*}})
  // CHECK: return %[[M]], %[[P]], %[[A]]
  %r = step.kernel "conv"(%x, %w) {} then [] {result_views = [[#dist.exprs<[0]>, #dist.exprs<[2, 3, 7]>, #dist.exprs<[21, 1, 3]>]]} : (tensor<2x5x7xf32>, tensor<3x5x1xf32>) -> tensor<2x7x3xf32>
  %v = step.view %r {offset = #dist.exprs<[0]>, strides = #dist.exprs<[21, 1, 3]>} : tensor<2x7x3xf32> -> tensor<2x3x7xf32>
  %y = "step.fused"(%v) ({
  ^bb0(%a: tensor<2x3x7xf32>):
    %0 = "onnx.Relu"(%a) : (tensor<2x3x7xf32>) -> tensor<2x3x7xf32>
    "step.yield"(%0) : (tensor<2x3x7xf32>) -> ()
  }) {inner = array<i64>, space = #dist.exprs<[2, 3, 7]>} : (tensor<2x3x7xf32>) -> tensor<2x3x7xf32>
  %m = step.view %y {offset = #dist.exprs<[0]>, strides = #dist.exprs<[7, 1]>} : tensor<2x3x7xf32> -> tensor<6x7xf32>
  %p = step.kernel "pad"(%y) {} {dense_operands = 1 : i64} : (tensor<2x3x7xf32>) -> tensor<2x3x7xf32>
  %b = step.kernel "any"(%y, %w) {} {dense_operands = 2 : i64} : (tensor<2x3x7xf32>, tensor<3x5x1xf32>) -> tensor<2x3x7xf32>
  return %m, %p, %b : tensor<6x7xf32>, tensor<2x3x7xf32>, tensor<2x3x7xf32>
}
