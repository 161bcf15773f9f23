#include "runtime/kernels/matmul/float_matmul.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/matmul/partition.h"

namespace shardwright {
namespace {

constexpr int64_t kPlainColumnGranule = 16;

int64_t alignBytes(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// An operand that is first laid out densely as float32, because its type or strides are not those that oneDNN takes.
struct DenseCopy {
  bool needed = false;
  TensorRef view;  // distinct elements: batch dims along which the operand moves, rows, columns
  int64_t scratchOffset = 0;

  int64_t bytes() const { return needed ? alignBytes(view.count() * 4) : 0; }
};

DenseCopy planDenseCopy(DType type, const std::vector<int64_t>& batchDims, int64_t rows, int64_t columns,
                        MatrixStrides& strides) {
  DenseCopy copy;
  copy.needed = type != DType::kFloat32 || !usableStrides(rows, columns, strides.row, strides.column);
  if (!copy.needed) return copy;
  TensorRef& view = copy.view;
  view.dtype = type;
  auto push = [&](int64_t dim, int64_t stride) {
    view.dims[view.rank] = dim;
    view.strides[view.rank++] = stride;
  };
  for (size_t i = 0; i < batchDims.size(); ++i) {
    if (strides.batch[i] != 0) push(batchDims[i], strides.batch[i]);
  }
  push(rows, strides.row);
  push(columns, strides.column);
  std::vector<int64_t> dense = denseStrides(view.dims, view.rank);
  int next = 0;
  for (int64_t& stride : strides.batch) {
    if (stride != 0) stride = dense[next++];
  }
  strides.row = columns;
  strides.column = 1;
  usableStrides(rows, columns, strides.row, strides.column);
  return copy;
}

struct PlannedTile {
  MatmulTile area;
  int64_t aOffset = 0, bOffset = 0;
  TileCall call;
};

struct PlannedPart {
  int64_t firstBatch = 0, endBatch = 0;
  std::vector<PlannedTile> tiles;
};

class FloatMatmul : public PreparedKernel {
 public:
  FloatMatmul(MatmulProblem problem, std::vector<PostOps::Op> ops, const KernelSpec& spec)
      : p_(std::move(problem)), ops_(std::move(ops)), resultType_(spec.outputs[0]) {}

  Status plan(const KernelSpec& spec, const PackedLayout* packed, int numThreads);

  int64_t scratchBytes() const override { return threadScratch_ + threadBytes_ * static_cast<int64_t>(parts_.size()); }

  void run(const TensorRef* inputs, const TensorRef* outputs, void* scratch, ThreadPool& pool) override {
    char* memory = static_cast<char*>(scratch);
    const float* a = lay(aCopy_, inputs[0], memory, pool);
    const float* b = lay(bCopy_, inputs[1], memory, pool);
    auto part = [&](int t, int n) {
      for (size_t i = t; i < parts_.size(); i += n) {
        runPart(parts_[i], a, b, inputs, outputs[0], memory + threadScratch_ + threadBytes_ * i);
      }
    };
    if (parts_.size() == 1) return part(0, 1);
    pool.run(part);
  }

 private:
  StatusOr<TileProduct*> product(const PackedLayout* packed, const MatmulTile& tile);
  static const float* lay(const DenseCopy& copy, const TensorRef& operand, char* scratch, ThreadPool& pool);
  void runPart(PlannedPart& part, const float* a, const float* b, const TensorRef* inputs, const TensorRef& result,
               char* scratch);
  void finish(const MatmulTile& area, int64_t batch, float* tile, int64_t stride, const TensorRef* inputs,
              const TensorRef& result);

  MatmulProblem p_;
  std::vector<PostOps::Op> ops_;
  DType resultType_;
  DenseCopy aCopy_, bCopy_;
  bool direct_ = false;  // tiles are computed where they belong, not in scratch
  std::map<std::tuple<int64_t, int64_t>, TileProduct> products_;  // by rows and columns
  std::vector<PlannedPart> parts_;
  int64_t tileBytes_ = 0, threadBytes_ = 0, threadScratch_ = 0;
};

Status FloatMatmul::plan(const KernelSpec& spec, const PackedLayout* packed, int numThreads) {
  if (p_.m == 0 || p_.n == 0 || p_.batchCount() == 0) return Status();
  direct_ = resultType_ == DType::kFloat32 && (p_.c.column == 1 || p_.n == 1) && (p_.c.row >= p_.n || p_.m == 1);
  if (p_.k > 0) {
    aCopy_ = planDenseCopy(spec.inputs[0], p_.batchDims, p_.m, p_.k, p_.a);
    if (packed == nullptr) bCopy_ = planDenseCopy(spec.inputs[1], p_.batchDims, p_.k, p_.n, p_.b);
  }
  bCopy_.scratchOffset = aCopy_.bytes();
  threadScratch_ = aCopy_.bytes() + bCopy_.bytes();
  int64_t granule = packed != nullptr ? packed->columnBlock() : kPlainColumnGranule;
  int64_t productBytes = 0;
  for (const MatmulPart& cut : partitionMatmul(p_.batchCount(), p_.m, p_.n, p_.k, granule, numThreads)) {
    PlannedPart part;
    part.firstBatch = cut.firstBatch;
    part.endBatch = cut.endBatch;
    for (const MatmulTile& area : cut.tiles) {
      PlannedTile tile;
      tile.area = area;
      tile.aOffset = area.row * p_.a.row;
      tile.bOffset = packed != nullptr ? packed->columnOffset(area.column) : area.column * p_.b.column;
      if (!direct_) tileBytes_ = std::max(tileBytes_, alignBytes(area.rows * area.columns * 4));
      if (p_.k > 0) {
        SW_ASSIGN_OR_RETURN(TileProduct * compiled, product(packed, area));
        SW_ASSIGN_OR_RETURN(tile.call, TileCall::make(*compiled));
        productBytes = std::max(productBytes, alignBytes(compiled->scratchBytes));
      }
      part.tiles.push_back(std::move(tile));
    }
    parts_.push_back(std::move(part));
  }
  threadBytes_ = tileBytes_ + productBytes;
  return Status();
}

StatusOr<TileProduct*> FloatMatmul::product(const PackedLayout* packed, const MatmulTile& tile) {
  auto key = std::make_tuple(tile.rows, tile.columns);
  auto known = products_.find(key);
  if (known != products_.end()) return &known->second;
  int64_t aRow = p_.a.row, aColumn = p_.a.column, bRow = p_.b.row, bColumn = p_.b.column;
  usableStrides(tile.rows, p_.k, aRow, aColumn);
  dnnl_memory_desc_t b;
  if (packed != nullptr) {
    SW_ASSIGN_OR_RETURN(b, packed->columns(tile.column, tile.columns));
  } else {
    usableStrides(p_.k, tile.columns, bRow, bColumn);
    b = stridedMatrix(p_.k, tile.columns, bRow, bColumn);
  }
  int64_t cRow = direct_ && p_.m > 1 ? p_.c.row : tile.columns;
  SW_ASSIGN_OR_RETURN(TileProduct made, TileProduct::compile(stridedMatrix(tile.rows, p_.k, aRow, aColumn), b,
                                                             stridedMatrix(tile.rows, tile.columns, cRow, 1)));
  return &products_.emplace(key, std::move(made)).first->second;
}

const float* FloatMatmul::lay(const DenseCopy& copy, const TensorRef& operand, char* scratch, ThreadPool& pool) {
  if (!copy.needed) return operand.as<const float>();
  TensorRef view = copy.view;
  view.data = operand.data;
  float* to = reinterpret_cast<float*>(scratch + copy.scratchOffset);
  auto part = [&](int t, int n) { loadWindow(view, to, t, n); };
  pool.run(part);
  return to;
}

void FloatMatmul::runPart(PlannedPart& part, const float* a, const float* b, const TensorRef* inputs,
                          const TensorRef& result, char* scratch) {
  onednn::OneThread oneThread;
  for (int64_t batch = part.firstBatch; batch < part.endBatch; ++batch) {
    const float* aMatrix = a + p_.batchOffset(batch, p_.a);
    const float* bMatrix = b + p_.batchOffset(batch, p_.b);
    for (PlannedTile& tile : part.tiles) {
      const MatmulTile& area = tile.area;
      float* to = reinterpret_cast<float*>(scratch);
      int64_t stride = area.columns;
      if (direct_) {
        to = result.as<float>() + p_.batchOffset(batch, p_.c) + area.row * p_.c.row + area.column;
        stride = p_.m > 1 ? p_.c.row : area.columns;
      }
      if (p_.k > 0) {
        tile.call.run(aMatrix + tile.aOffset, bMatrix + tile.bOffset, to, scratch + tileBytes_);
      } else {
        for (int64_t r = 0; r < area.rows; ++r) std::fill_n(to + r * stride, area.columns, 0.f);
      }
      if (!direct_ || !ops_.empty()) finish(area, batch, to, stride, inputs, result);
    }
  }
}

void FloatMatmul::finish(const MatmulTile& area, int64_t batch, float* tile, int64_t stride, const TensorRef* inputs,
                         const TensorRef& result) {
  PostOpRow rows[kMaxPostOps];
  int64_t cFirst = p_.batchOffset(batch, p_.c) + area.row * p_.c.row + area.column * p_.c.column;
  for (size_t k = 0; k < ops_.size(); ++k) {
    if (ops_[k].operand < 0) continue;
    const TensorRef& operand = inputs[ops_[k].operand];
    const MatrixStrides& s = p_.postOps[k];
    rows[k] = {operand.dtype, operand.data, p_.batchOffset(batch, s) + area.row * s.row + area.column * s.column,
               s.column};
  }
  for (int64_t r = 0; r < area.rows; ++r) {
    applyPostOps(ops_.data(), ops_.size(), rows, tile + r * stride, area.columns);
    for (size_t k = 0; k < ops_.size(); ++k) rows[k].first += p_.postOps[k].row;
    if (!direct_) {
      storeFloats(resultType_, result.data, cFirst + r * p_.c.row, p_.c.column, area.columns, tile + r * stride);
    }
  }
}

}  // namespace

StatusOr<std::unique_ptr<PreparedKernel>> prepareFloatMatmul(const KernelSpec& spec, MatmulProblem problem,
                                                             const std::vector<PostOps::Op>& ops,
                                                             const PackedLayout* packed, int numThreads) {
  auto prepared = std::make_unique<FloatMatmul>(std::move(problem), ops, spec);
  Status planned = prepared->plan(spec, packed, numThreads);
  if (!planned.ok()) return planned.within("step " + spec.step);
  return std::unique_ptr<PreparedKernel>(std::move(prepared));
}

}  // namespace shardwright
