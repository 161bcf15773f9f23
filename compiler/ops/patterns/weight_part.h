// Owns parts of weights: a rectangular window on an initializer, as a reference or a constant of its own. It does not own
// which parts are taken.
#pragma once

#include "compiler/ops/node_builder.h"

namespace shardwright {

// Whether the value is an onnx.Weight of whole bytes or an onnx.Constant.
bool isWeight(mlir::Value value);

// The window of `dims` from `begin`; requires isWeight and that it lies within. A window whose bytes lie together is a
// reference to them, any other has {begin, whole}. Windows of windows are windows.
//   W: [8, 512, 64] at 1000, begin [2,0,0], dims [1,512,64]  ->  [1,512,64] at 1000 + 2·512·64·4
mlir::Value weightPart(NodeBuilder& build, mlir::Value weight, llvm::ArrayRef<int64_t> begin,
                       llvm::ArrayRef<int64_t> dims);

// The same bytes as another shape of as many elements; null if the weight is a window (whose bytes do not lie together).
mlir::Value reshapedWeight(NodeBuilder& build, mlir::Value weight, llvm::ArrayRef<int64_t> dims);

}  // namespace shardwright
