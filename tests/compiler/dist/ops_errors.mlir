// RUN: shard-opt %s --split-input-file --verify-diagnostics

#mesh = #dist.mesh<"dp=2,tp=3">
func.func @gather_misses_elements(%x: tensor<7x2xf32>) {
  // expected-error @+1 {{the members' parts 2 do not add up to 5}}
  %0 = dist.all_gather %x dim 1 over <#mesh, "tp"> : tensor<7x2xf32> -> tensor<7x5xf32>
  return
}

// -----

#mesh = #dist.mesh<"dp=2,tp=3">
func.func @one_dim_cannot_be_gathered_and_split(%x: tensor<7x2xf32>) {
  // expected-error @+1 {{must gather along one dim and split another}}
  %0 = dist.all_to_all %x dim 1 split 1 over <#mesh, "tp"> : tensor<7x2xf32> -> tensor<7x2xf32>
  return
}

// -----

#mesh = #dist.mesh<"dp=2,tp=3">
func.func @a_member_is_read_twice(%x: tensor<7x2xf32>) {
  // expected-error @+1 {{member 1 reads member 1 of 3: each must be read exactly once}}
  %0 = dist.permute %x of <[1]> over <#mesh, "tp"> : tensor<7x2xf32> -> tensor<7x2xf32>
  return
}

// -----

#mesh = #dist.mesh<"dp=2,tp=3">
func.func @a_caller_cannot_hold_partial_values(%x: tensor<7x6xf32>) {
  // expected-error @+1 {{a global tensor cannot be partial: all-reduce the value first}}
  %0 = dist.read %x as <#mesh, "[_, _] partial=sum{tp}"> : tensor<7x6xf32> -> tensor<7x6xf32>
  return
}

// -----

#mesh = #dist.mesh<"dp=2,tp=3">
// expected-error @+1 {{there is no mesh axis "ep"; the mesh is dp=2,tp=3}}
func.func @an_axis_that_is_not_there(%x: tensor<7x6xf32> {dist.sharding = #dist.sharding<#mesh, "[7{ep}, _]">}) {
  return
}
