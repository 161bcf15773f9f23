// RUN: shard-opt %s --split-input-file --allow-unregistered-dialect --schedule-steps | FileCheck %s

// The sequence is split: keys and values are gathered, queries are not. Both are under way while the queries are computed.
// CHECK-LABEL: @gathers_are_under_way_while_something_else_is_computed
#mesh = #dist.mesh<"sp=2">
module @gathers_are_under_way_while_something_else_is_computed attributes {dist.mesh = #mesh} {
  func.func @main(%x: tensor<15x48xf32>, %wq: tensor<48x48xf32>, %wk: tensor<48x24xf32>, %wv: tensor<48x24xf32>, %o: tensor<15x48xf32> {dist.output}) {
    %q = step.kernel "matmul"(%x, %wq) {} {flops = 69120.0 : f64} : (tensor<15x48xf32>, tensor<48x48xf32>) -> tensor<15x48xf32>
    // CHECK: %[[K:.*]] = step.kernel "matmul"(%{{.*}}, %arg2)
    %k = step.kernel "matmul"(%x, %wk) {} {flops = 34560.0 : f64} : (tensor<15x48xf32>, tensor<48x24xf32>) -> tensor<15x24xf32>
    // CHECK-NEXT: %[[KS:.*]] = dist.all_gather %[[K]]
    %ks = dist.all_gather %k dim 0 over <#mesh, "sp"> : tensor<15x24xf32> -> tensor<30x24xf32>
    // CHECK-NEXT: %[[V:.*]] = step.kernel "matmul"(%{{.*}}, %arg3)
    %v = step.kernel "matmul"(%x, %wv) {} {flops = 34560.0 : f64} : (tensor<15x48xf32>, tensor<48x24xf32>) -> tensor<15x24xf32>
    // A window goes with what reads it.
    // CHECK-NEXT: %[[T:.*]] = step.view %[[V]]
    %t = step.view %v {offset = #dist.exprs<[0]>, strides = #dist.exprs<[1, 24]>} : tensor<15x24xf32> -> tensor<24x15xf32>
    // CHECK-NEXT: %[[VS:.*]] = dist.all_gather %[[T]]
    %vs = dist.all_gather %t dim 1 over <#mesh, "sp"> : tensor<24x15xf32> -> tensor<24x30xf32>
    // CHECK-NEXT: %[[Q:.*]] = step.kernel "matmul"(%{{.*}}, %arg1)
    // CHECK-NEXT: step.wait %[[KS]] : tensor<30x24xf32>
    // CHECK-NEXT: step.wait %[[VS]] : tensor<24x30xf32>
    // CHECK-NEXT: step.kernel "attention"(%[[Q]], %[[KS]], %[[VS]])
    %a = step.kernel "attention"(%q, %ks, %vs) {} : (tensor<15x48xf32>, tensor<30x24xf32>, tensor<24x30xf32>) -> tensor<15x48xf32>
    dist.write %a, %o as <#mesh, "[_, _]"> : tensor<15x48xf32>, tensor<15x48xf32>
    return
  }
}

// -----

// Each step needs the one before it: nothing to start early.
// CHECK-LABEL: @a_chain_stays_as_it_is
#mesh = #dist.mesh<"tp=2">
module @a_chain_stays_as_it_is attributes {dist.mesh = #mesh} {
  func.func @main(%x: tensor<5x7xf32>, %o: tensor<5x7xf32> {dist.output}) {
    // CHECK: dist.all_reduce
    // CHECK-NEXT: step.kernel
    // CHECK-NOT: step.wait
    %y = dist.all_reduce sum %x over <#mesh, "tp"> : tensor<5x7xf32>
    %z = step.kernel "matmul"(%y) {} : (tensor<5x7xf32>) -> tensor<5x7xf32>
    dist.write %z, %o as <#mesh, "[_, _]"> : tensor<5x7xf32>, tensor<5x7xf32>
    return
  }
}

// -----

// A stage receives when it has nothing else to do, and sends what is ready before it goes on.
// CHECK-LABEL: @stages
#mesh = #dist.mesh<"tp=2">
module @stages attributes {dist.mesh = #mesh} {
  func.func @main(%x: tensor<5x7xf32>, %o: tensor<5x7xf32> {dist.output}) {
    // CHECK: %[[MASK:.*]] = step.kernel "mask"
    // CHECK-NEXT: dist.send %[[MASK]] to 2 channel 4
    // CHECK-NEXT: %[[H:.*]] = dist.receive from 0 channel 3
    // CHECK-NEXT: step.kernel "first"(%[[H]])
    %h = dist.receive from 0 channel 3 : tensor<5x7xf32>
    %f = step.kernel "first"(%h) {} : (tensor<5x7xf32>) -> tensor<5x7xf32>
    %m = step.kernel "mask"(%x) {} : (tensor<5x7xf32>) -> tensor<5x7xf32>
    %a = step.kernel "attention"(%f, %m) {} : (tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<5x7xf32>
    dist.send %a to 2 channel 5 : tensor<5x7xf32>
    dist.send %m to 2 channel 4 : tensor<5x7xf32>
    return
  }
}

// -----

// What is computed once, at load, stays in front and is not split; nor is what lies in the caller's tensor.
// CHECK-LABEL: @left_as_they_are
#mesh = #dist.mesh<"tp=2">
module @left_as_they_are attributes {dist.mesh = #mesh} {
  func.func @main(%x: tensor<?x7xf32, #dist.exprs<["b", 7]>>, %o: tensor<?x7xf32, #dist.exprs<["b", 7]>> {dist.output}, %p: tensor<?x14xf32, #dist.exprs<["b", 14]>> {dist.output}) {
    %w = "onnx.Weight"() {name = "w", location = "f", offset = 0 : i64, length = 28 : i64} : () -> tensor<7xf32>
    %c = dist.all_reduce sum %w over <#mesh, "tp"> : tensor<7xf32>
    %y = dist.all_gather %x dim 1 over <#mesh, "tp"> : tensor<?x7xf32, #dist.exprs<["b", 7]>> -> tensor<?x14xf32, #dist.exprs<["b", 14]>>
    %a = step.kernel "add"(%x, %c) {} : (tensor<?x7xf32, #dist.exprs<["b", 7]>>, tensor<7xf32>) -> tensor<?x7xf32, #dist.exprs<["b", 7]>>
    dist.write %y, %p as <#mesh, "[_, _]"> : tensor<?x14xf32, #dist.exprs<["b", 14]>>, tensor<?x14xf32, #dist.exprs<["b", 14]>>
    dist.write %a, %o as <#mesh, "[_, _]"> : tensor<?x7xf32, #dist.exprs<["b", 7]>>, tensor<?x7xf32, #dist.exprs<["b", 7]>>
    // CHECK: dist.all_reduce
    // CHECK: dist.all_gather
    // CHECK-NOT: step.wait
    return
  }
}
