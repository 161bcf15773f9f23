// RUN: split-file %s %t
// RUN: not shard-opt %t/model.mlir --assign-stages="schedule=zigzag" 2>&1 | FileCheck --check-prefix=SCHEDULE %s
// RUN: not shard-opt %t/model.mlir --assign-stages="schedule=interleaved:1" 2>&1 | FileCheck --check-prefix=CHUNKS %s
// RUN: not shard-opt %t/model.mlir --assign-stages="microbatches=0" 2>&1 | FileCheck --check-prefix=ZERO %s
// RUN: not shard-opt %t/model.mlir --assign-stages="microbatches=2" 2>&1 | FileCheck --check-prefix=MIXED %s
// RUN: not shard-opt %t/softmax.mlir --assign-stages="microbatches=2" 2>&1 | FileCheck --check-prefix=SOFTMAX %s
// RUN: not shard-opt %t/size.mlir --assign-stages="microbatches=2" 2>&1 | FileCheck --check-prefix=SIZE %s
// RUN: not shard-opt %t/repeated.mlir --assign-stages="microbatches=2" 2>&1 | FileCheck --check-prefix=REPEATED %s
// RUN: not shard-opt %t/small.mlir --assign-stages="microbatches=2" 2>&1 | FileCheck --check-prefix=BATCH %s
// RUN: not shard-opt %t/small.mlir --assign-stages 2>&1 | FileCheck --check-prefix=SMALL %s
// RUN: not shard-opt %t/pins.mlir --assign-stages 2>&1 | FileCheck --check-prefix=PINS %s
// RUN: not shard-opt %t/pins.mlir --assign-stages="schedule=interleaved" 2>&1 | FileCheck --check-prefix=PINCHUNKS %s

// SCHEDULE: --schedule zigzag: allowed are gpipe, 1f1b, interleaved and interleaved:N
// CHUNKS: --schedule interleaved:1: give interleaved:N with N chunks per rank, 2 or more
// ZERO: --microbatches 0: give 1 or more
// A mean over the batch sees all of it.
// MIXED: Mean_1 (onnx.ReduceMean): mixes the elements of a batch, so that the batch (symbol b) cannot be cut into microbatches; compile with --microbatches 1
// SOFTMAX: Softmax_1 (onnx.Softmax): mixes the elements of a batch
// SIZE: Shape_1 (onnx.ShapeValue): computes with the size of the batch
// Of [3, b] as one dim, a part of the batch is in three places.
// REPEATED: an output has the batch's size and not its order
// BATCH: --microbatches 2: no input has a symbolic first dim to cut; say which symbol is the batch with --batch
// SMALL: axis pp wants 3 stages, and the model has 1 ops to put there; use a smaller axis
// PINCHUNKS: --schedule interleaved: node MatMul_1 is pinned to stage 1, and each stage has several chunks of the model; use schedule gpipe
// PINS: node 'MatMul_2' is pinned to stage 0, and node 'MatMul_1', whose result it needs, to stage 1

