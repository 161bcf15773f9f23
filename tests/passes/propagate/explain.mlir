// RUN: shard-opt %s --choose-strategies --insert-reshards --explain="tensor=y" | FileCheck %s
// RUN: shard-opt %s --choose-strategies --insert-reshards --explain="tensor=w2" | FileCheck --check-prefix=WEIGHT %s

// CHECK: y [5, 48] float32
// CHECK-NEXT: held as [_, _] partial=sum{tp}: onnx.MatMul "MatMul_2", strategy k:{tp}; from tp: search
// CHECK-NEXT: resharded to [_, 48{tp}]
// CHECK-NEXT: read by the caller as [_, 48{tp}]

// WEIGHT: w2 [200, 48] float32
// WEIGHT-NEXT: held as [200{tp}, _]: onnx.Weight{{.*}}; from tp: search
// WEIGHT-NEXT: read by onnx.MatMul "MatMul_2" as [200{tp}, _]

module attributes {dist.mesh = #dist.mesh<"tp=2">} {
  func.func @main(%x: tensor<5x48xf32>) -> tensor<5x48xf32> {
    %w1 = "onnx.Weight"() {name = "w1", location = "m.onnx", offset = 0 : i64, length = 38400 : i64} : () -> tensor<48x200xf32>
    %w2 = "onnx.Weight"() {name = "w2", location = "m.onnx", offset = 38400 : i64, length = 38400 : i64} : () -> tensor<200x48xf32>
    %0 = "onnx.MatMul"(%x, %w1) : (tensor<5x48xf32>, tensor<48x200xf32>) -> tensor<5x200xf32> loc("MatMul_1"("h"))
    %1 = "onnx.MatMul"(%0, %w2) : (tensor<5x200xf32>, tensor<200x48xf32>) -> tensor<5x48xf32> loc("MatMul_2"("y"))
    return %1 : tensor<5x48xf32>
  }
}
