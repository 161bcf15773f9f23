// Owns products of float32 tiles by oneDNN, and the layout in which it wants a constant right operand. It does not own
// threads: every call runs on the calling thread.
#pragma once

#include "runtime/kernels/onednn.h"

namespace shardwright {

// The layout of a packed k × n matrix. Matrices of n columns are made of column blocks, one after the other, so that a
// range of blocks is itself a packed matrix.
class PackedLayout {
 public:
  // The layout that oneDNN chooses; it is the same for every number of rows.
  static StatusOr<PackedLayout> choose(int64_t k, int64_t n);

  // False: oneDNN prefers plain rows, and nothing is gained by packing.
  bool blocked() const { return columnBlock_ > 1; }
  int64_t elements() const { return elements_; }  // of one matrix, a multiple of 16
  int64_t columnBlock() const { return columnBlock_; }
  // The elements before a column that begins a block.
  int64_t columnOffset(int64_t column) const { return column / columnBlock_ * blockElements_; }
  // The layout of columns [first, first + columns); it begins at columnOffset(first).
  StatusOr<dnnl_memory_desc_t> columns(int64_t first, int64_t columns) const;
  // Writes a dense row-major or transposed k × n matrix to `to`.
  Status pack(const float* from, int64_t rowStride, int64_t columnStride, float* to) const;

 private:
  dnnl_memory_desc_t desc_ = {};
  int64_t elements_ = 0, columnBlock_ = 1, blockElements_ = 0;
};

// Whether oneDNN takes a matrix with these strides as it is; if so, they are put into the form that it wants (those of
// dims of size 1 are free).
bool usableStrides(int64_t rows, int64_t columns, int64_t& rowStride, int64_t& columnStride);

dnnl_memory_desc_t stridedMatrix(int64_t rows, int64_t columns, int64_t rowStride, int64_t columnStride);

// c := a * b for one shape. A compiled product may be used by any number of threads.
struct TileProduct {
  dnnl_memory_desc_t a = {}, b = {}, c = {};
  onednn::Primitive primitive;
  dnnl_memory_desc_t scratchDesc = {};
  int64_t scratchBytes = 0;

  static StatusOr<TileProduct> compile(const dnnl_memory_desc_t& a, const dnnl_memory_desc_t& b,
                                       const dnnl_memory_desc_t& c);
};

// A product with operands of one thread's own.
class TileCall {
 public:
  static StatusOr<TileCall> make(const TileProduct& product);
  void run(const float* a, const float* b, float* c, void* scratch);

 private:
  dnnl_primitive_t primitive_ = nullptr;
  onednn::Placed a_, b_, c_, scratch_;
};

}  // namespace shardwright
