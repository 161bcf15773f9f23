// RUN: split-file %s %t
// RUN: shard-opt %t/model.mlir --annotate="mesh=dp=2,tp=4 spec=%t/spec.json" | FileCheck %s

// Trailing dims that are missing, and null, are left open; globs name several tensors; an output goes by its name.
// CHECK: dist.mesh = #mesh
// CHECK-SAME: dist.state = {hidden = "logits"}
// CHECK: %arg0: {{.*}} {dist.origin = "spec.json: /tensors/h*", dist.pin = #dist.sharding<#mesh, "[batch{dp}/batch, _]">, dist.pin_open = array<i64: 1>
// CHECK: "onnx.Weight"() {dist.origin = "spec.json: /tensors/dense.weight", dist.pins = [#dist.sharding<#mesh, "[6{tp:(2)2}, 8{dp}]">], dist.pins_open = [array<i64>]
// CHECK: "onnx.MatMul"{{.*}}dist.pin_strategy = {tp = "1.1"}, dist.pins = [#dist.sharding<#mesh, "[_, 8{tp}]">], dist.pins_open = [array<i64: 0>]
//--- model.mlir
module attributes {dist.symbols = {batch = {assumed = 1, divisor = 1, max = 64, min = 1}}} {
  func.func @main(%x: tensor<?x6xf32, #dist.exprs<["batch", 6]>> {onnx.name = "hidden"})
      -> (tensor<?x8xf32, #dist.exprs<["batch", 8]>> {onnx.name = "logits"}) {
    %w = "onnx.Weight"() {name = "dense.weight", location = "m", offset = 0 : i64, length = 192 : i64} : () -> tensor<6x8xf32>
    %y = "onnx.MatMul"(%x, %w) : (tensor<?x6xf32, #dist.exprs<["batch", 6]>>, tensor<6x8xf32>)
        -> tensor<?x8xf32, #dist.exprs<["batch", 8]>> loc("MatMul_1"("logits"))
    return %y : tensor<?x8xf32, #dist.exprs<["batch", 8]>>
  }
}
//--- spec.json
{"mesh": {"dp": 2, "tp": 4},
 "tensors": {"dense.weight": [["tp:(2)2"], ["dp"]], "h*": [["dp"]], "logits": [null, ["tp"]]},
 "nodes": {"MatMul_?": {"stage": 0, "strategy": {"tp": "1.1"}}},
 "state": {"hidden": "logits"}}
