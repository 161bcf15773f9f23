#include "runtime/kernels/matmul/float_matmul.h"

#include <algorithm>

#include "runtime/kernels/copy/transpose.h"
#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/matmul/panels.h"
#include "runtime/kernels/matmul/partition.h"
#include "runtime/kernels/small_product.h"

namespace shardwright {
namespace {

// Blocking, after Goto and van de Geijn's "Anatomy of High-Performance Matrix Multiplication": a block of kDepth rows of
// a panel of b stays in the first-level cache while panels of a, in the second level, pass over it.
constexpr int64_t kDepth = 256;
constexpr int64_t kBlockRows = 144;         // of a, packed together; measured best of 120 to 384 for 1024 rows
constexpr int64_t kBlockColumns = 256;      // of the result, finished together: with the rows, 144 KiB
constexpr int64_t kPackedFloats = 1 << 20;  // packed rows of a deep a: fewer rows, not more memory
constexpr int64_t kFewColumns = 256;
constexpr int64_t kFewRows = 4;  // a b that is no constant is not worth packing for fewer

int64_t roundUp(int64_t n, int64_t granule) { return (n + granule - 1) / granule * granule; }

// One thread's part of the scratch.
struct Workspace {
  float* a;       // packed rows of one block
  float* b;       // packed columns of one block, or a widened panel of a 16-bit constant
  float* c;       // a block of the result
  float* buffer;  // kPackBuffer
};

// Where a block of the result is computed: rows of contiguous elements.
struct Block {
  float* data;
  int64_t stride;
};

class FloatMatmul : public PreparedKernel {
 public:
  FloatMatmul(const KernelSpec& spec, MatmulProblem problem, std::vector<PostOps::Op> ops, bool packed, int numThreads)
      : p_(std::move(problem)),
        ops_(std::move(ops)),
        aType_(spec.inputs[0]),
        bType_(spec.inputs[1]),
        cType_(spec.outputs[0]),
        operandTypes_(spec.inputs),
        packed_(packed),
        panel_(productPanel()) {
    if (p_.m == 0 || p_.n == 0 || p_.batchCount() == 0) return;
    parts_ = partitionMatmul(p_.batchCount(), p_.m, p_.n, p_.k, productRows(), panel_, numThreads);
    int64_t fit = kPackedFloats / std::max<int64_t>(p_.k, 1) / productRows() * productRows();
    int64_t most = std::clamp<int64_t>(fit, 4 * productRows(), kBlockRows), blocks = (p_.m + most - 1) / most;
    blockRows_ = std::min(p_.m, roundUp((p_.m + blocks - 1) / blocks, productRows()));
    // Rows of a that are contiguous are read in place where packing them would serve few columns.
    aInPlace_ = aType_ == DType::kFloat32 && p_.a.column == 1 && p_.n <= kFewColumns && p_.m > kFewRows;
    direct_ = cType_ == DType::kFloat32 && p_.c.column == 1;
    // Where threads cut columns only, all need the same rows of a: they pack them together.
    sharesRows_ = !aInPlace_ && p_.batchCount() == 1 && parts_.size() > 1 && p_.m <= blockRows_;
    for (const MatmulPart& part : parts_) sharesRows_ &= part.rows.end - part.rows.begin == p_.m;
    bool asIs = !packed_ && p_.m <= kFewRows && bType_ == DType::kFloat32;
    asRows_ = asIs && p_.b.column == 1;
    asColumns_ = asIs && !asRows_ && p_.b.row == 1;
    if (asRows_ || asColumns_) sharesRows_ = false;
    takeBias();
  }

  int64_t scratchBytes() const override {
    int64_t shared = sharesRows_ ? aFloats() : 0;
    return (shared + threadFloats() * static_cast<int64_t>(parts_.size())) * static_cast<int64_t>(sizeof(float));
  }

