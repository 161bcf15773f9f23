// RUN: split-file %s %t
// RUN: shard-opt %t/chain.mlir --assign-stages | FileCheck %t/chain.mlir
// RUN: shard-opt %t/chain.mlir --assign-stages="schedule=interleaved" | FileCheck --check-prefix=CHUNKS %t/chain.mlir
// RUN: shard-opt %t/chain.mlir --assign-stages="microbatches=4" | FileCheck --check-prefix=PARTS %t/chain.mlir
// RUN: shard-opt %t/pinned.mlir --assign-stages | FileCheck %t/pinned.mlir
// RUN: shard-opt %t/heads.mlir --assign-stages="microbatches=2" | FileCheck %t/heads.mlir

//--- chain.mlir
// Four equal products: two per stage. The mask is made of an input by one cheap op, and is computed wherever it is read; weights
// belong to no stage.
// CHECK: dist.stages = [{ops = {{[0-9]+}} : i64, seconds = {{.*}}, weight_bytes = 524288 : i64}, {{{.*}}, weight_bytes = 524288 : i64}]
// CHECK: "onnx.Cast"(%{{.*}}) {to = 1 : i64} :
// CHECK: "onnx.MatMul"{{.*}} {dist.stage = 0 : i64}
// CHECK: "onnx.MatMul"{{.*}} {dist.stage = 0 : i64}
// CHECK: "onnx.MatMul"{{.*}} {dist.stage = 1 : i64}
// CHECK: "onnx.MatMul"{{.*}} {dist.stage = 1 : i64}

// Two chunks per rank of one product each.
// CHUNKS: dist.pipeline = {chunks = 2 : i64, mesh = #mesh, microbatches = 1 : i64, schedule = "interleaved"}
// CHUNKS: "onnx.MatMul"{{.*}} {dist.stage = 0 : i64}
// CHUNKS: "onnx.MatMul"{{.*}} {dist.stage = 1 : i64}
// CHUNKS: "onnx.MatMul"{{.*}} {dist.stage = 2 : i64}
// CHUNKS: "onnx.MatMul"{{.*}} {dist.stage = 3 : i64}

