// RUN: not shard-opt %s --split-input-file --follow-annotations 2>&1 | FileCheck %s

// CHECK: error: A: is annotated with pipeline stage 1, and the mesh dp=2,tp=2 has no axis pp; give it one, or --ignore-annotations
// CHECK: error: A: annotation of tensor "y": axis 5: the tensor has 2 dims
// CHECK: error: B: annotation of tensor "y": axis 1 has 3 elements, which cannot be split in 4 parts
// CHECK: error: C: annotation of tensor "y": the devices of its shards are no arrangement along axes of the mesh dp=2,tp=2
// CHECK: error: D: annotation of tensor "y": lists no devices, and 2 axes of the mesh dp=2,tp=2 have 2 ranks; list the devices
// CHECK: error: E: annotation of tensor "y": a device holds no shard
// CHECK: error: F: annotation of tensor "y": axis 0 is split as several factors; give the sizes of all but one
// CHECK: error: G: annotation of tensor "y": dim 0: the factors multiply to 10, and the dim is 12
// CHECK: error: H: annotation of tensor "y": axis -2 is split twice; list it once
module attributes {dist.mesh = #dist.mesh<"dp=2,tp=2">, onnx.configurations = [{name = "four", devices = 4 : i64, nodes = [
    {node = "A", stage = 1 : i64, tensors = [{tensor = "y", devices = [array<i64: 0, 1>, array<i64: 2, 3>], dims = [{axis = 5 : i64, sizes = [""], shards = array<i64: 2>}]}]},
    {node = "B", tensors = [{tensor = "y", devices = [array<i64: 0>, array<i64: 1>, array<i64: 2>, array<i64: 3>], dims = [{axis = 1 : i64, sizes = [""], shards = array<i64: 4>}]}]},
    {node = "C", tensors = [{tensor = "y", devices = [array<i64: 0, 3>, array<i64: 1, 2>], dims = [{axis = 0 : i64, sizes = [""], shards = array<i64: 2>}]}]},
    {node = "D", tensors = [{tensor = "y", devices = [], dims = [{axis = 0 : i64, sizes = [""], shards = array<i64: 2>}]}]},
    {node = "E", tensors = [{tensor = "y", devices = [array<i64: 0>, array<i64: 1>], dims = [{axis = 0 : i64, sizes = [""], shards = array<i64: 2>}]}]},
    {node = "F", tensors = [{tensor = "y", devices = [array<i64: 0, 1>, array<i64: 2, 3>], dims = [{axis = 0 : i64, sizes = ["", ""], shards = array<i64: 1, 2>}]}]},
    {node = "G", tensors = [{tensor = "y", devices = [array<i64: 0, 1>, array<i64: 2, 3>], dims = [{axis = 0 : i64, sizes = ["5", "2"], shards = array<i64: 1, 2>}]}]},
    {node = "H", tensors = [{tensor = "y", devices = [array<i64: 0>, array<i64: 1>, array<i64: 2>, array<i64: 3>],
                             dims = [{axis = 0 : i64, sizes = [""], shards = array<i64: 2>}, {axis = -2 : i64, sizes = [""], shards = array<i64: 2>}]}]}]}]} {
  func.func @main(%x: tensor<12x3xf32>) -> tensor<12x3xf32> {
    %y = "onnx.Relu"(%x) : (tensor<12x3xf32>) -> tensor<12x3xf32> loc("A"("y"))
    return %y : tensor<12x3xf32>
  }
}

// -----

// CHECK: error: the mesh tp=2 has 2 ranks, and the model is annotated for "four" (4 devices), "one" (1 device): give a mesh of as many ranks as one of them has devices, or --ignore-annotations
module attributes {dist.mesh = #dist.mesh<"tp=2">, onnx.configurations = [{name = "four", devices = 4 : i64, nodes = []}, {name = "one", devices = 1 : i64, nodes = []}]} {
  func.func @main() {
    return
  }
}

// -----

// CHECK: error: the mesh tp=2 has 2 ranks, and the model is annotated for "a" (2 devices), "b" (2 devices): name the one that is meant after the mesh, or --ignore-annotations
module attributes {dist.mesh = #dist.mesh<"tp=2">, onnx.configurations = [{name = "a", devices = 2 : i64, nodes = []}, {name = "b", devices = 2 : i64, nodes = []}]} {
  func.func @main() {
    return
  }
}

// -----

// CHECK: error: A: annotation of tensor "y": device 1 is one of stage 0 on the mesh pp=2,tp=2, and the node is annotated with stage 1
module attributes {dist.mesh = #dist.mesh<"tp=2">, dist.pipeline = {mesh = #dist.mesh<"pp=2,tp=2">}, onnx.configurations = [{name = "four", devices = 4 : i64, nodes = [
    {node = "A", stage = 1 : i64, tensors = [{tensor = "y", devices = [array<i64: 1, 2>], dims = []}]},
    {node = "B", stage = 0 : i64, tensors = []}]}]} {
  func.func @main(%x: tensor<12x3xf32>) -> tensor<12x3xf32> {
    %y = "onnx.Relu"(%x) : (tensor<12x3xf32>) -> tensor<12x3xf32> loc("A"("y"))
    return %y : tensor<12x3xf32>
  }
}

// -----

// CHECK: error: A: annotation of tensor "y": its stages hold it differently
module attributes {dist.mesh = #dist.mesh<"a=2,b=2">, dist.pipeline = {mesh = #dist.mesh<"pp=2,a=2,b=2">}, onnx.configurations = [{name = "eight", devices = 8 : i64, nodes = [
    {node = "A", tensors = [{tensor = "y", devices = [array<i64: 0, 1, 4, 6>, array<i64: 2, 3, 5, 7>], dims = [{axis = 0 : i64, sizes = [""], shards = array<i64: 2>}]}]}]}]} {
  func.func @main(%x: tensor<12x3xf32>) -> tensor<12x3xf32> {
    %y = "onnx.Relu"(%x) : (tensor<12x3xf32>) -> tensor<12x3xf32> loc("A"("y"))
    return %y : tensor<12x3xf32>
  }
}
