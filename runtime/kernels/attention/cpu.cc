#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/kernels/attention/kernel.h"
#include "runtime/kernels/attention/softmax_rows.h"
#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/copy/transpose.h"
#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_ops.h"
#include "runtime/kernels/small_product.h"

namespace shardwright {
namespace {

constexpr int64_t kQueryRows = 48;       // rows of scores computed together: four times what registers hold
constexpr int64_t kKeys = 128;           // keys of a tile; 48 × 128 scores stay in the first-level cache
constexpr int64_t kFewRows = 3;          // below it, laying k out anew costs more than it saves
constexpr int64_t kWholeHead = 1 << 20;  // elements of a head of k that are laid out once for all queries

int64_t roundUp(int64_t n, int64_t granule) { return (n + granule - 1) / granule * granule; }

struct AttentionShape {
  TensorRef q, k, v, y;  // dims and strides
  int64_t batch = 0, heads = 0, kvHeads = 0, group = 0, queries = 0, keys = 0, depth = 0, valueDepth = 0;
  bool hasMask = false, causal = false, uniform = false;
  DType maskType = DType::kUndefined;
  std::vector<int64_t> maskStrides;  // along b, h, s, t
  int64_t offset = 0;
  float scale = 1, softcap = 0;

  // What a hidden score becomes. With the lowest finite number a row of hidden keys weighs them equally.
  float hidden() const { return uniform ? std::numeric_limits<float>::lowest() : -HUGE_VALF; }
  int64_t rows() const { return group * queries; }  // that share one head of k and v
  int64_t blocks() const { return (rows() + kQueryRows - 1) / kQueryRows; }
};

// One thread's part of the scratch.
struct Workspace {
  float* q;               // kQueryRows × depth, scaled
  float* scores;          // kQueryRows × kKeys
  float* sums;            // kQueryRows × padded valueDepth
  float* keys;            // panels of k: [tile of keys][depth][panel]
  float* values;          // kKeys × padded valueDepth, where v is not used in place
  float* row;             // a row of k, v or the mask as float32: kKeys × depth
  int64_t laidHead = -1;  // the head of k that `keys` holds wholly
};

class PreparedAttention : public PreparedKernel {
 public:
  PreparedAttention(AttentionShape shape, int numThreads)
      : s_(std::move(shape)),
        numThreads_(numThreads),
        panel_(productPanel()),
        paddedDepth_(roundUp(s_.valueDepth, panel_)),
        few_(s_.rows() < kFewRows),
        wholeHead_(s_.keys * s_.depth <= kWholeHead) {}

  int64_t scratchBytes() const override {
    return numThreads_ * workspaceFloats() * static_cast<int64_t>(sizeof(float));
  }

  void run(const TensorRef* inputs, const TensorRef* outputs, void* scratch, ThreadPool& pool) override {
    int64_t items = s_.batch * s_.kvHeads * s_.blocks();
    auto part = [&](int t, int n) {
      Workspace w = workspace(static_cast<float*>(scratch) + workspaceFloats() * t);
      Slice slice = threadSlice(items, t, n);
      for (int64_t i = slice.begin; i < slice.end; ++i) attend(i / s_.blocks(), i % s_.blocks(), inputs, outputs[0], w);
    };
    runParts(pool, s_.batch * s_.heads * s_.queries * s_.keys * s_.depth / 8, part);
  }

 private:
  int64_t keyTile() const { return roundUp(kKeys, panel_); }
  int64_t laidKeys() const { return few_ ? 0 : wholeHead_ ? roundUp(s_.keys, panel_) : keyTile(); }
  static bool inPlace(const TensorRef& x) { return x.dtype == DType::kFloat32 && x.strides[3] == 1; }
  int64_t valueFloats() const {
    return inPlace(s_.v) && (few_ || paddedDepth_ == s_.valueDepth) ? 0 : keyTile() * paddedDepth_;
  }
  int64_t rowFloats() const {
    int64_t rows = few_ ? keyTile() : panel_;
    return roundUp(std::max(s_.hasMask ? keyTile() : 0, inPlace(s_.k) ? 0 : rows * s_.depth), 16);
  }
  int64_t workspaceFloats() const {
    return roundUp(kQueryRows * s_.depth, 16) + kQueryRows * keyTile() + kQueryRows * paddedDepth_ +
           roundUp(laidKeys() * s_.depth, 16) + valueFloats() + rowFloats();
  }
  Workspace workspace(float* at) const {
    Workspace w;
    auto take = [&](int64_t n) {
      float* taken = at;
      at += n;
      return taken;
    };
    w.q = take(roundUp(kQueryRows * s_.depth, 16));
    w.scores = take(kQueryRows * keyTile());
    w.sums = take(kQueryRows * paddedDepth_);
    w.keys = take(roundUp(laidKeys() * s_.depth, 16));
    w.values = take(valueFloats());
    w.row = take(rowFloats());
    return w;
  }