// The symbol is a part's from here on: of 6, cut in 4, at most 2.
// PARTS: dist.pipeline = {chunks = 1 : i64, mesh = #mesh, microbatches = 4 : i64, schedule = "gpipe"}
// PARTS: dist.symbols = {b = {assumed = 2 : i64, {{.*}}}, b.total = {assumed = 6 : i64, {{.*}}}}
module attributes {dist.batch = "b", dist.pipeline = {mesh = #dist.mesh<"pp=2">}, dist.symbols = {b = {assumed = 6 : i64, min = 1 : i64}}} {
  func.func @main(%x: tensor<?x256xf32, #dist.exprs<["b", 256]>>, %m: tensor<?x1xi1, #dist.exprs<["b", 1]>>) -> tensor<?x256xf32, #dist.exprs<["b", 256]>> {
    %w0 = "onnx.Weight"() {name = "w0", location = "f", offset = 0 : i64, length = 262144 : i64} : () -> tensor<256x256xf32>
    %w1 = "onnx.Weight"() {name = "w1", location = "f", offset = 262144 : i64, length = 262144 : i64} : () -> tensor<256x256xf32>
    %w2 = "onnx.Weight"() {name = "w2", location = "f", offset = 524288 : i64, length = 262144 : i64} : () -> tensor<256x256xf32>
    %w3 = "onnx.Weight"() {name = "w3", location = "f", offset = 786432 : i64, length = 262144 : i64} : () -> tensor<256x256xf32>
    %mask = "onnx.Cast"(%m) {to = 1 : i64} : (tensor<?x1xi1, #dist.exprs<["b", 1]>>) -> tensor<?x1xf32, #dist.exprs<["b", 1]>>
    %0 = "onnx.MatMul"(%x, %w0) : (tensor<?x256xf32, #dist.exprs<["b", 256]>>, tensor<256x256xf32>) -> tensor<?x256xf32, #dist.exprs<["b", 256]>>
    %1 = "onnx.Mul"(%0, %mask) : (tensor<?x256xf32, #dist.exprs<["b", 256]>>, tensor<?x1xf32, #dist.exprs<["b", 1]>>) -> tensor<?x256xf32, #dist.exprs<["b", 256]>>
    %2 = "onnx.MatMul"(%1, %w1) : (tensor<?x256xf32, #dist.exprs<["b", 256]>>, tensor<256x256xf32>) -> tensor<?x256xf32, #dist.exprs<["b", 256]>>
    %3 = "onnx.MatMul"(%2, %w2) : (tensor<?x256xf32, #dist.exprs<["b", 256]>>, tensor<256x256xf32>) -> tensor<?x256xf32, #dist.exprs<["b", 256]>>
    %4 = "onnx.Mul"(%3, %mask) : (tensor<?x256xf32, #dist.exprs<["b", 256]>>, tensor<?x1xf32, #dist.exprs<["b", 1]>>) -> tensor<?x256xf32, #dist.exprs<["b", 256]>>
    %5 = "onnx.MatMul"(%4, %w3) : (tensor<?x256xf32, #dist.exprs<["b", 256]>>, tensor<256x256xf32>) -> tensor<?x256xf32, #dist.exprs<["b", 256]>>
    return %5 : tensor<?x256xf32, #dist.exprs<["b", 256]>>
  }
}

//--- pinned.mlir
// What the user says of one op moves the cut.
// CHECK: "onnx.MatMul"{{.*}} {dist.stage = 0 : i64}
// CHECK: "onnx.MatMul"{{.*}} {dist.pin_stage = 1 : i64, dist.stage = 1 : i64}
// CHECK: "onnx.MatMul"{{.*}} {dist.stage = 1 : i64}
// CHECK: "onnx.MatMul"{{.*}} {dist.stage = 1 : i64}
module attributes {dist.pipeline = {mesh = #dist.mesh<"pp=2">}} {
  func.func @main(%x: tensor<5x256xf32>) -> tensor<5x256xf32> {
    %w0 = "onnx.Weight"() {name = "w0", location = "f", offset = 0 : i64, length = 262144 : i64} : () -> tensor<256x256xf32>
    %0 = "onnx.MatMul"(%x, %w0) : (tensor<5x256xf32>, tensor<256x256xf32>) -> tensor<5x256xf32>
    %1 = "onnx.MatMul"(%0, %w0) {dist.pin_stage = 1 : i64} : (tensor<5x256xf32>, tensor<256x256xf32>) -> tensor<5x256xf32>
    %2 = "onnx.MatMul"(%1, %w0) : (tensor<5x256xf32>, tensor<256x256xf32>) -> tensor<5x256xf32>
    %3 = "onnx.MatMul"(%2, %w0) : (tensor<5x256xf32>, tensor<256x256xf32>) -> tensor<5x256xf32>
    return %3 : tensor<5x256xf32>
  }
}

//--- heads.mlir
// Positions spread over a dim of heads of each element of the batch are cut with it, as the scores that they choose from.
// CHECK: microbatches = 2 : i64
module attributes {dist.batch = "b", dist.symbols = {b = {assumed = 6 : i64, min = 1 : i64}}} {
  func.func @main(%x: tensor<?x4x5x7xf32, #dist.exprs<["b", 4, 5, 7]>>, %p: tensor<1x5x3xi64>) -> tensor<?x5x3xf32, #dist.exprs<["4*b", 5, 3]>> {
    %none = "onnx.None"() : () -> none
    %1 = "onnx.Reshape"(%x, %none) {static = [unit, #dist.exprs<["4*b", 5, 7]>]} : (tensor<?x4x5x7xf32, #dist.exprs<["b", 4, 5, 7]>>, none) -> tensor<?x5x7xf32, #dist.exprs<["4*b", 5, 7]>>
    %2 = "onnx.Expand"(%p, %none) {static = [unit, #dist.exprs<["4*b", 5, 3]>]} : (tensor<1x5x3xi64>, none) -> tensor<?x5x3xi64, #dist.exprs<["4*b", 5, 3]>>
    %3 = "onnx.GatherElements"(%1, %2) {axis = -1 : i64} : (tensor<?x5x7xf32, #dist.exprs<["4*b", 5, 7]>>, tensor<?x5x3xi64, #dist.exprs<["4*b", 5, 3]>>) -> tensor<?x5x3xf32, #dist.exprs<["4*b", 5, 3]>>
    return %3 : tensor<?x5x3xf32, #dist.exprs<["4*b", 5, 3]>>
  }
}
