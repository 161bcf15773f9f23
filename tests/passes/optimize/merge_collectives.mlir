// RUN: shard-opt %s --split-input-file --allow-unregistered-dialect --merge-collectives | FileCheck %s

// Norms over all heads of queries and of keys: two small sums that do not wait for each other. Both are computed in the operand.
// CHECK-LABEL: @sums_become_one
#mesh = #dist.mesh<"tp=2">
module @sums_become_one attributes {dist.mesh = #mesh, dist.symbols = {b = {assumed = 3 : i64}}} {
  // CHECK: %[[Q:.*]] = step.kernel "mean"(%arg0)
  // CHECK: %[[K:.*]] = step.kernel "mean"(%arg1)
  // CHECK: %[[QF:.*]] = step.view %[[Q]] {{.*}} -> tensor<?xf32, #dist.exprs<["7*b"]>>
  // CHECK: %[[KF:.*]] = step.view %[[K]] {{.*}} -> tensor<?xf32, #dist.exprs<["5*b"]>>
  // CHECK: %[[BOTH:.*]] = step.concat %[[QF]], %[[KF]] axis 0
  // CHECK: %[[SUM:.*]] = dist.all_reduce sum %[[BOTH]] over <#mesh, "tp"> : tensor<?xf32, #dist.exprs<["12*b"]>>
  // CHECK-NOT: dist.all_reduce
  // CHECK: %[[QS:.*]] = step.view %[[SUM]] {offset = #dist.exprs<[0]>, strides = #dist.exprs<[7, 1]>} {{.*}} -> tensor<?x7xf32, #dist.exprs<["b", 7]>>
  // What was a window on a result is one on both.
  // CHECK-NEXT: %[[KS:.*]] = step.view %[[SUM]] {offset = #dist.exprs<["7*b + 1"]>, strides = #dist.exprs<[5, 1]>} {{.*}} -> tensor<?x4xf32, #dist.exprs<["b", 4]>>
  // CHECK: step.kernel "norm"(%[[KS]])
  // CHECK: step.kernel "norm"(%[[QS]])
  func.func @main(%x: tensor<?x7xf32, #dist.exprs<["b", 7]>>, %y: tensor<?x5xf32, #dist.exprs<["b", 5]>>, %o: tensor<?x7xf32, #dist.exprs<["b", 7]>> {dist.output}) {
    %q = step.kernel "mean"(%x) {} : (tensor<?x7xf32, #dist.exprs<["b", 7]>>) -> tensor<?x7xf32, #dist.exprs<["b", 7]>>
    %qs = dist.all_reduce sum %q over <#mesh, "tp"> : tensor<?x7xf32, #dist.exprs<["b", 7]>>
    %qn = step.kernel "norm"(%qs) {} : (tensor<?x7xf32, #dist.exprs<["b", 7]>>) -> tensor<?x7xf32, #dist.exprs<["b", 7]>>
    %k = step.kernel "mean"(%y) {} : (tensor<?x5xf32, #dist.exprs<["b", 5]>>) -> tensor<?x5xf32, #dist.exprs<["b", 5]>>
    %ks = dist.all_reduce sum %k over <#mesh, "tp"> : tensor<?x5xf32, #dist.exprs<["b", 5]>>
    %kv = step.view %ks {offset = #dist.exprs<[1]>, strides = #dist.exprs<[5, 1]>} : tensor<?x5xf32, #dist.exprs<["b", 5]>> -> tensor<?x4xf32, #dist.exprs<["b", 4]>>
    %kn = step.kernel "norm"(%kv) {} : (tensor<?x4xf32, #dist.exprs<["b", 4]>>) -> tensor<?x4xf32, #dist.exprs<["b", 4]>>
    %r = step.kernel "scores"(%qn, %kn) {} : (tensor<?x7xf32, #dist.exprs<["b", 7]>>, tensor<?x4xf32, #dist.exprs<["b", 4]>>) -> tensor<?x7xf32, #dist.exprs<["b", 7]>>
    dist.write %r, %o as <#mesh, "[_, _]"> : tensor<?x7xf32, #dist.exprs<["b", 7]>>, tensor<?x7xf32, #dist.exprs<["b", 7]>>
    return
  }
}

// -----

// Keys and values of a split sequence, heads moved to the front: the same window on both products, which lie one behind the other.
// CHECK-LABEL: @windows_on_buffers_of_one_type
#mesh = #dist.mesh<"sp=2">
module @windows_on_buffers_of_one_type attributes {dist.mesh = #mesh} {
  // CHECK: %[[K:.*]] = step.kernel "matmul"(%arg0)
  // CHECK: %[[V:.*]] = step.kernel "matmul"(%arg1)
  // CHECK: %[[BOTH:.*]] = step.concat {{.*}} axis 0 : tensor<1x5x6xf32>, tensor<1x5x6xf32> -> tensor<2x5x6xf32>
  // CHECK: %[[HEADS:.*]] = step.view %[[BOTH]] {offset = #dist.exprs<[0]>, strides = #dist.exprs<[30, 3, 6, 1]>} : tensor<2x5x6xf32> -> tensor<2x2x5x3xf32>
  // CHECK: %[[ALL:.*]] = dist.all_gather %[[HEADS]] dim 2 over <#mesh, "sp"> : tensor<2x2x5x3xf32> -> tensor<2x2x10x3xf32>
  // CHECK: %[[KS:.*]] = step.view %[[ALL]] {offset = #dist.exprs<[0]>, strides = #dist.exprs<[30, 3, 1]>}
  // CHECK: %[[VS:.*]] = step.view %[[ALL]] {offset = #dist.exprs<[60]>, strides = #dist.exprs<[30, 3, 1]>}
  // CHECK: step.kernel "attention"(%[[KS]], %[[VS]])
  func.func @main(%x: tensor<5x6xf32>, %y: tensor<5x6xf32>, %o: tensor<2x10x3xf32> {dist.output}) {
    %k = step.kernel "matmul"(%x) {} : (tensor<5x6xf32>) -> tensor<5x6xf32>
    %kh = step.view %k {offset = #dist.exprs<[0]>, strides = #dist.exprs<[3, 6, 1]>} : tensor<5x6xf32> -> tensor<2x5x3xf32>
    %ks = dist.all_gather %kh dim 1 over <#mesh, "sp"> : tensor<2x5x3xf32> -> tensor<2x10x3xf32>
    %v = step.kernel "matmul"(%y) {} : (tensor<5x6xf32>) -> tensor<5x6xf32>
    %vh = step.view %v {offset = #dist.exprs<[0]>, strides = #dist.exprs<[3, 6, 1]>} : tensor<5x6xf32> -> tensor<2x5x3xf32>
    %vs = dist.all_gather %vh dim 1 over <#mesh, "sp"> : tensor<2x5x3xf32> -> tensor<2x10x3xf32>
    %a = step.kernel "attention"(%ks, %vs) {} : (tensor<2x10x3xf32>, tensor<2x10x3xf32>) -> tensor<2x10x3xf32>
    dist.write %a, %o as <#mesh, "[_, _, _]"> : tensor<2x10x3xf32>, tensor<2x10x3xf32>
    return
  }
}

// -----

// One waits for the other; another combiner, group or type; permutations: nothing to merge.
// CHECK-LABEL: @not_alike_or_not_at_one_time
#mesh = #dist.mesh<"dp=2,tp=2">
module @not_alike_or_not_at_one_time attributes {dist.mesh = #mesh} {
  // CHECK-NOT: step.concat
  // CHECK-COUNT-7: {{dist.all_reduce|dist.permute}}
  func.func @main(%x: tensor<5x7xf32>, %y: tensor<5x7xf16>) {
    %s = step.kernel "a"(%x) {} : (tensor<5x7xf32>) -> tensor<5x7xf32>
    %0 = dist.all_reduce sum %s over <#mesh, "tp"> : tensor<5x7xf32>
    %t = step.kernel "b"(%0) {} : (tensor<5x7xf32>) -> tensor<5x7xf32>
    %1 = dist.all_reduce sum %t over <#mesh, "tp"> : tensor<5x7xf32>
    %2 = dist.all_reduce max %t over <#mesh, "tp"> : tensor<5x7xf32>
    %3 = dist.all_reduce sum %t over <#mesh, "dp"> : tensor<5x7xf32>
    %h = step.kernel "c"(%y) {} : (tensor<5x7xf16>) -> tensor<5x7xf16>
    %4 = dist.all_reduce sum %h over <#mesh, "tp"> : tensor<5x7xf16>
    %5 = dist.permute %s of <["-@tp + 1"]> over <#mesh, "tp"> : tensor<5x7xf32> -> tensor<5x7xf32>
    %6 = dist.permute %t of <["-@tp + 1"]> over <#mesh, "tp"> : tensor<5x7xf32> -> tensor<5x7xf32>
    "test.use"(%0, %1, %2, %3, %4, %5, %6) : (tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf16>, tensor<5x7xf32>, tensor<5x7xf32>) -> ()
    return
  }
}

// -----

// Inputs cannot be computed in place: copying half a megabyte takes longer than a collective's latency, copying 20 bytes does not.
// CHECK-LABEL: @copies_may_cost_more
#mesh = #dist.mesh<"tp=2">
module @copies_may_cost_more attributes {dist.mesh = #mesh} {
  // CHECK-LABEL: func.func @main
  // CHECK-NOT: step.concat
  // CHECK-COUNT-2: dist.all_reduce
  func.func @main(%x: tensor<65536xf32>, %y: tensor<65536xf32>) {
    %0 = dist.all_reduce sum %x over <#mesh, "tp"> : tensor<65536xf32>
    %1 = dist.all_reduce sum %y over <#mesh, "tp"> : tensor<65536xf32>
    "test.use"(%0, %1) : (tensor<65536xf32>, tensor<65536xf32>) -> ()
    return
  }
  // CHECK-LABEL: func.func @small
  // CHECK: step.concat %arg0, %arg1
  // CHECK: dist.all_reduce
  // CHECK-NOT: dist.all_reduce
  func.func @small(%x: tensor<5xf32>, %y: tensor<5xf32>) {
    %0 = dist.all_reduce sum %x over <#mesh, "tp"> : tensor<5xf32>
    %1 = dist.all_reduce sum %y over <#mesh, "tp"> : tensor<5xf32>
    "test.use"(%0, %1) : (tensor<5xf32>, tensor<5xf32>) -> ()
    return
  }
}
