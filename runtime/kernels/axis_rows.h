// Owns walking tensors row by row along one axis: which elements begin the rows. It does not own what is done to a row.
#pragma once

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/strided.h"

namespace shardwright {

// The rows along `axis` of tensors that agree on all other dims (the others' strides along them may be 0).
struct AxisRows {
  StridedDims outer;  // all dims but the axis
  int64_t count() const { return outer.count(); }
  // The offset of row r's first element in tensor k.
  int64_t offset(int64_t r, int k) const {
    return flatOffset(r, outer.rank(), outer.dims.data(), outer.strides[k].data());
  }
};

inline AxisRows axisRows(const std::vector<const TensorRef*>& tensors, int axis) {
  AxisRows rows;
  rows.outer = stridedDims(tensors, tensors[0]->rank);
  rows.outer.dims.erase(rows.outer.dims.begin() + axis);
  for (auto& strides : rows.outer.strides) strides.erase(strides.begin() + axis);
  return rows;
}

// Reads "axis", which must lie in [0, rank).
inline int readAxis(AttrReader& attrs, int rank) {
  int64_t axis = attrs.integer("axis");
  if (axis >= 0 && axis < rank) return static_cast<int>(axis);
  attrs.fail("attribute \"axis\" is " + std::to_string(axis) + "; it must lie in [0, " + std::to_string(rank) + ")");
  return 0;
}

// Whether all dims but that of the axis are equal.
inline bool sameButAxis(const TensorRef& a, const TensorRef& b, int axis) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i) {
    if (i != axis && a.dims[i] != b.dims[i]) return false;
  }
  return true;
}

}  // namespace shardwright
