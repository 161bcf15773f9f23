// Owns a view of a plan with its sizes known: a strided window at a byte offset of a buffer, and how it becomes what
// kernels and communicators take. It does not know where buffers lie.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/comm/communicator.h"
#include "runtime/exec/plan_image.h"
#include "runtime/kernels/kernel.h"

namespace shardwright {

using Sizes = std::vector<int64_t>;  // what ExprTable::evaluate fills

struct Window {
  int buffer = -1;  // of the program; -1: absent
  int64_t byteOffset = 0;
  TensorRef ref;  // data is null
};

// kInternal if a size is not known, the window leaves its buffer, or has more than kMaxRank dims.
StatusOr<Window> windowOf(const plan::View& view, const plan::Program& program, const Sizes& sizes);

// Bytes of a buffer's elements.
int64_t bufferBytes(const plan::Buffer& buffer, const Sizes& sizes);

StridedBlock blockOf(const Window& window);

// The part [begin, begin + extent) of the window along `dim`.
Window slicedWindow(const Window& window, int dim, int64_t begin, int64_t extent);

// Calls visit(expr) for every size that the view is made of.
template <typename Visit>
void forEachExpr(const plan::View& view, Visit visit) {
  if (view.absent()) return;
  visit(view.offset());
  for (uint32_t dim : view.dims()) visit(dim);
  for (uint32_t stride : view.strides()) visit(stride);
}

// Whether all sizes of the view are known.
bool isKnown(const plan::View& view, const Sizes& sizes);

}  // namespace shardwright