  void attend(int64_t head, int64_t block, const TensorRef* inputs, const TensorRef& y, Workspace& w) const;
  void loadQueries(const TensorRef& q, int64_t head, int64_t first, int64_t rows, float* to) const;
  void layKeys(const TensorRef& k, int64_t head, int64_t first, int64_t count, float* to, float* buffer) const;
  const float* rowsOf(const TensorRef& x, int64_t head, int64_t first, int64_t count, int64_t width, int64_t padded,
                      float* buffer, int64_t& stride) const;
  void score(const TensorRef* inputs, int64_t head, int64_t first, int64_t count, int64_t rows, Workspace& w) const;
  void hide(const TensorRef* inputs, int64_t head, int64_t row, int64_t firstKey, int64_t count, float* scores,
            float* buffer) const;

  // Row r of the rows that share a head of k: which query head and query it is.
  int64_t queryHead(int64_t head, int64_t r) const { return head % s_.kvHeads * s_.group + r / s_.queries; }
  int64_t query(int64_t r) const { return r % s_.queries; }

  AttentionShape s_;
  int numThreads_;
  int64_t panel_, paddedDepth_;
  bool few_, wholeHead_;
};

void PreparedAttention::loadQueries(const TensorRef& q, int64_t head, int64_t first, int64_t rows, float* to) const {
  for (int64_t r = 0; r < rows; ++r) {
    int64_t at = head / s_.kvHeads * s_.q.strides[0] + queryHead(head, first + r) * s_.q.strides[1] +
                 query(first + r) * s_.q.strides[2];
    loadFloats(q.dtype, q.data, at, s_.q.strides[3], s_.depth, to + r * s_.depth);
    scaleRow(to + r * s_.depth, s_.depth, s_.scale);
  }
}

// Rows [first, first + count) of one head of k or v as contiguous float32 rows: in place where they are that.
const float* PreparedAttention::rowsOf(const TensorRef& x, int64_t head, int64_t first, int64_t count, int64_t width,
                                       int64_t padded, float* buffer, int64_t& stride) const {
  int64_t at = head / s_.kvHeads * x.strides[0] + head % s_.kvHeads * x.strides[1] + first * x.strides[2];
  if (x.dtype == DType::kFloat32 && x.strides[3] == 1 && padded == width) {
    stride = x.strides[2];
    return x.as<const float>() + at;
  }
  for (int64_t j = 0; j < count; ++j) {
    loadFloats(x.dtype, x.data, at + j * x.strides[2], x.strides[3], width, buffer + j * padded);
    std::fill_n(buffer + j * padded + width, padded - width, 0.f);
  }
  stride = padded;
  return buffer;
}

// Columns of the last panel beyond the keys stay undefined: their scores are never read.
// Lays keys out in panels: to[(key / panel) * depth * panel + i * panel + key % panel] = k[first + key][i].
void PreparedAttention::layKeys(const TensorRef& k, int64_t head, int64_t first, int64_t count, float* to,
                                float* buffer) const {
  for (int64_t key = 0; key < count; key += panel_) {
    int64_t width = std::min(panel_, count - key), stride;
    const float* rows = rowsOf(k, head, first + key, width, s_.depth, s_.depth, buffer, stride);
    float* panel = to + key * s_.depth;
    transpose32(rows, stride, panel, panel_, s_.depth, width);
  }
}

void PreparedAttention::score(const TensorRef* inputs, int64_t head, int64_t first, int64_t count, int64_t rows,
                              Workspace& w) const {
  if (few_) {
    int64_t stride;
    const float* keys = rowsOf(inputs[1], head, first, count, s_.depth, s_.depth, w.row, stride);
    for (int64_t r = 0; r < rows; ++r) {
      dotRows(w.q + r * s_.depth, keys, stride, s_.depth, count, w.scores + r * keyTile());
    }
    return;
  }
  const float* panels = w.keys;
  if (wholeHead_) {
    if (w.laidHead != head) layKeys(inputs[1], head, 0, s_.keys, w.keys, w.row);
    w.laidHead = head;
    panels += first * s_.depth;
  } else {
    layKeys(inputs[1], head, first, count, w.keys, w.row);
  }
  multiplySmall(w.q, s_.depth, panels, panel_, s_.depth * panel_, w.scores, keyTile(), rows, roundUp(count, panel_),
                s_.depth, false);
}

// Softcap, mask and causality of one row's scores of a tile of keys.
void PreparedAttention::hide(const TensorRef* inputs, int64_t head, int64_t row, int64_t firstKey, int64_t count,
                             float* scores, float* buffer) const {
  if (s_.softcap > 0) capRow(scores, count, s_.softcap);
  if (s_.hasMask) {
    const TensorRef& mask = inputs[3];
    const std::vector<int64_t>& m = s_.maskStrides;
    int64_t at = head / s_.kvHeads * m[0] + queryHead(head, row) * m[1] + query(row) * m[2] + firstKey * m[3];
    if (s_.maskType == DType::kBool) {
      const uint8_t* seen = mask.as<const uint8_t>() + at;
      if (m[3] == 1) {
        hideRow(scores, seen, count, s_.hidden());
      } else {
        for (int64_t j = 0; j < count; ++j) scores[j] = seen[j * m[3]] != 0 ? scores[j] : s_.hidden();
      }
    } else {
      const float* added = buffer;
      if (s_.maskType == DType::kFloat32 && m[3] == 1) {
        added = mask.as<const float>() + at;
      } else {
        loadFloats(s_.maskType, mask.data, at, m[3], count, buffer);
      }
      addRow(scores, added, count);
    }
  }
  if (!s_.causal) return;
  int64_t seen = std::clamp<int64_t>(query(row) + s_.offset + 1 - firstKey, 0, count);
  std::fill(scores + seen, scores + count, s_.hidden());
}

void PreparedAttention::attend(int64_t head, int64_t block, const TensorRef* inputs, const TensorRef& y,
                               Workspace& w) const {
  int64_t first = block * kQueryRows, rows = std::min(kQueryRows, s_.rows() - first);
  loadQueries(inputs[0], head, first, rows, w.q);
  std::fill_n(w.sums, rows * paddedDepth_, 0.f);
  float most[kQueryRows], weight[kQueryRows];
  std::fill_n(most, rows, -HUGE_VALF);
  std::fill_n(weight, rows, 0.f);
  int64_t keys = s_.keys;
  if (s_.causal && !s_.uniform) {
    int64_t last = 0;
    for (int64_t r = first; r < first + rows; ++r) last = std::max(last, query(r));
    keys = std::clamp<int64_t>(last + s_.offset + 1, 0, keys);
  }
  for (int64_t key = 0; key < keys; key += keyTile()) {
    int64_t count = std::min(keyTile(), keys - key);
    score(inputs, head, key, count, rows, w);
    for (int64_t r = 0; r < rows; ++r) {
      float* scores = w.scores + r * keyTile();
      hide(inputs, head, first + r, key, count, scores, w.row);
      float now = std::max(most[r], maxOfRow(scores, count));
      float shift = now == -HUGE_VALF ? 0.f : now;  // nothing seen yet: all weights are 0
      float kept = std::exp(most[r] - shift);
      weight[r] = weight[r] * kept + expRow(scores, count, shift);
      if (kept != 1.f && key > 0) scaleRow(w.sums + r * paddedDepth_, paddedDepth_, kept);
      most[r] = now;
    }
    int64_t stride;
    if (few_) {
      const float* values = rowsOf(inputs[2], head, key, count, s_.valueDepth, s_.valueDepth, w.values, stride);
      for (int64_t r = 0; r < rows; ++r) {
        addWeightedRows(w.scores + r * keyTile(), 1, values, stride, count, s_.valueDepth, w.sums + r * paddedDepth_);
      }
    } else {
      const float* values = rowsOf(inputs[2], head, key, count, s_.valueDepth, paddedDepth_, w.values, stride);
      multiplySmall(w.scores, keyTile(), values, stride, panel_, w.sums, paddedDepth_, rows, paddedDepth_, count, true);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    float* sums = w.sums + r * paddedDepth_;
    scaleRow(sums, s_.valueDepth, weight[r] > 0 ? 1.f / weight[r] : 0.f);
    int64_t at = head / s_.kvHeads * s_.y.strides[0] + queryHead(head, first + r) * s_.y.strides[1] +
                 query(first + r) * s_.y.strides[2];
    storeFloats(y.dtype, y.data, at, s_.y.strides[3], s_.valueDepth, sums);
  }
}

class Attention : public Kernel {
 public:
  explicit Attention(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int numThreads) override {
    AttentionShape s;
    s.q = inputs[0];
    s.k = inputs[1];
    s.v = inputs[2];
    s.y = outputs[0];
    SW_RETURN_IF_ERROR(readDims(s));
    AttrReader attrs(spec_, &sizeAttrs);
    s.scale = static_cast<float>(attrs.number("scale", 1.0 / std::sqrt(std::max(1.0, static_cast<double>(s.depth)))));
    s.softcap = static_cast<float>(attrs.number("softcap", 0));
    s.causal = attrs.flag("is_causal", false);
    s.offset = attrs.integer("offset", 0);
    s.uniform = attrs.choice("empty_rows", {"zeros", "uniform"}) == "uniform";
    SW_RETURN_IF_ERROR(attrs.status());
    s.hasMask = inputs.size() > 3 && !inputs[3].absent();
    if (s.hasMask) {
      TensorRef scores = s.y;
      scores.dims[3] = s.keys;
      auto strides = broadcastStrides(inputs[3], scores);
      if (!strides) {
        return stepError(spec_, "has the mask " + describe(inputs[3]) + "; it must broadcast to [" +
                                    std::to_string(s.batch) + ", " + std::to_string(s.heads) + ", " +
                                    std::to_string(s.queries) + ", " + std::to_string(s.keys) + "]");
      }
      s.maskStrides = *strides;
      s.maskType = inputs[3].dtype;
    }
    return std::unique_ptr<PreparedKernel>(new PreparedAttention(std::move(s), numThreads));
  }

 private:
  Status readDims(AttentionShape& s) const {
    bool fits = s.q.rank == 4 && s.k.rank == 4 && s.v.rank == 4 && s.y.rank == 4;
    if (fits) {
      s.batch = s.q.dims[0];
      s.heads = s.q.dims[1];
      s.queries = s.q.dims[2];
      s.depth = s.q.dims[3];
      s.kvHeads = s.k.dims[1];
      s.keys = s.k.dims[2];
      s.valueDepth = s.v.dims[3];
      s.group = s.kvHeads > 0 ? s.heads / s.kvHeads : 0;
      auto dimsAre = [](const TensorRef& x, int64_t b, int64_t h, int64_t n, int64_t d) {
        return x.dims[0] == b && x.dims[1] == h && x.dims[2] == n && x.dims[3] == d;
      };
      fits = dimsAre(s.k, s.batch, s.kvHeads, s.keys, s.depth) &&
             dimsAre(s.v, s.batch, s.kvHeads, s.keys, s.valueDepth) &&
             dimsAre(s.y, s.batch, s.heads, s.queries, s.valueDepth) && s.group * s.kvHeads == s.heads;
    }
    if (fits) return Status();
    return stepError(spec_, "attends with q " + describe(s.q) + ", k " + describe(s.k) + ", v " + describe(s.v) +
                                " to " + describe(s.y) +
                                "; they must be [b, h, s, d], [b, g, t, d], [b, g, t, e] and [b, h, s, e], with h a "
                                "multiple of g");
  }

  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeAttentionCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 3, 4, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"scale", "is_causal", "offset", "softcap", "empty_rows"});
  attrs.choice("empty_rows", {"zeros", "uniform"});
  SW_RETURN_IF_ERROR(attrs.status());
  bool fits = isComputedInFloat(spec.outputs[0]);
  for (int i = 0; i < 3; ++i) fits &= isComputedInFloat(spec.inputs[i]);
  if (spec.inputs.size() > 3 && spec.inputs[3] != DType::kUndefined) {
    fits &= spec.inputs[3] == DType::kBool || isComputedInFloat(spec.inputs[3]);
  }
  if (!fits) {
    return stepError(spec,
                     "attends with operands of other types; q, k, v and the output must be float32, float16 or "
                     "bfloat16, the mask one of them or bool");
  }
  return std::unique_ptr<Kernel>(new Attention(spec));
}

}  // namespace shardwright
