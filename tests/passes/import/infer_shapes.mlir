// RUN: shard-opt %s --split-input-file --infer-shapes | FileCheck %s

// Sizes follow from operands; what the types were before does not matter.
// CHECK-LABEL: @elementwise_and_matmul
func.func @elementwise_and_matmul(%x: tensor<?x?x8xf32, #dist.exprs<["batch", "sequence", 8]>>, %w: tensor<8x5xf32>) -> none {
  // CHECK: "onnx.MatMul"{{.*}} -> tensor<?x?x5xf32, #dist.exprs<["batch", "sequence", 5]>>
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x?x8xf32, #dist.exprs<["batch", "sequence", 8]>>, tensor<8x5xf32>) -> none
  // CHECK: "onnx.Tanh"{{.*}} -> tensor<?x?x5xf32, #dist.exprs<["batch", "sequence", 5]>>
  %1 = "onnx.Tanh"(%0) : (none) -> none
  // CHECK: return {{.*}} : tensor<?x?x5xf32, #dist.exprs<["batch", "sequence", 5]>>
  return %1 : none
}

// -----

// Operands that say sizes become the attribute "static", and -1 follows exactly.
// CHECK-LABEL: @static_operand
func.func @static_operand(%x: tensor<?x?x12xf32, #dist.exprs<["b", "s", 12]>>) -> none {
  %shape = "onnx.ShapeValue"() {exprs = #dist.exprs<["b", "s", -1, 4]>} : () -> tensor<4xi64>
  // CHECK: %[[NONE:.*]] = "onnx.None"
  // CHECK: "onnx.Reshape"(%arg0, %[[NONE]]) {static = [unit, #dist.exprs<["b", "s", -1, 4]>]}
  // CHECK-SAME: -> tensor<?x?x3x4xf32, #dist.exprs<["b", "s", 3, 4]>>
  %0 = "onnx.Reshape"(%x, %shape) : (tensor<?x?x12xf32, #dist.exprs<["b", "s", 12]>>, tensor<4xi64>) -> none
  return %0 : none
}

// -----

// An op without a row is replaced by the function body of its ONNX schema, whose nodes are named after it.
// CHECK-LABEL: @schema_function
func.func @schema_function(%x: tensor<?x6xf32, #dist.exprs<["b", 6]>>, %y: tensor<?x6xf32, #dist.exprs<["b", 6]>>) -> none {
  // CHECK-NOT: onnx.SwiGLU
  // CHECK: "onnx.Mul"{{.*}} -> tensor<?x6xf32, #dist.exprs<["b", 6]>>
  // CHECK-NOT: onnx.SwiGLU
  // CHECK: return
  %0 = "onnx.SwiGLU"(%x, %y) : (tensor<?x6xf32, #dist.exprs<["b", 6]>>, tensor<?x6xf32, #dist.exprs<["b", 6]>>) -> none loc("gate")
  return %0 : none
}

// -----

// A size that two operands share becomes an equality of the module; the symbol that it defines is gone, and its largest
// size holds for the symbols that it is the sum of.
// CHECK: module attributes {dist.equalities = [#dist.exprs<["total", "new + past"]>]
// CHECK-SAME: dist.symbols = {new = {assumed = 128 : i64, divisor = 1 : i64, max = 500 : i64, min = 0 : i64}
// CHECK-SAME: past = {assumed = 128 : i64, divisor = 1 : i64, max = 300 : i64, min = 0 : i64}}
module attributes {dist.symbols = {total = {assumed = 128 : i64, divisor = 1 : i64, max = 500 : i64, min = 0 : i64},
                                   past = {assumed = 128 : i64, divisor = 1 : i64, max = 300 : i64, min = 0 : i64},
                                   new = {assumed = 128 : i64, divisor = 1 : i64, max = 9223372036854775807 : i64, min = 0 : i64}}} {
  // CHECK: @equality(%arg0: tensor<?x?xf32, #dist.exprs<["b", "new + past"]>>, %arg1: tensor<?x?xf32, #dist.exprs<["b", "new + past"]>>)
  func.func @equality(%m: tensor<?x?xf32, #dist.exprs<["b", "total"]>>, %s: tensor<?x?xf32, #dist.exprs<["b", "past + new"]>>) -> none {
    // CHECK: "onnx.Exp"{{.*}} -> tensor<?x?xf32, #dist.exprs<["b", "new + past"]>>
    %0 = "onnx.Exp"(%m) : (tensor<?x?xf32, #dist.exprs<["b", "total"]>>) -> none
    %1 = "onnx.Add"(%0, %s) : (none, tensor<?x?xf32, #dist.exprs<["b", "past + new"]>>) -> none
    return %1 : none
  }
}

// -----

// A table cut to a length that must be the sequence's bounds the sequence.
// CHECK: module attributes {dist.symbols = {s = {assumed = 12 : i64, divisor = 1 : i64, max = 12 : i64, min = 0 : i64}}}
module attributes {dist.symbols = {s = {assumed = 128 : i64, divisor = 1 : i64, max = 9223372036854775807 : i64, min = 0 : i64}}} {
  func.func @bound(%x: tensor<?x?xf32, #dist.exprs<["b", "s"]>>, %table: tensor<1x12xf32>) -> none {
    %none = "onnx.None"() : () -> none
    %cut = "onnx.Slice"(%table, %none, %none, %none) {static = [unit, #dist.exprs<[0]>, #dist.exprs<["s"]>, #dist.exprs<[1]>]} : (tensor<1x12xf32>, none, none, none) -> none
    // CHECK: "onnx.Slice"{{.*}} -> tensor<1x?xf32, #dist.exprs<[1, "s"]>>
    %0 = "onnx.Add"(%x, %cut) : (tensor<?x?xf32, #dist.exprs<["b", "s"]>>, none) -> none
    return %0 : none
  }
}

// -----

// So does one whose other end is taken.
// CHECK: module attributes {dist.symbols = {s = {assumed = 12 : i64, divisor = 1 : i64, max = 12 : i64, min = 0 : i64}}}
module attributes {dist.symbols = {s = {assumed = 128 : i64, divisor = 1 : i64, max = 9223372036854775807 : i64, min = 0 : i64}}} {
  func.func @end(%x: tensor<?x?xf32, #dist.exprs<["b", "s"]>>, %table: tensor<1x12xf32>) -> none {
    %none = "onnx.None"() : () -> none
    %cut = "onnx.Slice"(%table, %none, %none, %none) {static = [unit, #dist.exprs<["max(12 - s, 0)"]>, #dist.exprs<[12]>, #dist.exprs<[1]>]} : (tensor<1x12xf32>, none, none, none) -> none
    // CHECK: "onnx.Slice"{{.*}} -> tensor<1x?xf32, #dist.exprs<[1, "s"]>>
    %0 = "onnx.Add"(%x, %cut) : (tensor<?x?xf32, #dist.exprs<["b", "s"]>>, none) -> none
    return %0 : none
  }
}

// -----

// And one cut from an end counted back by the sequence, which is not to count from the other end: [12 - s, …), and [s - 3, …).
// CHECK: module attributes {dist.symbols = {s = {assumed = 12 : i64, divisor = 1 : i64, max = 12 : i64, min = 3 : i64}}}
module attributes {dist.symbols = {s = {assumed = 128 : i64, divisor = 1 : i64, max = 9223372036854775807 : i64, min = 0 : i64}}} {
  func.func @counted(%x: tensor<?xf32, #dist.exprs<["s"]>>, %table: tensor<1x12xf32>) -> (none, none) {
    %none = "onnx.None"() : () -> none
    // CHECK: "onnx.Slice"{{.*}} -> tensor<1x?xf32, #dist.exprs<[1, "s"]>>
    %cut = "onnx.Slice"(%table, %none, %none, %none) {static = [unit, #dist.exprs<["-s + 12"]>, #dist.exprs<[12]>, #dist.exprs<[1]>]} : (tensor<1x12xf32>, none, none, none) -> none
    // CHECK: "onnx.Slice"{{.*}} -> tensor<3xf32>
    %last = "onnx.Slice"(%x, %none, %none, %none) {static = [unit, #dist.exprs<["s - 3"]>, #dist.exprs<["s"]>, #dist.exprs<[0]>]} : (tensor<?xf32, #dist.exprs<["s"]>>, none, none, none) -> none
    return %cut, %last : none, none
  }
}

// -----

// Frames of which the last is left out, beside as many of others: there is one at least.
// CHECK: module attributes {dist.symbols = {s = {assumed = 128 : i64, divisor = 1 : i64, max = 9223372036854775807 : i64, min = 20 : i64}}}
module attributes {dist.symbols = {s = {assumed = 128 : i64, divisor = 1 : i64, max = 9223372036854775807 : i64, min = 0 : i64}}} {
  func.func @frames(%x: tensor<?xf32, #dist.exprs<["floordiv(s, 20) - 1"]>>, %y: tensor<?xf32, #dist.exprs<["max(floordiv(s, 20), 1) - 1"]>>) -> none {
    // CHECK: "onnx.Add"{{.*}} -> tensor<?xf32, #dist.exprs<["floordiv(s, 20) - 1"]>>
    %0 = "onnx.Add"(%x, %y) : (tensor<?xf32, #dist.exprs<["floordiv(s, 20) - 1"]>>, tensor<?xf32, #dist.exprs<["max(floordiv(s, 20), 1) - 1"]>>) -> none
    return %0 : none
  }
}

// -----

// Where the last position of a sequence is to be one, there is one.
// CHECK: module attributes {dist.symbols = {s = {assumed = 128 : i64, divisor = 1 : i64, max = 9223372036854775807 : i64, min = 1 : i64}}}
module attributes {dist.symbols = {s = {assumed = 128 : i64, divisor = 1 : i64, max = 9223372036854775807 : i64, min = 0 : i64}}} {
  func.func @last(%x: tensor<?x5xf32, #dist.exprs<["s", 5]>>) -> none {
    %none = "onnx.None"() : () -> none
    %last = "onnx.Slice"(%x, %none, %none, %none) {static = [unit, #dist.exprs<[-1]>, #dist.exprs<[9223372036854775807]>, #dist.exprs<[0]>]} : (tensor<?x5xf32, #dist.exprs<["s", 5]>>, none, none, none) -> none
    // CHECK: "onnx.Slice"{{.*}} -> tensor<1x5xf32>
    // CHECK: "onnx.Mul"{{.*}} -> tensor<?x5xf32, #dist.exprs<["s", 5]>>
    %0 = "onnx.Mul"(%last, %x) : (none, tensor<?x5xf32, #dist.exprs<["s", 5]>>) -> none
    return %0 : none
  }
}
