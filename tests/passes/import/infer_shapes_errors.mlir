// RUN: not shard-opt %s --split-input-file --infer-shapes 2>&1 | FileCheck %s

// All ops that nobody described are in one message, and what reads them is not reported.
// CHECK: error: has ops that are not supported and have no function body: NoSuchOp (2 nodes, first, …), com.example.Fuse (1 node, third)
func.func @unsupported(%x: tensor<6xf32>) -> none {
  %0 = "onnx.NoSuchOp"(%x) : (tensor<6xf32>) -> none loc("first")
  %1 = "onnx.Add"(%0, %x) : (none, tensor<6xf32>) -> none
  %2 = "onnx.NoSuchOp"(%1) : (none) -> none loc("second")
  %3 = "onnx.com.example.Fuse"(%2) : (none) -> none loc("third")
  return %3 : none
}

// -----

// All nodes whose operands do not fit are reported.
func.func @do_not_fit(%x: tensor<6x4xf32>, %y: tensor<5x3xf32>) -> (none, none) {
  // CHECK: error: loc("add"): Add: the operands' sizes [6, 4] and [5, 3] do not broadcast
  %0 = "onnx.Add"(%x, %y) : (tensor<6x4xf32>, tensor<5x3xf32>) -> none loc("add")
  // CHECK: error: loc("product"): {{.*}}4 and 5, and must be equal
  %1 = "onnx.MatMul"(%x, %y) : (tensor<6x4xf32>, tensor<5x3xf32>) -> none loc("product")
  return %0, %1 : none, none
}

// -----

// Sizes that must be equal, and of which no symbol is what the others make it.
func.func @no_solution(%x: tensor<?xf32, #dist.exprs<["2*a"]>>, %y: tensor<?xf32, #dist.exprs<["3*b"]>>) -> none {
  // CHECK: error: loc("sum"): sizes 2*a and 3*b must be equal, and cannot be proven to be; fix one of their symbols with --dim
  %0 = "onnx.Add"(%x, %y) : (tensor<?xf32, #dist.exprs<["2*a"]>>, tensor<?xf32, #dist.exprs<["3*b"]>>) -> none loc("sum")
  return %0 : none
}

// -----

// Types that ONNX's schemas do not allow are refused before anything relies on them.
func.func @types(%x: tensor<6x4xf32>, %i: tensor<4x3xi64>, %b: tensor<6x4xi1>) -> (none, none, none) {
  // CHECK: error: loc("product"): operand 1 is tensor(int64), and operand 0 tensor(float); MatMul takes them of one type; cast one of them
  %0 = "onnx.MatMul"(%x, %i) : (tensor<6x4xf32>, tensor<4x3xi64>) -> none loc("product")
  // CHECK: error: loc("exponent"): operand 0 is tensor(bool); Exp takes {{.*}}tensor(float), {{.*}} there; cast it, or export the model again
  %1 = "onnx.Exp"(%b) : (tensor<6x4xi1>) -> none loc("exponent")
  // CHECK: error: loc("joined"): operand 2 is tensor(bool), and operand 0 tensor(float); Concat takes them of one type
  %2 = "onnx.Concat"(%x, %x, %b) {axis = 0 : i64} : (tensor<6x4xf32>, tensor<6x4xf32>, tensor<6x4xi1>) -> none loc("joined")
  return %0, %1, %2 : none, none, none
}

// -----

// Subgraphs are not supported where none of them is known to run, whatever the op.
// CHECK: error: has ops that are not supported and have no function body: Loop (1 node, turns)
func.func @loop(%n: tensor<i64>, %c: tensor<i1>, %x: tensor<5xf32>) -> none {
  %0 = "onnx.Loop"(%n, %c, %x) {onnx.subgraphs = {body = ""}, onnx.captured = []} : (tensor<i64>, tensor<i1>, tensor<5xf32>) -> none loc("turns")
  return %0 : none
}

// -----

func.func @branch(%c: tensor<i1>) -> none {
  // CHECK: error: loc("choice"): If: which of its graphs runs depends on data
  %0 = "onnx.If"(%c) {onnx.subgraphs = {then_branch = "", else_branch = ""}, onnx.captured = []} : (tensor<i1>) -> none loc("choice")
  return %0 : none
}
