// RUN: shard-opt %s | shard-opt | FileCheck %s

#mesh = #dist.mesh<"dp=2,tp=3">

// CHECK: #mesh = #dist.mesh<"dp=2,tp=3">
// CHECK-LABEL: @propagated
func.func @propagated(%x: tensor<7x6xf32>) -> tensor<7x6xf32> {
  // CHECK: dist.reshard %arg0 from <#mesh, "[7{tp}/7, _]"> to <#mesh, "[_, 2*3{tp}]"> : tensor<7x6xf32>
  %0 = dist.reshard %x from <#mesh, "[7{tp}/7, _]"> to <#mesh, "[_, 2*3{tp}]"> : tensor<7x6xf32>
  return %0 : tensor<7x6xf32>
}

// Parts that differ between ranks are in the types alone.
// CHECK-LABEL: @partitioned
func.func @partitioned(%x: tensor<?x6xf32, #dist.exprs<["batch", 6]>>, %y: tensor<?x6xf32, #dist.exprs<["batch", 6]>>) {
  // CHECK: %[[LOCAL:.*]] = dist.read %arg0 as <#mesh, "[batch{dp}/batch, _]">
  %0 = dist.read %x as <#mesh, "[batch{dp}/batch, _]"> : tensor<?x6xf32, #dist.exprs<["batch", 6]>> -> tensor<?x6xf32, #dist.exprs<["floordiv((@dp + 1)*batch, 2) - floordiv(@dp*batch, 2)", 6]>>
  // CHECK: %[[PART:.*]] = dist.slice %[[LOCAL]] dim 1 from <["2*@tp"]>
  %1 = dist.slice %0 dim 1 from <["2*@tp"]> : tensor<?x6xf32, #dist.exprs<["floordiv((@dp + 1)*batch, 2) - floordiv(@dp*batch, 2)", 6]>> -> tensor<?x2xf32, #dist.exprs<["floordiv((@dp + 1)*batch, 2) - floordiv(@dp*batch, 2)", 2]>>
  // CHECK: dist.all_to_all %[[PART]] dim 0 split 1 over <#mesh, "dp">
  // CHECK-SAME: -> tensor<?x1xf32, #dist.exprs<["batch", 1]>>
  %2 = dist.all_to_all %1 dim 0 split 1 over <#mesh, "dp"> : tensor<?x2xf32, #dist.exprs<["floordiv((@dp + 1)*batch, 2) - floordiv(@dp*batch, 2)", 2]>> -> tensor<?x1xf32, #dist.exprs<["batch", 1]>>
  // CHECK: dist.all_gather {{.*}} dim 0 over <#mesh, "dp">
  %3 = dist.all_gather %0 dim 0 over <#mesh, "dp"> : tensor<?x6xf32, #dist.exprs<["floordiv((@dp + 1)*batch, 2) - floordiv(@dp*batch, 2)", 6]>> -> tensor<?x6xf32, #dist.exprs<["batch", 6]>>
  // CHECK: dist.reduce_scatter sum {{.*}} dim 1 over <#mesh, "tp,dp">
  %4 = dist.reduce_scatter sum %3 dim 1 over <#mesh, "tp,dp"> : tensor<?x6xf32, #dist.exprs<["batch", 6]>> -> tensor<?x1xf32, #dist.exprs<["batch", 1]>>
  // CHECK: dist.all_reduce max {{.*}} over <#mesh, "dp,tp">
  %5 = dist.all_reduce max %3 over <#mesh, "dp,tp"> : tensor<?x6xf32, #dist.exprs<["batch", 6]>>
  // CHECK: dist.mask sum {{.*}} over <#mesh, "tp">
  %6 = dist.mask sum %5 over <#mesh, "tp"> : tensor<?x6xf32, #dist.exprs<["batch", 6]>>
  // CHECK: dist.view
  %7 = dist.view %6 : tensor<?x6xf32, #dist.exprs<["batch", 6]>> -> tensor<?x2x3xf32, #dist.exprs<["batch", 2, 3]>>
  // CHECK: dist.broadcast {{.*}} over <#mesh, "tp">
  %8 = dist.broadcast %7 over <#mesh, "tp"> : tensor<?x2x3xf32, #dist.exprs<["batch", 2, 3]>>
  // CHECK: dist.permute {{.*}} of <["-@tp + 2"]> over <#mesh, "tp">
  %9 = dist.permute %8 of <["2 - @tp"]> over <#mesh, "tp"> : tensor<?x2x3xf32, #dist.exprs<["batch", 2, 3]>> -> tensor<?x2x3xf32, #dist.exprs<["batch", 2, 3]>>
  // CHECK: dist.write {{.*}}, %arg1 as <#mesh, "[_, _]"> if <["
  dist.write %5, %y as <#mesh, "[_, _]"> if <["(1 - @dp)*max(1 - @tp, 0)"]> : tensor<?x6xf32, #dist.exprs<["batch", 6]>>, tensor<?x6xf32, #dist.exprs<["batch", 6]>>
  return
}