  void run(const TensorRef* inputs, const TensorRef* outputs, void* scratch, ThreadPool& pool) override {
    float* memory = static_cast<float*>(scratch);
    float* shared = nullptr;
    if (sharesRows_) {
      shared = memory;
      memory += aFloats();
      auto pack = [&](int t, int n) {
        Slice slice = threadSlice(p_.m, t, n, productRows());
        Workspace w = workspace(memory, t);
        if (t < static_cast<int>(parts_.size())) packA(inputs[0], 0, slice, shared + slice.begin * p_.k, w);
        // Threads beyond the parts have no workspace: the first takes over what they would pack.
        for (int other = static_cast<int>(parts_.size()); t == 0 && other < n; ++other) {
          Slice rest = threadSlice(p_.m, other, n, productRows());
          packA(inputs[0], 0, rest, shared + rest.begin * p_.k, w);
        }
      };
      pool.run(pack);
    }
    auto part = [&](int t, int n) {
      for (size_t i = t; i < parts_.size(); i += n) {
        Workspace w = workspace(memory, static_cast<int>(i));
        for (int64_t batch = parts_[i].batches.begin; batch < parts_[i].batches.end; ++batch) {
          computePart(parts_[i], batch, inputs, outputs[0], shared, w);
        }
      }
    };
    if (parts_.size() == 1) return part(0, 1);
    pool.run(part);
  }

 private:
  // A first post-op that adds one row to all rows is where sums begin.
  void takeBias() {
    if (aInPlace_ || asRows_ || asColumns_ || p_.k == 0 || ops_.empty() || ops_[0].kind != PostOps::Kind::kAdd) return;
    const MatrixStrides& s = p_.postOps[0];
    bool isRow = s.row == 0 && s.column == 1 &&
                 std::all_of(s.batch.begin(), s.batch.end(), [](int64_t stride) { return stride == 0; });
    if (!isRow || operandTypes_[ops_[0].operand] != DType::kFloat32) return;
    bias_ = ops_[0].operand;
    ops_.erase(ops_.begin());
    p_.postOps.erase(p_.postOps.begin());
  }
  int64_t aFloats() const { return aInPlace_ ? 0 : roundUp(blockRows_ * p_.k, 16); }
  int64_t bFloats() const {
    if (asRows_ || asColumns_) return 0;
    if (!packed_) return p_.k * std::min(roundUp(p_.n, panel_), kBlockColumns);
    return bType_ == DType::kFloat32 ? 0 : kDepth * panel_;
  }
  int64_t cFloats() const { return blockRows_ * std::min(roundUp(p_.n, panel_), kBlockColumns); }
  int64_t bufferFloats() const {
    auto packsDirectly = [](DType type, const MatrixStrides& s) {
      return type == DType::kFloat32 && (s.row == 1 || s.column == 1);
    };
    bool direct = packsDirectly(aType_, p_.a) && (packed_ || packsDirectly(bType_, p_.b)) && !asColumns_;
    return direct ? 0 : kPackBuffer;
  }
  int64_t threadFloats() const {
    return (sharesRows_ ? 0 : aFloats()) + roundUp(bFloats(), 16) + roundUp(cFloats(), 16) + bufferFloats();
  }
  Workspace workspace(float* memory, int part) const {
    Workspace w;
    w.a = memory + threadFloats() * part;
    w.b = w.a + (sharesRows_ ? 0 : aFloats());
    w.c = w.b + roundUp(bFloats(), 16);
    w.buffer = w.c + roundUp(cFloats(), 16);
    return w;
  }

  void packA(const TensorRef& a, int64_t batch, Slice rows, float* to, Workspace& w) const {
    int64_t at = p_.batchOffset(batch, p_.a) * bitWidth(aType_) / 8;
    packRows(aType_, a.as<const char>() + at, p_.a.row, p_.a.column, rows.begin, rows.end - rows.begin, p_.k, to,
             w.buffer);
  }

  void computePart(const MatmulPart& part, int64_t batch, const TensorRef* inputs, const TensorRef& result,
                   const float* sharedRows, Workspace& w) const;
  void multiplyBlock(const float* a, int64_t batch, int64_t rows, Slice columns, const TensorRef* inputs, Workspace& w,
                     Block block) const;
  void multiplyFew(int64_t batch, Slice rows, Slice columns, const TensorRef* inputs, Workspace& w, Block block) const;
  void finish(int64_t batch, Slice rows, Slice columns, const TensorRef* inputs, const TensorRef& result, Block block,
              bool store) const;

