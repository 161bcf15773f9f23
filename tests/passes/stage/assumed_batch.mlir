// RUN: split-file %s %t
// RUN: shard-opt %t/open.mlir --annotate="mesh=dp=3,tp=2" | FileCheck %s --check-prefix=DP
// RUN: shard-opt %t/open.mlir --annotate="mesh=dp=3,tp=2" --assign-stages=microbatches=4 | FileCheck %s --check-prefix=BOTH
// RUN: shard-opt %t/said.mlir --annotate="mesh=dp=3,tp=2" --assign-stages=microbatches=4 | FileCheck %s --check-prefix=SAID

// Where nobody says at which batch costs are taken, every part that it is cut into has one sample, up to the largest batch.
// DP: dist.symbols = {b = {assumed = 3 :
// BOTH: dist.symbols = {b = {assumed = 3 : {{.*}}b.total = {assumed = 10 :
// What is said stays, though most parts of it have nothing.
// SAID: dist.symbols = {b = {assumed = 1 : {{.*}}b.total = {assumed = 2 :

//--- open.mlir
module attributes {dist.batch = "b", dist.batch_follows_parts, dist.symbols = {b = {assumed = 1 : i64, max = 10 : i64}}} {
  func.func @main(%x: tensor<?x5xf32, #dist.exprs<["b", 5]>>) -> tensor<?x5xf32, #dist.exprs<["b", 5]>> {
    %1 = "onnx.Relu"(%x) : (tensor<?x5xf32, #dist.exprs<["b", 5]>>) -> tensor<?x5xf32, #dist.exprs<["b", 5]>>
    %2 = "onnx.Tanh"(%1) : (tensor<?x5xf32, #dist.exprs<["b", 5]>>) -> tensor<?x5xf32, #dist.exprs<["b", 5]>>
    return %2 : tensor<?x5xf32, #dist.exprs<["b", 5]>>
  }
}
//--- said.mlir
module attributes {dist.batch = "b", dist.symbols = {b = {assumed = 2 : i64, max = 10 : i64}}} {
  func.func @main(%x: tensor<?x5xf32, #dist.exprs<["b", 5]>>) -> tensor<?x5xf32, #dist.exprs<["b", 5]>> {
    %1 = "onnx.Relu"(%x) : (tensor<?x5xf32, #dist.exprs<["b", 5]>>) -> tensor<?x5xf32, #dist.exprs<["b", 5]>>
    %2 = "onnx.Tanh"(%1) : (tensor<?x5xf32, #dist.exprs<["b", 5]>>) -> tensor<?x5xf32, #dist.exprs<["b", 5]>>
    return %2 : tensor<?x5xf32, #dist.exprs<["b", 5]>>
  }
}
