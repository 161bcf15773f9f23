// RUN: not shard-opt %s --apply-patterns=only=no-such-pattern 2>&1 | FileCheck %s

// CHECK: error: there is no pattern "no-such-pattern"; there are {{[a-z]}}
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}