  MatmulProblem p_;
  std::vector<PostOps::Op> ops_;
  DType aType_, bType_, cType_;
  std::vector<DType> operandTypes_;
  int bias_ = -1;  // input
  bool packed_;
  int64_t panel_;
  std::vector<MatmulPart> parts_;
  int64_t blockRows_ = 0;
  bool sharesRows_ = false;
  bool aInPlace_ = false;
  bool direct_ = false;                      // blocks of whole panels are computed where they belong
  bool asRows_ = false, asColumns_ = false;  // b is read in place: few rows of a, and b's rows or columns contiguous
};

void FloatMatmul::computePart(const MatmulPart& part, int64_t batch, const TensorRef* inputs, const TensorRef& result,
                              const float* sharedRows, Workspace& w) const {
  for (int64_t r = part.rows.begin; r < part.rows.end; r += blockRows_) {
    Slice rows = {r, std::min(part.rows.end, r + blockRows_)};
    const float* a = sharedRows;
    if (aInPlace_) {
      a = inputs[0].as<const float>() + p_.batchOffset(batch, p_.a) + r * p_.a.row;
    } else if (a == nullptr) {
      packA(inputs[0], batch, rows, w.a, w);
      a = w.a;
    }
    for (int64_t c = part.columns.begin; c < part.columns.end; c += kBlockColumns) {
      Slice columns = {c, std::min(part.columns.end, c + kBlockColumns)};
      int64_t n = columns.end - columns.begin;
      Block block = {w.c, roundUp(n, panel_)};
      if (direct_ && n % panel_ == 0) {
        block = {result.as<float>() + p_.batchOffset(batch, p_.c) + r * p_.c.row + c, p_.c.row};
      }
      if (asRows_ || asColumns_) {
        multiplyFew(batch, rows, columns, inputs, w, block);
      } else {
        multiplyBlock(a, batch, rows.end - rows.begin, columns, inputs, w, block);
      }
      finish(batch, rows, columns, inputs, result, block, block.data == w.c);
    }
  }
}

// block := rows of a, packed or in place, times columns of b.
void FloatMatmul::multiplyBlock(const float* a, int64_t batch, int64_t rows, Slice columns, const TensorRef* inputs,
                                Workspace& w, Block block) const {
  const TensorRef& b = inputs[1];
  const float* bias = bias_ < 0 ? nullptr : inputs[bias_].as<const float>() + columns.begin;
  float lastBias[kMaxProductPanel] = {};  // of a panel that is not full
  int64_t whole = (columns.end - columns.begin) / panel_ * panel_;
  if (bias) std::copy(bias + whole, bias + (columns.end - columns.begin), lastBias);
  int64_t width = roundUp(columns.end - columns.begin, panel_);
  int64_t bOffset = p_.batchOffset(batch, p_.b);
  if (!packed_) {
    packColumns(bType_, b.as<const char>() + bOffset * bitWidth(bType_) / 8, p_.b.row, p_.b.column, columns.begin,
                columns.end - columns.begin, p_.k, w.b, w.buffer);
  }
  for (int64_t r = 0; r < rows && p_.k == 0; ++r) std::fill_n(block.data + r * block.stride, width, 0.f);
  bool widened = packed_ && bType_ != DType::kFloat32;
  auto panelAt = [&](int64_t column, int64_t first, int64_t depth) {
    if (!packed_) return static_cast<const float*>(w.b + column * p_.k + first * panel_);
    return constantPanel(bType_, b.data, bOffset + (columns.begin + column) * p_.k, first, depth, w.b);
  };
  // Few rows of a: a panel of b is used once, and read best as it lies in memory.
  int64_t blockDepth = rows <= productRows() && !widened ? p_.k : kDepth;
  for (int64_t k = 0; k < p_.k; k += blockDepth) {
    int64_t depth = std::min(blockDepth, p_.k - k);
    for (int64_t c = 0; c < width; c += panel_) {
      const float* panel = panelAt(c, k, depth);
      const float* next = widened              ? nullptr
                          : c + panel_ < width ? panelAt(c + panel_, k, depth)
                                               : panelAt(0, k + depth, 0);
      float* to = block.data + c;
      if (aInPlace_) {
        multiplySmall(a + k, p_.a.row, panel, panel_, panel_, to, block.stride, rows, panel_, depth, k > 0);
      } else {
        const float* start = bias && c == whole ? lastBias : bias ? bias + c : nullptr;
        multiplyPacked(a, p_.k, k, panel, to, block.stride, rows, depth, k > 0, start, next);
      }
    }
  }
}

void FloatMatmul::multiplyFew(int64_t batch, Slice rows, Slice columns, const TensorRef* inputs, Workspace& w,
                              Block block) const {
  int64_t n = columns.end - columns.begin, count = rows.end - rows.begin;
  const float* b = inputs[1].as<const float>() + p_.batchOffset(batch, p_.b) + columns.begin * p_.b.column;
  for (int64_t r = 0; r < count; ++r) {
    float* out = block.data + r * block.stride;
    if (asRows_) {
      std::fill_n(out, n, 0.f);
      addWeightedRows(w.a + r, count, b, p_.b.row, p_.k, n, out);  // packed rows of a are interleaved
      continue;
    }
    float* row = w.buffer;
    std::fill_n(out, n, 0.f);
    for (int64_t k = 0; k < p_.k; k += kPackBuffer / 2) {
      int64_t depth = std::min(kPackBuffer / 2, p_.k - k);
      for (int64_t i = 0; i < depth; ++i) row[i] = w.a[(k + i) * count + r];
      for (int64_t c = 0; c < n; ++c) {
        float sum;
        dotRows(row, b + c * p_.b.column + k, p_.b.column, depth, 1, &sum);
        out[c] += sum;
      }
    }
  }
}

// Post-ops on the block; if `store`, it is in scratch and then written where it belongs.
void FloatMatmul::finish(int64_t batch, Slice rows, Slice columns, const TensorRef* inputs, const TensorRef& result,
                         Block block, bool store) const {
  if (!store && ops_.empty()) return;
  PostOpRow operands[kMaxPostOps + 1];  // a convolution's bias is one more
  int64_t n = columns.end - columns.begin;
  for (size_t k = 0; k < ops_.size(); ++k) {
    if (ops_[k].operand < 0) continue;
    const TensorRef& operand = inputs[ops_[k].operand];
    const MatrixStrides& s = p_.postOps[k];
    operands[k] = {operand.dtype, operand.data,
                   p_.batchOffset(batch, s) + rows.begin * s.row + columns.begin * s.column, s.column};
  }
  int64_t at = p_.batchOffset(batch, p_.c) + rows.begin * p_.c.row + columns.begin * p_.c.column;
  int64_t count = rows.end - rows.begin;
  bool byRows = p_.c.column == 1 || n == 1, byColumns = !byRows && p_.c.row == 1 && cType_ == DType::kFloat32;
  for (int64_t r = 0; r < count; ++r) {
    float* row = block.data + r * block.stride;
    applyPostOps(ops_.data(), ops_.size(), operands, row, n);
    for (size_t k = 0; k < ops_.size(); ++k) operands[k].first += p_.postOps[k].row;
    if (!store || byColumns) continue;
    storeFloats(cType_, result.data, at + r * p_.c.row, byRows ? 1 : p_.c.column, n, row);
  }
  if (store && byColumns) transpose32(block.data, block.stride, result.as<float>() + at, p_.c.column, n, count);
}

}  // namespace

std::unique_ptr<PreparedKernel> prepareFloatMatmul(const KernelSpec& spec, MatmulProblem problem,
                                                   const std::vector<PostOps::Op>& ops, bool packed, int numThreads) {
  return std::make_unique<FloatMatmul>(spec, std::move(problem), ops, packed, numThreads);
}

}  // namespace shardwright
