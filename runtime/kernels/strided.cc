#include "runtime/kernels/strided.h"

#include <algorithm>
#include <numeric>

namespace shardwright {

int64_t StridedDims::count() const {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

StridedDims stridedDims(const std::vector<const TensorRef*>& tensors, int rank) {
  StridedDims walk;
  walk.dims.assign(tensors[0]->dims, tensors[0]->dims + rank);
  for (const TensorRef* tensor : tensors) {
    if (tensor->absent()) {
      walk.strides.emplace_back(rank, 0);
    } else {
      walk.strides.emplace_back(tensor->strides, tensor->strides + rank);
    }
  }
  return walk;
}

void mergeDims(StridedDims& walk) {
  StridedDims merged;
  merged.strides.resize(walk.strides.size());
  for (int i = 0; i < walk.rank(); ++i) {
    if (walk.dims[i] == 1) continue;
    bool even = !merged.dims.empty();
    for (size_t k = 0; even && k < walk.strides.size(); ++k) {
      even = merged.strides[k].back() == walk.dims[i] * walk.strides[k][i];
    }
    if (even) {
      merged.dims.back() *= walk.dims[i];
    } else {
      merged.dims.push_back(walk.dims[i]);
    }
    for (size_t k = 0; k < walk.strides.size(); ++k) {
      if (even) {
        merged.strides[k].back() = walk.strides[k][i];
      } else {
        merged.strides[k].push_back(walk.strides[k][i]);
      }
    }
  }
  walk = std::move(merged);
}

void sortDims(StridedDims& walk, int k) {
  std::vector<int> order(walk.dims.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return walk.strides[k][a] > walk.strides[k][b]; });
  StridedDims sorted = walk;
  for (size_t i = 0; i < order.size(); ++i) {
    sorted.dims[i] = walk.dims[order[i]];
    for (size_t j = 0; j < walk.strides.size(); ++j) sorted.strides[j][i] = walk.strides[j][order[i]];
  }
  walk = std::move(sorted);
}

std::vector<int64_t> denseStrides(const int64_t* dims, int rank) {
  std::vector<int64_t> strides(rank);
  int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    strides[i] = step;
    step *= dims[i];
  }
  return strides;
}

bool isDense(const TensorRef& tensor) {
  int64_t step = 1;
  for (int i = tensor.rank - 1; i >= 0; --i) {
    if (tensor.dims[i] != 1 && tensor.strides[i] != step) return false;
    step *= tensor.dims[i];
  }
  return true;
}

bool sameDims(const TensorRef& a, const TensorRef& b) {
  return a.rank == b.rank && std::equal(a.dims, a.dims + a.rank, b.dims);
}

}  // namespace shardwright
