// RUN: shard-opt %s --split-input-file --expand-on-import --apply-patterns --cse --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// What changes nothing goes.
// CHECK-LABEL: @identities(
func.func @identities(%x: tensor<?x6xf32, #dist.exprs<["b", 6]>>) -> tensor<?x6xf32, #dist.exprs<["b", 6]>> {
  %none = "onnx.None"() : () -> none
  // CHECK-NEXT: return %arg0
  %0 = "onnx.Reshape"(%x, %none) {static = [unit, #dist.exprs<["b", 6]>]} : (tensor<?x6xf32, #dist.exprs<["b", 6]>>, none) -> tensor<?x6xf32, #dist.exprs<["b", 6]>>
  %1 = "onnx.Transpose"(%0) {perm = array<i64: 0, 1>} : (tensor<?x6xf32, #dist.exprs<["b", 6]>>) -> tensor<?x6xf32, #dist.exprs<["b", 6]>>
  %2 = "onnx.Cast"(%1) {to = 1 : i64} : (tensor<?x6xf32, #dist.exprs<["b", 6]>>) -> tensor<?x6xf32, #dist.exprs<["b", 6]>>
  return %2 : tensor<?x6xf32, #dist.exprs<["b", 6]>>
}

// -----

// Keys transposed as matrices of merged heads are one Transpose, which has the name of the last node.
// CHECK-LABEL: @keys(
func.func @keys(%k: tensor<?x4x?x8xf32, #dist.exprs<["b", 4, "s", 8]>>) -> tensor<?x4x8x?xf32, #dist.exprs<["b", 4, 8, "s"]>> {
  %none = "onnx.None"() : () -> none
  // CHECK-NEXT: %[[T:.*]] = "onnx.Transpose"(%arg0) {perm = array<i64: 0, 1, 3, 2>}
  // CHECK-SAME: tensor<?x4x8x?xf32, #dist.exprs<["b", 4, 8, "s"]>> loc("back"("keys"))
  // CHECK-NEXT: return %[[T]]
  %0 = "onnx.Reshape"(%k, %none) {static = [unit, #dist.exprs<["4*b", "s", 8]>]} : (tensor<?x4x?x8xf32, #dist.exprs<["b", 4, "s", 8]>>, none) -> tensor<?x?x8xf32, #dist.exprs<["4*b", "s", 8]>>
  %1 = "onnx.Transpose"(%0) {perm = array<i64: 0, 2, 1>} : (tensor<?x?x8xf32, #dist.exprs<["4*b", "s", 8]>>) -> tensor<?x8x?xf32, #dist.exprs<["4*b", 8, "s"]>>
  %2 = "onnx.Reshape"(%1, %none) {static = [unit, #dist.exprs<["b", 4, 8, "s"]>]} : (tensor<?x8x?xf32, #dist.exprs<["4*b", 8, "s"]>>, none) -> tensor<?x4x8x?xf32, #dist.exprs<["b", 4, 8, "s"]>> loc("back"("keys"))
  return %2 : tensor<?x4x8x?xf32, #dist.exprs<["b", 4, 8, "s"]>>
}

// -----

// A dim that is cut on the way and merged with another is no whole dim: nothing fits.
// CHECK-LABEL: @not_whole_dims(
func.func @not_whole_dims(%k: tensor<4x6x5xf32>) -> tensor<2x60xf32> {
  %none = "onnx.None"() : () -> none
  // CHECK: "onnx.Reshape"
  // CHECK: "onnx.Transpose"
  // CHECK: "onnx.Reshape"
  %0 = "onnx.Reshape"(%k, %none) {static = [unit, #dist.exprs<[12, 2, 5]>]} : (tensor<4x6x5xf32>, none) -> tensor<12x2x5xf32>
  %1 = "onnx.Transpose"(%0) {perm = array<i64: 1, 0, 2>} : (tensor<12x2x5xf32>) -> tensor<2x12x5xf32>
  %2 = "onnx.Reshape"(%1, %none) {static = [unit, #dist.exprs<[2, 60]>]} : (tensor<2x12x5xf32>, none) -> tensor<2x60xf32>
  return %2 : tensor<2x60xf32>
}

// -----

// A linear layer on merged batch and sequence is one on the dims as they were.
// CHECK-LABEL: @linear(
func.func @linear(%x: tensor<?x?x8xf32, #dist.exprs<["b", "s", 8]>>) -> tensor<?x?x5xf32, #dist.exprs<["b", "s", 5]>> {
  %none = "onnx.None"() : () -> none
  %w = "onnx.Weight"() {name = "w", location = "w.bin", offset = 7 : i64, length = 160 : i64} : () -> tensor<5x8xf32>
  %b = "onnx.Weight"() {name = "b", location = "w.bin", offset = 167 : i64, length = 20 : i64} : () -> tensor<5xf32>
  // CHECK-DAG: %[[W:.*]] = "onnx.Weight"(){{.*}}name = "w"
  // CHECK-DAG: %[[B:.*]] = "onnx.Weight"(){{.*}}name = "b"
  // CHECK: %[[T:.*]] = "onnx.Transpose"(%[[W]]) {perm = array<i64: 1, 0>}
  // CHECK: %[[P:.*]] = "onnx.MatMul"(%arg0, %[[T]])
  // CHECK: %[[S:.*]] = "onnx.Add"(%[[P]], %[[B]])
  // CHECK: return %[[S]] : tensor<?x?x5xf32, #dist.exprs<["b", "s", 5]>>
  %0 = "onnx.Reshape"(%x, %none) {static = [unit, #dist.exprs<[-1, 8]>]} : (tensor<?x?x8xf32, #dist.exprs<["b", "s", 8]>>, none) -> tensor<?x8xf32, #dist.exprs<["b*s", 8]>>
  %1 = "onnx.Gemm"(%0, %w, %b) {transB = 1 : i64} : (tensor<?x8xf32, #dist.exprs<["b*s", 8]>>, tensor<5x8xf32>, tensor<5xf32>) -> tensor<?x5xf32, #dist.exprs<["b*s", 5]>>
  %2 = "onnx.Reshape"(%1, %none) {static = [unit, #dist.exprs<["b", "s", 5]>]} : (tensor<?x5xf32, #dist.exprs<["b*s", 5]>>, none) -> tensor<?x?x5xf32, #dist.exprs<["b", "s", 5]>>
  return %2 : tensor<?x?x5xf32, #dist.exprs<["b", "s", 5]>>
}

// -----

// The fused weight of Q, K and V is cut in place of the product, through the bias; parts that do not lie together are windows.
// CHECK-LABEL: @fused(
func.func @fused(%x: tensor<?x?x4xf32, #dist.exprs<["b", "s", 4]>>) -> (tensor<?x?x3xf32, #dist.exprs<["b", "s", 3]>>, tensor<?x?x2xf32, #dist.exprs<["b", "s", 2]>>) {
  %w = "onnx.Weight"() {name = "w", location = "w.bin", offset = 11 : i64, length = 80 : i64} : () -> tensor<4x5xf32>
  %b = "onnx.Constant"() {value = dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>} : () -> tensor<5xf32>
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x?x4xf32, #dist.exprs<["b", "s", 4]>>, tensor<4x5xf32>) -> tensor<?x?x5xf32, #dist.exprs<["b", "s", 5]>>
  %1 = "onnx.Add"(%0, %b) : (tensor<?x?x5xf32, #dist.exprs<["b", "s", 5]>>, tensor<5xf32>) -> tensor<?x?x5xf32, #dist.exprs<["b", "s", 5]>>
  // CHECK: %[[W0:.*]] = "onnx.Weight"() {begin = array<i64: 0, 0>, length = 80 : i64, location = "w.bin", name = "w[:,0:3]", offset = 11 : i64, whole = array<i64: 4, 5>} : () -> tensor<4x3xf32>
  // CHECK: %[[P0:.*]] = "onnx.MatMul"(%arg0, %[[W0]])
  // CHECK: %[[B0:.*]] = "onnx.Constant"() {value = dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]>
  // CHECK: %[[Q:.*]] = "onnx.Add"(%[[P0]], %[[B0]]){{.*}} loc("cut"("q"))
  // CHECK: %[[W1:.*]] = "onnx.Weight"() {begin = array<i64: 0, 3>, length = 80 : i64, location = "w.bin", name = "w[:,3:5]", offset = 11 : i64, whole = array<i64: 4, 5>} : () -> tensor<4x2xf32>
  // CHECK: %[[P1:.*]] = "onnx.MatMul"(%arg0, %[[W1]])
  // CHECK: %[[B1:.*]] = "onnx.Constant"() {value = dense<[4.000000e+00, 5.000000e+00]>
  // CHECK: %[[K:.*]] = "onnx.Add"(%[[P1]], %[[B1]]){{.*}} loc("cut"("k"))
  // CHECK: return %[[Q]], %[[K]]
  %none = "onnx.None"() : () -> none
  %2:2 = "onnx.Split"(%1, %none) {axis = 2 : i64, static = [unit, #dist.exprs<[3, 2]>]} : (tensor<?x?x5xf32, #dist.exprs<["b", "s", 5]>>, none) -> (tensor<?x?x3xf32, #dist.exprs<["b", "s", 3]>>, tensor<?x?x2xf32, #dist.exprs<["b", "s", 2]>>) loc("cut"(fused["q", "k"]))
  return %2#0, %2#1 : tensor<?x?x3xf32, #dist.exprs<["b", "s", 3]>>, tensor<?x?x2xf32, #dist.exprs<["b", "s", 2]>>
}

// -----

// A product that is used whole too is not cut, nor one of two activations.
// CHECK-LABEL: @not_cut(
func.func @not_cut(%x: tensor<3x4xf32>, %y: tensor<4x6xf32>) -> (tensor<3x6xf32>, tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>) {
  %w = "onnx.Weight"() {name = "w", location = "w.bin", offset = 0 : i64, length = 96 : i64} : () -> tensor<4x6xf32>
  // CHECK-COUNT-2: "onnx.Split"
  %0 = "onnx.MatMul"(%x, %w) : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  %1:2 = "onnx.Split"(%0) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<3x6xf32>) -> (tensor<3x3xf32>, tensor<3x3xf32>)
  %2 = "onnx.MatMul"(%x, %y) : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  %3:2 = "onnx.Split"(%2) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<3x6xf32>) -> (tensor<3x3xf32>, tensor<3x3xf32>)
  return %0, %1#0, %1#1, %3#0, %3#1 : tensor<3x6xf32>, tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>
}

// -----

// Heads of queries and the one of keys, merged, apart by slices, of which one is of a transposed product: the weight is cut.
// CHECK-LABEL: @sliced(
func.func @sliced(%x: tensor<?x4xf32, #dist.exprs<["b", 4]>>) -> (tensor<?x2x5xf32, #dist.exprs<["b", 2, 5]>>, tensor<1x?x5xf32, #dist.exprs<[1, "b", 5]>>) {
  %w = "onnx.Weight"() {name = "w", location = "w.bin", offset = 0 : i64, length = 240 : i64} : () -> tensor<4x15xf32>
  %none = "onnx.None"() : () -> none
  // CHECK: %[[W0:.*]] = "onnx.Weight"() {{.*}} name = "w[:,0:10]"
  // CHECK: %[[P0:.*]] = "onnx.MatMul"(%arg0, %[[W0]])
  // CHECK: %[[Q:.*]] = "onnx.Reshape"(%[[P0]]
  // CHECK: %[[W1:.*]] = "onnx.Weight"() {{.*}} name = "w[:,10:15]"
  // CHECK: %[[P1:.*]] = "onnx.MatMul"(%arg0, %[[W1]])
  // CHECK: %[[R:.*]] = "onnx.Reshape"(%[[P1]]
  // CHECK: %[[K:.*]] = "onnx.Transpose"(%[[R]])
  // CHECK: return %[[Q]], %[[K]]
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x4xf32, #dist.exprs<["b", 4]>>, tensor<4x15xf32>) -> tensor<?x15xf32, #dist.exprs<["b", 15]>>
  %1 = "onnx.Reshape"(%0, %none) {static = [unit, #dist.exprs<["b", 3, 5]>]} : (tensor<?x15xf32, #dist.exprs<["b", 15]>>, none) -> tensor<?x3x5xf32, #dist.exprs<["b", 3, 5]>>
  %2 = "onnx.Slice"(%1, %none, %none, %none) {static = [unit, #dist.exprs<[0]>, #dist.exprs<[-1]>, #dist.exprs<[1]>]} : (tensor<?x3x5xf32, #dist.exprs<["b", 3, 5]>>, none, none, none) -> tensor<?x2x5xf32, #dist.exprs<["b", 2, 5]>>
  %3 = "onnx.Transpose"(%1) {perm = array<i64: 1, 0, 2>} : (tensor<?x3x5xf32, #dist.exprs<["b", 3, 5]>>) -> tensor<3x?x5xf32, #dist.exprs<[3, "b", 5]>>
  %4 = "onnx.Slice"(%3, %none, %none, %none) {static = [unit, #dist.exprs<[2]>, #dist.exprs<[3]>, #dist.exprs<[0]>]} : (tensor<3x?x5xf32, #dist.exprs<[3, "b", 5]>>, none, none, none) -> tensor<1x?x5xf32, #dist.exprs<[1, "b", 5]>>
  return %2, %4 : tensor<?x2x5xf32, #dist.exprs<["b", 2, 5]>>, tensor<1x?x5xf32, #dist.exprs<[1, "b", 5]>>
}

// -----

// Slices that overlap, or that cut what lies minor in a dim of the product, are not those of parts.
// CHECK-LABEL: @overlapping(
func.func @overlapping(%x: tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<3x3xf32>, tensor<3x2x1xf32>) {
  %w = "onnx.Weight"() {name = "w", location = "w.bin", offset = 0 : i64, length = 96 : i64} : () -> tensor<4x6xf32>
  %v = "onnx.Weight"() {name = "v", location = "w.bin", offset = 96 : i64, length = 96 : i64} : () -> tensor<4x6xf32>
  %none = "onnx.None"() : () -> none
  // CHECK-COUNT-3: "onnx.Slice"
  %0 = "onnx.MatMul"(%x, %w) : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  %1 = "onnx.Slice"(%0, %none, %none, %none) {static = [unit, #dist.exprs<[0]>, #dist.exprs<[4]>, #dist.exprs<[1]>]} : (tensor<3x6xf32>, none, none, none) -> tensor<3x4xf32>
  %2 = "onnx.Slice"(%0, %none, %none, %none) {static = [unit, #dist.exprs<[3]>, #dist.exprs<[6]>, #dist.exprs<[1]>]} : (tensor<3x6xf32>, none, none, none) -> tensor<3x3xf32>
  %3 = "onnx.MatMul"(%x, %v) : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  %4 = "onnx.Reshape"(%3, %none) {static = [unit, #dist.exprs<[3, 2, 3]>]} : (tensor<3x6xf32>, none) -> tensor<3x2x3xf32>
  %5 = "onnx.Slice"(%4, %none, %none, %none) {static = [unit, #dist.exprs<[1]>, #dist.exprs<[2]>, #dist.exprs<[2]>]} : (tensor<3x2x3xf32>, none, none, none) -> tensor<3x2x1xf32>
  return %1, %2, %5 : tensor<3x4xf32>, tensor<3x3xf32>, tensor<3x2x1xf32>
}

// -----

// Unrolled experts: each is a reference into the stacked weights, whose parts lie together. The last is cut again.
// CHECK-LABEL: @experts(
func.func @experts(%x: tensor<?x4xf32, #dist.exprs<["n", 4]>>) -> (tensor<?x6xf32, #dist.exprs<["n", 6]>>, tensor<?x3xf32, #dist.exprs<["n", 3]>>, tensor<?x3xf32, #dist.exprs<["n", 3]>>) {
  %w = "onnx.Weight"() {name = "w", location = "w.bin", offset = 5 : i64, length = 192 : i64} : () -> tensor<2x6x4xf32>
  %zero = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %last = "onnx.Constant"() {value = dense<-1> : tensor<i64>} : () -> tensor<i64>
  // CHECK-DAG: "onnx.Weight"() {length = 96 : i64, location = "w.bin", name = "w[0:1]", offset = 5 : i64} : () -> tensor<6x4xf32>
  // CHECK-DAG: "onnx.Weight"() {length = 48 : i64, location = "w.bin", name = "w[1:2][0:3]", offset = 101 : i64} : () -> tensor<3x4xf32>
  // CHECK-DAG: "onnx.Weight"() {length = 48 : i64, location = "w.bin", name = "w[1:2][3:6]", offset = 149 : i64} : () -> tensor<3x4xf32>
  // CHECK-NOT: "onnx.Gather"
  // CHECK-NOT: "onnx.Split"
  %w0 = "onnx.Gather"(%w, %zero) {axis = 0 : i64} : (tensor<2x6x4xf32>, tensor<i64>) -> tensor<6x4xf32>
  %w1 = "onnx.Gather"(%w, %last) {axis = 0 : i64} : (tensor<2x6x4xf32>, tensor<i64>) -> tensor<6x4xf32>
  %0 = "onnx.Gemm"(%x, %w0) {transB = 1 : i64} : (tensor<?x4xf32, #dist.exprs<["n", 4]>>, tensor<6x4xf32>) -> tensor<?x6xf32, #dist.exprs<["n", 6]>>
  %1 = "onnx.Gemm"(%x, %w1) {transB = 1 : i64} : (tensor<?x4xf32, #dist.exprs<["n", 4]>>, tensor<6x4xf32>) -> tensor<?x6xf32, #dist.exprs<["n", 6]>>
  %2:2 = "onnx.Split"(%1) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<?x6xf32, #dist.exprs<["n", 6]>>) -> (tensor<?x3xf32, #dist.exprs<["n", 3]>>, tensor<?x3xf32, #dist.exprs<["n", 3]>>)
  return %0, %2#0, %2#1 : tensor<?x6xf32, #dist.exprs<["n", 6]>>, tensor<?x3xf32, #dist.exprs<["n", 3]>>, tensor<?x3xf32, #dist.exprs<["n", 3]>>
}

// -----

// mask[:, None, None, :] written as a lookup of every element: the batch's positions are all of it, the others are a Gather.
// CHECK-LABEL: @mask(
func.func @mask(%mask: tensor<?x?xi1, #dist.exprs<["b", "t"]>>) -> (tensor<?x1x1x?xi1, #dist.exprs<["b", 1, 1, "n"]>>, tensor<?x1x1x?xi1, #dist.exprs<["b", 1, 1, "t"]>>) {
  %none = "onnx.None"() : () -> none
  %axes = "onnx.Constant"() {value = dense<[1, 2, 3, 4]> : tensor<4xi64>} : () -> tensor<4xi64>
  %b = "onnx.Range"(%none, %none, %none) {static = [#dist.exprs<[0]>, #dist.exprs<["b"]>, #dist.exprs<[1]>]} : (none, none, none) -> tensor<?xi64, #dist.exprs<["b"]>>
  %n = "onnx.Range"(%none, %none, %none) {static = [#dist.exprs<[0]>, #dist.exprs<["n"]>, #dist.exprs<[1]>]} : (none, none, none) -> tensor<?xi64, #dist.exprs<["n"]>>
  %t = "onnx.Range"(%none, %none, %none) {static = [#dist.exprs<[0]>, #dist.exprs<["t"]>, #dist.exprs<[1]>]} : (none, none, none) -> tensor<?xi64, #dist.exprs<["t"]>>
  %b5 = "onnx.Unsqueeze"(%b, %none) {static = [unit, #dist.exprs<[1, 2, 3, 4]>]} : (tensor<?xi64, #dist.exprs<["b"]>>, none) -> tensor<?x1x1x1x1xi64, #dist.exprs<["b", 1, 1, 1, 1]>>
  %n5 = "onnx.Reshape"(%n, %none) {static = [unit, #dist.exprs<[1, 1, 1, "n", 1]>]} : (tensor<?xi64, #dist.exprs<["n"]>>, none) -> tensor<1x1x1x?x1xi64, #dist.exprs<[1, 1, 1, "n", 1]>>
  %t5 = "onnx.Reshape"(%t, %none) {static = [unit, #dist.exprs<[1, 1, 1, "t", 1]>]} : (tensor<?xi64, #dist.exprs<["t"]>>, none) -> tensor<1x1x1x?x1xi64, #dist.exprs<[1, 1, 1, "t", 1]>>
  %bn = "onnx.Expand"(%b5, %none) {static = [unit, #dist.exprs<["b", 1, 1, "n", 1]>]} : (tensor<?x1x1x1x1xi64, #dist.exprs<["b", 1, 1, 1, 1]>>, none) -> tensor<?x1x1x?x1xi64, #dist.exprs<["b", 1, 1, "n", 1]>>
  %nn = "onnx.Expand"(%n5, %none) {static = [unit, #dist.exprs<["b", 1, 1, "n", 1]>]} : (tensor<1x1x1x?x1xi64, #dist.exprs<[1, 1, 1, "n", 1]>>, none) -> tensor<?x1x1x?x1xi64, #dist.exprs<["b", 1, 1, "n", 1]>>
  %bt = "onnx.Expand"(%b5, %none) {static = [unit, #dist.exprs<["b", 1, 1, "t", 1]>]} : (tensor<?x1x1x1x1xi64, #dist.exprs<["b", 1, 1, 1, 1]>>, none) -> tensor<?x1x1x?x1xi64, #dist.exprs<["b", 1, 1, "t", 1]>>
  %tt = "onnx.Expand"(%t5, %none) {static = [unit, #dist.exprs<["b", 1, 1, "t", 1]>]} : (tensor<1x1x1x?x1xi64, #dist.exprs<[1, 1, 1, "t", 1]>>, none) -> tensor<?x1x1x?x1xi64, #dist.exprs<["b", 1, 1, "t", 1]>>
  %in = "onnx.Concat"(%bn, %nn) {axis = -1 : i64} : (tensor<?x1x1x?x1xi64, #dist.exprs<["b", 1, 1, "n", 1]>>, tensor<?x1x1x?x1xi64, #dist.exprs<["b", 1, 1, "n", 1]>>) -> tensor<?x1x1x?x2xi64, #dist.exprs<["b", 1, 1, "n", 2]>>
  %it = "onnx.Concat"(%bt, %tt) {axis = -1 : i64} : (tensor<?x1x1x?x1xi64, #dist.exprs<["b", 1, 1, "t", 1]>>, tensor<?x1x1x?x1xi64, #dist.exprs<["b", 1, 1, "t", 1]>>) -> tensor<?x1x1x?x2xi64, #dist.exprs<["b", 1, 1, "t", 2]>>
  // CHECK: %[[N:.*]] = "onnx.Range"{{.*}}"n"
  // CHECK-NOT: "onnx.GatherND"
  // CHECK: %[[G:.*]] = "onnx.Gather"(%arg0, %[[N]]) {axis = 1 : i64}{{.*}} -> tensor<?x?xi1, #dist.exprs<["b", "n"]>>
  // CHECK: %[[A:.*]] = "onnx.Reshape"(%[[G]]
  // CHECK: %[[B:.*]] = "onnx.Reshape"(%arg0
  // CHECK: return %[[A]], %[[B]]
  %0 = "onnx.GatherND"(%mask, %in) {batch_dims = 0 : i64} : (tensor<?x?xi1, #dist.exprs<["b", "t"]>>, tensor<?x1x1x?x2xi64, #dist.exprs<["b", 1, 1, "n", 2]>>) -> tensor<?x1x1x?xi1, #dist.exprs<["b", 1, 1, "n"]>>
  %1 = "onnx.GatherND"(%mask, %it) {batch_dims = 0 : i64} : (tensor<?x?xi1, #dist.exprs<["b", "t"]>>, tensor<?x1x1x?x2xi64, #dist.exprs<["b", 1, 1, "t", 2]>>) -> tensor<?x1x1x?xi1, #dist.exprs<["b", 1, 1, "t"]>>
  return %0, %1 : tensor<?x1x1x?xi1, #dist.exprs<["b", 1, 1, "n"]>>, tensor<?x1x1x?xi1, #dist.exprs<["b", 1, 1, "t"]>>
}

// -----

// The same lookup of a flat mask, at the positions t + T·b; positions that run over the end of a row must stay.
// CHECK-LABEL: @flat_mask(
func.func @flat_mask(%mask: tensor<?x?xi1, #dist.exprs<["b", "t"]>>) -> (tensor<?x1x?x1xi1, #dist.exprs<["b", 1, "t", 1]>>, tensor<?x1x?x1xi1, #dist.exprs<["b", 1, "n", 1]>>) {
  %none = "onnx.None"() : () -> none
  %t = "onnx.ShapeValue"() {exprs = #dist.exprs<["t"]>} : () -> tensor<1xi64>
  %b = "onnx.Range"(%none, %none, %none) {static = [#dist.exprs<[0]>, #dist.exprs<["b"]>, #dist.exprs<[1]>]} : (none, none, none) -> tensor<?xi64, #dist.exprs<["b"]>>
  %rows = "onnx.Unsqueeze"(%b, %none) {static = [unit, #dist.exprs<[1, 2]>]} : (tensor<?xi64, #dist.exprs<["b"]>>, none) -> tensor<?x1x1xi64, #dist.exprs<["b", 1, 1]>>
  %starts = "onnx.Mul"(%rows, %t) : (tensor<?x1x1xi64, #dist.exprs<["b", 1, 1]>>, tensor<1xi64>) -> tensor<?x1x1xi64, #dist.exprs<["b", 1, 1]>>
  %all = "onnx.Range"(%none, %none, %none) {static = [#dist.exprs<[0]>, #dist.exprs<["t"]>, #dist.exprs<[1]>]} : (none, none, none) -> tensor<?xi64, #dist.exprs<["t"]>>
  %some = "onnx.Range"(%none, %none, %none) {static = [#dist.exprs<[0]>, #dist.exprs<["n"]>, #dist.exprs<[1]>]} : (none, none, none) -> tensor<?xi64, #dist.exprs<["n"]>>
  %i = "onnx.Add"(%all, %starts) : (tensor<?xi64, #dist.exprs<["t"]>>, tensor<?x1x1xi64, #dist.exprs<["b", 1, 1]>>) -> tensor<?x1x?xi64, #dist.exprs<["b", 1, "t"]>>
  %j = "onnx.Add"(%some, %starts) : (tensor<?xi64, #dist.exprs<["n"]>>, tensor<?x1x1xi64, #dist.exprs<["b", 1, 1]>>) -> tensor<?x1x?xi64, #dist.exprs<["b", 1, "n"]>>
  %flat = "onnx.Flatten"(%mask) {axis = 2 : i64} : (tensor<?x?xi1, #dist.exprs<["b", "t"]>>) -> tensor<?x1xi1, #dist.exprs<["b*t", 1]>>
  // CHECK-DAG: %[[Y:.*]] = "onnx.Reshape"(%arg0{{.*}} -> tensor<?x1x?x1xi1, #dist.exprs<["b", 1, "t", 1]>>
  // CHECK-DAG: %[[Z:.*]] = "onnx.Gather"
  // CHECK: return %[[Y]], %[[Z]]
  %0 = "onnx.Gather"(%flat, %i) {axis = 0 : i64} : (tensor<?x1xi1, #dist.exprs<["b*t", 1]>>, tensor<?x1x?xi64, #dist.exprs<["b", 1, "t"]>>) -> tensor<?x1x?x1xi1, #dist.exprs<["b", 1, "t", 1]>>
  %1 = "onnx.Gather"(%flat, %j) {axis = 0 : i64} : (tensor<?x1xi1, #dist.exprs<["b*t", 1]>>, tensor<?x1x?xi64, #dist.exprs<["b", 1, "n"]>>) -> tensor<?x1x?x1xi1, #dist.exprs<["b", 1, "n", 1]>>
  return %0, %1 : tensor<?x1x?x1xi1, #dist.exprs<["b", 1, "t", 1]>>, tensor<?x1x?x1xi1, #dist.exprs<["b", 1, "n", 1]>>
}

// -----

// Rows from -2 on, as exporters write x[:, [-2]] along a dim in front: a window.
// CHECK-LABEL: @row(
func.func @row(%x: tensor<6x?xf32, #dist.exprs<[6, "b"]>>) -> tensor<1x?xf32, #dist.exprs<[1, "b"]>> {
  %i = "onnx.Constant"() {value = dense<-2> : tensor<1x1xi64>} : () -> tensor<1x1xi64>
  // CHECK: "onnx.Slice"(%arg0, {{.*}} {static = [unit, #dist.exprs<[4]>, #dist.exprs<[5]>, #dist.exprs<[0]>
  // CHECK-NOT: "onnx.Gather
  %0 = "onnx.GatherND"(%x, %i) {batch_dims = 0 : i64} : (tensor<6x?xf32, #dist.exprs<[6, "b"]>>, tensor<1x1xi64>) -> tensor<1x?xf32, #dist.exprs<[1, "b"]>>
  return %0 : tensor<1x?xf32, #dist.exprs<[1, "b"]>>
}

// -----

// The diagonal is no outer product of positions.
// CHECK-LABEL: @diagonal(
func.func @diagonal(%m: tensor<?x?xf32, #dist.exprs<["n", "n"]>>) -> tensor<?xf32, #dist.exprs<["n"]>> {
  %none = "onnx.None"() : () -> none
  %n = "onnx.Range"(%none, %none, %none) {static = [#dist.exprs<[0]>, #dist.exprs<["n"]>, #dist.exprs<[1]>]} : (none, none, none) -> tensor<?xi64, #dist.exprs<["n"]>>
  %c = "onnx.Unsqueeze"(%n, %none) {static = [unit, #dist.exprs<[1]>]} : (tensor<?xi64, #dist.exprs<["n"]>>, none) -> tensor<?x1xi64, #dist.exprs<["n", 1]>>
  %i = "onnx.Concat"(%c, %c) {axis = 1 : i64} : (tensor<?x1xi64, #dist.exprs<["n", 1]>>, tensor<?x1xi64, #dist.exprs<["n", 1]>>) -> tensor<?x2xi64, #dist.exprs<["n", 2]>>
  // CHECK: "onnx.GatherND"
  %0 = "onnx.GatherND"(%m, %i) {batch_dims = 0 : i64} : (tensor<?x?xf32, #dist.exprs<["n", "n"]>>, tensor<?x2xi64, #dist.exprs<["n", 2]>>) -> tensor<?xf32, #dist.exprs<["n"]>>
  return %0 : tensor<?xf32, #dist.exprs<["n"]>>
}

// -----

// Attention in primitives with grouped heads: scale on queries and keys, a mask that is added, keys and values repeated, NaN to 0.
// CHECK-LABEL: @attention(
func.func @attention(%q: tensor<?x6x?x8xf32, #dist.exprs<["b", 6, "s", 8]>>, %k: tensor<?x2x?x8xf32, #dist.exprs<["b", 2, "t", 8]>>, %v: tensor<?x2x?x5xf32, #dist.exprs<["b", 2, "t", 5]>>, %seen: tensor<?x1x?x?xi1, #dist.exprs<["b", 1, "s", "t"]>>) -> tensor<?x6x?x5xf32, #dist.exprs<["b", 6, "s", 5]>> {
  %none = "onnx.None"() : () -> none
  %scale = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %lowest = "onnx.Constant"() {value = dense<-3.40282347E+38> : tensor<f32>} : () -> tensor<f32>
  %k5 = "onnx.Unsqueeze"(%k, %none) {static = [unit, #dist.exprs<[2]>]} : (tensor<?x2x?x8xf32, #dist.exprs<["b", 2, "t", 8]>>, none) -> tensor<?x2x1x?x8xf32, #dist.exprs<["b", 2, 1, "t", 8]>>
  %kr = "onnx.Expand"(%k5, %none) {static = [unit, #dist.exprs<["b", 2, 3, "t", 8]>]} : (tensor<?x2x1x?x8xf32, #dist.exprs<["b", 2, 1, "t", 8]>>, none) -> tensor<?x2x3x?x8xf32, #dist.exprs<["b", 2, 3, "t", 8]>>
  %k6 = "onnx.Reshape"(%kr, %none) {static = [unit, #dist.exprs<["b", 6, "t", 8]>]} : (tensor<?x2x3x?x8xf32, #dist.exprs<["b", 2, 3, "t", 8]>>, none) -> tensor<?x6x?x8xf32, #dist.exprs<["b", 6, "t", 8]>>
  %v5 = "onnx.Unsqueeze"(%v, %none) {static = [unit, #dist.exprs<[2]>]} : (tensor<?x2x?x5xf32, #dist.exprs<["b", 2, "t", 5]>>, none) -> tensor<?x2x1x?x5xf32, #dist.exprs<["b", 2, 1, "t", 5]>>
  %vr = "onnx.Expand"(%v5, %none) {static = [unit, #dist.exprs<["b", 2, 3, "t", 5]>]} : (tensor<?x2x1x?x5xf32, #dist.exprs<["b", 2, 1, "t", 5]>>, none) -> tensor<?x2x3x?x5xf32, #dist.exprs<["b", 2, 3, "t", 5]>>
  %v6 = "onnx.Reshape"(%vr, %none) {static = [unit, #dist.exprs<["b", 6, "t", 5]>]} : (tensor<?x2x3x?x5xf32, #dist.exprs<["b", 2, 3, "t", 5]>>, none) -> tensor<?x6x?x5xf32, #dist.exprs<["b", 6, "t", 5]>>
  %kt = "onnx.Transpose"(%k6) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x6x?x8xf32, #dist.exprs<["b", 6, "t", 8]>>) -> tensor<?x6x8x?xf32, #dist.exprs<["b", 6, 8, "t"]>>
  %qs = "onnx.Mul"(%q, %scale) : (tensor<?x6x?x8xf32, #dist.exprs<["b", 6, "s", 8]>>, tensor<f32>) -> tensor<?x6x?x8xf32, #dist.exprs<["b", 6, "s", 8]>>
  %ks = "onnx.Mul"(%kt, %scale) : (tensor<?x6x8x?xf32, #dist.exprs<["b", 6, 8, "t"]>>, tensor<f32>) -> tensor<?x6x8x?xf32, #dist.exprs<["b", 6, 8, "t"]>>
  %mask = "onnx.Where"(%seen, %zero, %lowest) : (tensor<?x1x?x?xi1, #dist.exprs<["b", 1, "s", "t"]>>, tensor<f32>, tensor<f32>) -> tensor<?x1x?x?xf32, #dist.exprs<["b", 1, "s", "t"]>>
  %scores = "onnx.MatMul"(%qs, %ks) : (tensor<?x6x?x8xf32, #dist.exprs<["b", 6, "s", 8]>>, tensor<?x6x8x?xf32, #dist.exprs<["b", 6, 8, "t"]>>) -> tensor<?x6x?x?xf32, #dist.exprs<["b", 6, "s", "t"]>>
  %masked = "onnx.Add"(%scores, %mask) : (tensor<?x6x?x?xf32, #dist.exprs<["b", 6, "s", "t"]>>, tensor<?x1x?x?xf32, #dist.exprs<["b", 1, "s", "t"]>>) -> tensor<?x6x?x?xf32, #dist.exprs<["b", 6, "s", "t"]>>
  %p = "onnx.Softmax"(%masked) {axis = -1 : i64} : (tensor<?x6x?x?xf32, #dist.exprs<["b", 6, "s", "t"]>>) -> tensor<?x6x?x?xf32, #dist.exprs<["b", 6, "s", "t"]>>
  %nan = "onnx.IsNaN"(%p) : (tensor<?x6x?x?xf32, #dist.exprs<["b", 6, "s", "t"]>>) -> tensor<?x6x?x?xi1, #dist.exprs<["b", 6, "s", "t"]>>
  %p0 = "onnx.Where"(%nan, %zero, %p) : (tensor<?x6x?x?xi1, #dist.exprs<["b", 6, "s", "t"]>>, tensor<f32>, tensor<?x6x?x?xf32, #dist.exprs<["b", 6, "s", "t"]>>) -> tensor<?x6x?x?xf32, #dist.exprs<["b", 6, "s", "t"]>>
  // CHECK-NEXT: %[[Y:.*]] = "onnx.shardwright.FusedAttention"(%arg0, %arg1, %arg2, %arg3) {empty_rows = "uniform", scale = 2.500000e-01 : f32}
  // CHECK: return %[[Y]]
  %y = "onnx.MatMul"(%p0, %v6) : (tensor<?x6x?x?xf32, #dist.exprs<["b", 6, "s", "t"]>>, tensor<?x6x?x5xf32, #dist.exprs<["b", 6, "t", 5]>>) -> tensor<?x6x?x5xf32, #dist.exprs<["b", 6, "s", 5]>>
  return %y : tensor<?x6x?x5xf32, #dist.exprs<["b", 6, "s", 5]>>
}

// -----

// The lowest float16 does not swallow scores of float32: it is added, not taken for "not seen".
// CHECK-LABEL: @mask_of_float16(
func.func @mask_of_float16(%q: tensor<2x3x5x4xf16>, %k: tensor<2x3x4x7xf16>, %v: tensor<2x3x7x4xf16>, %seen: tensor<5x7xi1>) -> tensor<2x3x5x4xf16> {
  // CHECK: %[[MASK:.*]] = "onnx.Where"
  // CHECK: "onnx.shardwright.FusedAttention"(%arg0, %{{.*}}, %arg2, %[[MASK]])
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<f16>} : () -> tensor<f16>
  %lowest = "onnx.Constant"() {value = dense<-65504.0> : tensor<f16>} : () -> tensor<f16>
  %mask = "onnx.Where"(%seen, %zero, %lowest) : (tensor<5x7xi1>, tensor<f16>, tensor<f16>) -> tensor<5x7xf16>
  %0 = "onnx.MatMul"(%q, %k) : (tensor<2x3x5x4xf16>, tensor<2x3x4x7xf16>) -> tensor<2x3x5x7xf16>
  %1 = "onnx.Add"(%0, %mask) : (tensor<2x3x5x7xf16>, tensor<5x7xf16>) -> tensor<2x3x5x7xf16>
  %2 = "onnx.Softmax"(%1) {axis = 3 : i64} : (tensor<2x3x5x7xf16>) -> tensor<2x3x5x7xf16>
  %3 = "onnx.MatMul"(%2, %v) : (tensor<2x3x5x7xf16>, tensor<2x3x7x4xf16>) -> tensor<2x3x5x4xf16>
  return %3 : tensor<2x3x5x4xf16>
}

// -----

// Who else reads the probabilities keeps them.
// CHECK-LABEL: @probabilities_are_wanted(
func.func @probabilities_are_wanted(%q: tensor<2x3x5x4xf32>, %k: tensor<2x3x4x7xf32>, %v: tensor<2x3x7x4xf32>) -> (tensor<2x3x5x7xf32>, tensor<2x3x5x4xf32>) {
  // CHECK-NOT: FusedAttention
  // CHECK: "onnx.Softmax"
  // CHECK-NOT: FusedAttention
  %0 = "onnx.MatMul"(%q, %k) : (tensor<2x3x5x4xf32>, tensor<2x3x4x7xf32>) -> tensor<2x3x5x7xf32>
  %1 = "onnx.Softmax"(%0) {axis = 3 : i64} : (tensor<2x3x5x7xf32>) -> tensor<2x3x5x7xf32>
  %2 = "onnx.MatMul"(%1, %v) : (tensor<2x3x5x7xf32>, tensor<2x3x7x4xf32>) -> tensor<2x3x5x4xf32>
  return %1, %2 : tensor<2x3x5x7xf32>, tensor<2x3x5x4xf32>
}

// -----

// What is constant per filter after a convolution goes into its weights, which are computed at load.
// CHECK-LABEL: @normalized_convolution(
func.func @normalized_convolution(%x: tensor<2x3x7x6xf32>) -> tensor<2x4x5x4xf32> {
  %w = "onnx.Weight"() {name = "w", location = "w.bin", offset = 0 : i64, length = 432 : i64} : () -> tensor<4x3x3x3xf32>
  %b = "onnx.Weight"() {name = "b", location = "w.bin", offset = 432 : i64, length = 16 : i64} : () -> tensor<4xf32>
  %scale = "onnx.Weight"() {name = "scale", location = "w.bin", offset = 448 : i64, length = 16 : i64} : () -> tensor<4xf32>
  %shift = "onnx.Weight"() {name = "shift", location = "w.bin", offset = 464 : i64, length = 16 : i64} : () -> tensor<4xf32>
  %mean = "onnx.Weight"() {name = "mean", location = "w.bin", offset = 480 : i64, length = 16 : i64} : () -> tensor<4xf32>
  %variance = "onnx.Weight"() {name = "variance", location = "w.bin", offset = 496 : i64, length = 16 : i64} : () -> tensor<4xf32>
  // CHECK: onnx.Sqrt
  // CHECK: %[[F:.*]] = "onnx.Div"
  // CHECK: %[[W:.*]] = "onnx.Mul"({{.*}}) : (tensor<4x3x3x3xf32>, tensor<4x1x1x1xf32>)
  // CHECK: onnx.Sub
  // CHECK: %[[B:.*]] = "onnx.Sub"
  // CHECK: %[[Y:.*]] = "onnx.Conv"(%arg0, %[[W]], %[[B]]) {kernel_shape = array<i64: 3, 3>}
  // CHECK-NOT: onnx.BatchNormalization
  // CHECK: return %[[Y]]
  %0 = "onnx.Conv"(%x, %w, %b) {kernel_shape = array<i64: 3, 3>} : (tensor<2x3x7x6xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>) -> tensor<2x4x5x4xf32>
  %1 = "onnx.BatchNormalization"(%0, %scale, %shift, %mean, %variance) {epsilon = 1.0e-3 : f32} : (tensor<2x4x5x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x5x4xf32>
  return %1 : tensor<2x4x5x4xf32>
}

// -----

// A convolution that is read before it is normalised, and one whose weights are no constants, stay.
// CHECK-LABEL: @convolutions_that_stay(
func.func @convolutions_that_stay(%x: tensor<2x3x7x6xf32>, %v: tensor<4x3x3x3xf32>) -> (tensor<2x4x5x4xf32>, tensor<2x4x5x4xf32>, tensor<2x4x5x4xf32>) {
  %none = "onnx.None"() : () -> none
  %w = "onnx.Weight"() {name = "w", location = "w.bin", offset = 0 : i64, length = 432 : i64} : () -> tensor<4x3x3x3xf32>
  %scale = "onnx.Weight"() {name = "scale", location = "w.bin", offset = 448 : i64, length = 16 : i64} : () -> tensor<4xf32>
  // CHECK-COUNT-2: onnx.BatchNormalization
  %0 = "onnx.Conv"(%x, %w, %none) : (tensor<2x3x7x6xf32>, tensor<4x3x3x3xf32>, none) -> tensor<2x4x5x4xf32>
  %1 = "onnx.BatchNormalization"(%0, %scale, %scale, %scale, %scale) : (tensor<2x4x5x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x5x4xf32>
  %2 = "onnx.Conv"(%x, %v, %none) : (tensor<2x3x7x6xf32>, tensor<4x3x3x3xf32>, none) -> tensor<2x4x5x4xf32>
  %3 = "onnx.BatchNormalization"(%2, %scale, %scale, %scale, %scale) : (tensor<2x4x5x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x5x4xf32>
  return %0, %1, %3 : tensor<2x4x5x4xf32>, tensor<2x4x5x4xf32>, tensor<2x4x5x4xf32>
}
