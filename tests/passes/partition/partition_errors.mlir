// RUN: not shard-opt %s --split-input-file --partition 2>&1 | FileCheck %s

// CHECK: error: internal error: the module has no function main
module attributes {dist.mesh = #dist.mesh<"tp=2">} {
}
