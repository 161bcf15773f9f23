// RUN: shard-opt %s --split-stages | FileCheck %s

// The value of stage 0 that two others read is sent to each of them; what says no stage is in every one that needs it, and so are
// weights. An input that nobody reads stays an input; a result that is an input is the last stage's.
// CHECK-LABEL: func.func @stage_0
// CHECK-SAME: %[[X:.*]]: tensor<5x8xf32> {dist.port = 0 : i64, onnx.name = "x"}, %{{.*}}: tensor<2xf32> {dist.port = 2 : i64, onnx.name = "unused"}
// CHECK-SAME: -> (tensor<5x8xf32> {dist.peer = 1 : i64, dist.send = 0 : i64}, tensor<5x8xf32> {dist.peer = 2 : i64, dist.send = 1 : i64})
// CHECK-SAME: attributes {dist.stage = 0 : i64}
// CHECK: %[[W:.*]] = "onnx.Weight"
// CHECK: %[[A:.*]] = "onnx.MatMul"(%[[X]], %[[W]])
// CHECK: return %[[A]], %[[A]]

// CHECK-LABEL: func.func @stage_1
// CHECK-SAME: %[[M:.*]]: tensor<5x1xf32> {dist.port = 1 : i64, onnx.name = "m"}, %[[A:.*]]: tensor<5x8xf32> {dist.peer = 0 : i64, dist.receive = 0 : i64, onnx.name = "a"}
// CHECK-SAME: -> (tensor<5x8xf32> {dist.peer = 2 : i64, dist.send = 2 : i64})
// CHECK: %[[W:.*]] = "onnx.Weight"
// CHECK: %[[N:.*]] = "onnx.Neg"(%[[M]])
// CHECK: %[[B:.*]] = "onnx.MatMul"(%[[A]], %[[W]])
// CHECK: "onnx.Add"(%[[B]], %[[N]])

// CHECK-LABEL: func.func @stage_2
// CHECK-SAME: {dist.port = 1 : i64, onnx.name = "m"}
// CHECK-SAME: {dist.peer = 0 : i64, dist.receive = 1 : i64, onnx.name = "a"}
// CHECK-SAME: {dist.peer = 1 : i64, dist.receive = 2 : i64}
// CHECK-SAME: -> (tensor<5x8xf32> {dist.port = 0 : i64, onnx.name = "y"}, tensor<5x1xf32> {dist.port = 1 : i64, onnx.name = "echo"})
// CHECK: "onnx.Neg"
// CHECK-NOT: func.func @main
module attributes {dist.pipeline = {mesh = #dist.mesh<"pp=3">}} {
  func.func @main(%x: tensor<5x8xf32> {onnx.name = "x"}, %m: tensor<5x1xf32> {onnx.name = "m"}, %u: tensor<2xf32> {onnx.name = "unused"}) -> (tensor<5x8xf32> {onnx.name = "y"}, tensor<5x1xf32> {onnx.name = "echo"}) {
    %w = "onnx.Weight"() {name = "w", location = "f", offset = 0 : i64, length = 256 : i64} : () -> tensor<8x8xf32>
    %n = "onnx.Neg"(%m) : (tensor<5x1xf32>) -> tensor<5x1xf32>
    %a = "onnx.MatMul"(%x, %w) {dist.stage = 0 : i64} : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32> loc("MatMul_1"("a"))
    %b = "onnx.MatMul"(%a, %w) {dist.stage = 1 : i64} : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %c = "onnx.Add"(%b, %n) {dist.stage = 1 : i64} : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
    %d = "onnx.Mul"(%c, %n) {dist.stage = 2 : i64} : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
    %e = "onnx.Sub"(%d, %a) {dist.stage = 2 : i64} : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
    return %e, %m : tensor<5x8xf32>, tensor<5x1xf32>
  }
}
