// RUN: shard-opt %s --schedule-steps --verify-diagnostics

// Partitioning has refused such outputs before.
#mesh = #dist.mesh<"tp=2">
module attributes {dist.mesh = #mesh} {
  // expected-error@+1 {{an output is split in a way that is no window}}
  func.func @main(%x: tensor<6xf32>, %o: tensor<12xf32> {dist.output}) {
    dist.write %x, %o as <#mesh, "[3*4{tp}]"> : tensor<6xf32>, tensor<12xf32>
    return
  }
}
