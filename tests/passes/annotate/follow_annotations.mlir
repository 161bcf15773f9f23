// RUN: shard-opt %s --split-input-file --follow-annotations 2>%t | FileCheck %s
// RUN: FileCheck --check-prefix=WARN %s <%t

// A value is as its node says; a weight, that no node computes, as its readers say; readers read as they say. Devices of groups
// are along the mesh's axes, several factors are one dim.
// CHECK-LABEL: func.func @main
// CHECK-SAME: dist.origin = "model: node MatMul_1", dist.pin = #dist.sharding<#mesh, "[batch{dp}/batch, _]">
// CHECK: "onnx.Weight"() {dist.origin = "model: node MatMul_1", dist.pins = [#dist.sharding<#mesh, "[_, 3*4{tp}]">]
// CHECK: "onnx.MatMul"
// CHECK-SAME: dist.origin = "model: node MatMul_1", dist.pin_chunk = 0 : i64, dist.pins = [#dist.sharding<#mesh, "[batch{dp}/batch, 3*4{tp}]">]
// CHECK-SAME: dist.wants = [#dist.sharding<#mesh, "[batch{dp}/batch, _]">, #dist.sharding<#mesh, "[_, 3*4{tp}]">]
// CHECK: "onnx.Relu"
// CHECK-NOT: dist.pins
// CHECK-SAME: dist.wants = [#dist.sharding<#mesh, "[_, _]">]
module attributes {dist.mesh = #dist.mesh<"dp=2,tp=2">, dist.symbols = {batch = {assumed = 1, divisor = 1, max = 64, min = 1}},
    onnx.configurations = [{name = "other", devices = 3 : i64, nodes = []}, {name = "four", devices = 4 : i64, nodes = [
      {node = "MatMul_1", stage = 0 : i64, tensors = [
        {tensor = "x", devices = [array<i64: 0, 1>, array<i64: 2, 3>], dims = [{axis = 0 : i64, sizes = [""], shards = array<i64: 2>}]},
        {tensor = "w", devices = [array<i64: 0, 2>, array<i64: 1, 3>], dims = [{axis = -1 : i64, sizes = ["3", ""], shards = array<i64: 1, 2>}]},
        {tensor = "y", devices = [array<i64: 0>, array<i64: 1>, array<i64: 2>, array<i64: 3>],
         dims = [{axis = 0 : i64, sizes = ["batch"], shards = array<i64: 2>}, {axis = 1 : i64, sizes = ["3", "4"], shards = array<i64: 1, 2>}]}]},
      {node = "Relu_1", tensors = [{tensor = "y", devices = [array<i64: 0, 1, 2, 3>], dims = []}]}]}]} {
  func.func @main(%x: tensor<?x6xf32, #dist.exprs<["batch", 6]>> {onnx.name = "x"}) -> (tensor<?x12xf32, #dist.exprs<["batch", 12]>> {onnx.name = "z"}) {
    %w = "onnx.Weight"() {name = "w", location = "m", offset = 0 : i64, length = 288 : i64} : () -> tensor<6x12xf32>
    %y = "onnx.MatMul"(%x, %w) : (tensor<?x6xf32, #dist.exprs<["batch", 6]>>, tensor<6x12xf32>) -> tensor<?x12xf32, #dist.exprs<["batch", 12]>> loc("MatMul_1"("y"))
    %z = "onnx.Relu"(%y) : (tensor<?x12xf32, #dist.exprs<["batch", 12]>>) -> tensor<?x12xf32, #dist.exprs<["batch", 12]>> loc("Relu_1"("z"))
    return %z : tensor<?x12xf32, #dist.exprs<["batch", 12]>>
  }
}

// -----

// Stages that count from 1; without devices, the only axis of that many ranks; what the spec has pinned stays, with one warning.
// WARN: warning: --shard says otherwise than the model's annotations of 2 names, the first of them "Relu_2"; --shard wins
// CHECK-LABEL: func.func @main
// CHECK: "onnx.Relu"(%arg0) {dist.origin = "model: node Relu_1", dist.pin_chunk = 0 : i64, dist.pins = [#dist.sharding<#mesh, "[_, 12{tp}]">]
// CHECK: "onnx.Relu"
// CHECK-NOT: dist.pin_chunk
// CHECK-SAME: dist.pin_stage = 0 : i64, dist.pins = [#dist.sharding<#mesh, "[12{tp}, _]">]
module attributes {dist.mesh = #dist.mesh<"tp=3">, dist.pipeline = {mesh = #dist.mesh<"pp=2,tp=3">},
    onnx.configurations = [{name = "six", devices = 6 : i64, nodes = [
      {node = "Relu_1", stage = 1 : i64, tensors = [{tensor = "y", devices = [], dims = [{axis = 1 : i64, sizes = [""], shards = array<i64: 3>}]}]},
      {node = "Relu_2", stage = 2 : i64, tensors = [{tensor = "z", devices = [array<i64: 3, 4, 5>], dims = []}]}]}]} {
  func.func @main(%x: tensor<12x12xf32> {onnx.name = "x"}) -> (tensor<12x12xf32> {onnx.name = "z"}) {
    %y = "onnx.Relu"(%x) : (tensor<12x12xf32>) -> tensor<12x12xf32> loc("Relu_1"("y"))
    %z = "onnx.Relu"(%y) {dist.pin_stage = 0 : i64, dist.pins = [#dist.sharding<#dist.mesh<"tp=3">, "[12{tp}, _]">]} : (tensor<12x12xf32>) -> tensor<12x12xf32> loc("Relu_2"("z"))
    return %z : tensor<12x12xf32>
  }
}

// -----

// A weight that is read in pieces; a configuration named after the mesh, among several of as many devices.
// CHECK-LABEL: func.func @main
// CHECK: "onnx.Weight"(){{.*}}begin = array<i64: 0, 0>{{.*}}dist.pins = [#dist.sharding<#mesh, "[_, 4{tp}]">]
// CHECK: "onnx.Weight"(){{.*}}begin = array<i64: 0, 4>{{.*}}dist.pins = [#dist.sharding<#mesh, "[_, 4{tp}]">]
module attributes {dist.mesh = #dist.mesh<"tp=2">,
    onnx.configurations = [{name = "two", devices = 2 : i64, nodes = []}, {name = "tp=2", devices = 2 : i64, nodes = [
      {node = "MatMul_1", tensors = [{tensor = "w", devices = [array<i64: 0>, array<i64: 1>], dims = [{axis = 1 : i64, sizes = ["2", "4"], shards = array<i64: 1, 2>}]}]}]}]} {
  func.func @main(%x: tensor<5x6xf32> {onnx.name = "x"}) -> (tensor<5x4xf32>, tensor<5x4xf32>) {
    %w = "onnx.Weight"() {name = "w[:,0:4]", location = "m", offset = 0 : i64, length = 192 : i64, whole = array<i64: 6, 8>, begin = array<i64: 0, 0>} : () -> tensor<6x4xf32>
    %v = "onnx.Weight"() {name = "w[:,4:8]", location = "m", offset = 0 : i64, length = 192 : i64, whole = array<i64: 6, 8>, begin = array<i64: 0, 4>} : () -> tensor<6x4xf32>
    %y = "onnx.MatMul"(%x, %w) : (tensor<5x6xf32>, tensor<6x4xf32>) -> tensor<5x4xf32> loc("MatMul_1"("y"))
    %z = "onnx.MatMul"(%x, %v) : (tensor<5x6xf32>, tensor<6x4xf32>) -> tensor<5x4xf32> loc("MatMul_1"("z"))
    return %y, %z : tensor<5x4xf32>, tensor<5x4xf32>
  }
}

// -----

// WARN: warning: the model is annotated for several devices, and is compiled for one; give --mesh
// CHECK-LABEL: func.func @main
module attributes {onnx.configurations = [{name = "two", devices = 2 : i64, nodes = []}]} {
  func.func @main(%x: tensor<5x6xf32>) -> tensor<5x6xf32> {
    return %x : tensor<5x6xf32>
  }
}