//--- model.mlir
module attributes {dist.batch = "b", dist.pipeline = {mesh = #dist.mesh<"pp=2">}, dist.symbols = {b = {assumed = 6 : i64}}} {
  func.func @main(%x: tensor<?x4xf32, #dist.exprs<["b", 4]>>) -> tensor<1x4xf32> {
    %none = "onnx.None"() : () -> none
    %0 = "onnx.Relu"(%x) : (tensor<?x4xf32, #dist.exprs<["b", 4]>>) -> tensor<?x4xf32, #dist.exprs<["b", 4]>> loc("Relu_1"("r"))
    %1 = "onnx.ReduceMean"(%0, %none) {keepdims = 1 : i64, static = [unit, #dist.exprs<[0]>]} : (tensor<?x4xf32, #dist.exprs<["b", 4]>>, none) -> tensor<1x4xf32> loc("Mean_1"("m"))
    return %1 : tensor<1x4xf32>
  }
}

//--- softmax.mlir
module attributes {dist.batch = "b", dist.symbols = {b = {assumed = 6 : i64}}} {
  func.func @main(%x: tensor<?x4xf32, #dist.exprs<["b", 4]>>) -> tensor<?x4xf32, #dist.exprs<["b", 4]>> {
    %0 = "onnx.Softmax"(%x) {axis = 0 : i64} : (tensor<?x4xf32, #dist.exprs<["b", 4]>>) -> tensor<?x4xf32, #dist.exprs<["b", 4]>> loc("Softmax_1"("y"))
    return %0 : tensor<?x4xf32, #dist.exprs<["b", 4]>>
  }
}

//--- size.mlir
module attributes {dist.batch = "b", dist.symbols = {b = {assumed = 6 : i64}}} {
  func.func @main(%x: tensor<?x4xi64, #dist.exprs<["b", 4]>>) -> tensor<?x4xi64, #dist.exprs<["b", 4]>> {
    %n = "onnx.ShapeValue"() {exprs = #dist.exprs<["b"]>} : () -> tensor<1xi64> loc("Shape_1"("n"))
    %0 = "onnx.Div"(%x, %n) : (tensor<?x4xi64, #dist.exprs<["b", 4]>>, tensor<1xi64>) -> tensor<?x4xi64, #dist.exprs<["b", 4]>>
    return %0 : tensor<?x4xi64, #dist.exprs<["b", 4]>>
  }
}

//--- repeated.mlir
module attributes {dist.batch = "b", dist.symbols = {b = {assumed = 6 : i64}}} {
  func.func @main(%x: tensor<?x4xi64, #dist.exprs<["b", 4]>>) -> tensor<?x4xi64, #dist.exprs<["3*b", 4]>> {
    %none = "onnx.None"() : () -> none
    %0 = "onnx.Reshape"(%x, %none) {static = [unit, #dist.exprs<[1, "b", 4]>]} : (tensor<?x4xi64, #dist.exprs<["b", 4]>>, none) -> tensor<1x?x4xi64, #dist.exprs<[1, "b", 4]>>
    %1 = "onnx.Expand"(%0, %none) {static = [unit, #dist.exprs<[3, "b", 4]>]} : (tensor<1x?x4xi64, #dist.exprs<[1, "b", 4]>>, none) -> tensor<3x?x4xi64, #dist.exprs<[3, "b", 4]>>
    %2 = "onnx.Reshape"(%1, %none) {static = [unit, #dist.exprs<["3*b", 4]>]} : (tensor<3x?x4xi64, #dist.exprs<[3, "b", 4]>>, none) -> tensor<?x4xi64, #dist.exprs<["3*b", 4]>>
    return %2 : tensor<?x4xi64, #dist.exprs<["3*b", 4]>>
  }
}

//--- small.mlir
module attributes {dist.pipeline = {mesh = #dist.mesh<"pp=3">}} {
  func.func @main(%x: tensor<256x256xf32>) -> tensor<256x256xf32> {
    %0 = "onnx.MatMul"(%x, %x) : (tensor<256x256xf32>, tensor<256x256xf32>) -> tensor<256x256xf32>
    return %0 : tensor<256x256xf32>
  }
}

//--- pins.mlir
module attributes {dist.pipeline = {mesh = #dist.mesh<"pp=2">}} {
  func.func @main(%x: tensor<256x256xf32>) -> tensor<256x256xf32> {
    %0 = "onnx.MatMul"(%x, %x) {dist.pin_stage = 1 : i64} : (tensor<256x256xf32>, tensor<256x256xf32>) -> tensor<256x256xf32> loc("MatMul_1"("a"))
    %1 = "onnx.MatMul"(%0, %x) {dist.pin_stage = 0 : i64} : (tensor<256x256xf32>, tensor<256x256xf32>) -> tensor<256x256xf32> loc("MatMul_2"("b"))
    return %1 : tensor<256x256xf32>
  }
}
