#include <algorithm>
#include <map>
#include <tuple>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/conv/float_conv.h"
#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/padded_copy.h"

namespace shardwright {
namespace {

constexpr int64_t kFewChannels = 16;  // below it, rows padded in a copy beat rows padded by oneDNN twofold

int64_t alignBytes(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// Whether one image of [n, c, spatial…] is dense with channels last.
bool isChannelsLast(const TensorRef& image) {
  TensorRef view = channelsLastView(image);
  view.dims[0] = 1;
  return isDense(view);
}

// Rows [first, end) of the outermost spatial dim of one image's result.
struct RowTile {
  int64_t image = 0, first = 0, end = 0;
  int64_t sourceRow = 0;
  ConvCall call;
  StridedCopy store;  // from scratch to the result, where that is float32 and not channels-last
};

class WindowConv : public PreparedKernel {
 public:
  WindowConv(const KernelSpec& spec, ConvShape shape, const std::vector<TensorRef>& inputs, const TensorRef& y,
             const std::vector<PostOps::Op>& ops)
      : spec_(spec), shape_(std::move(shape)), y_(channelsLastView(y)), ops_(ops) {
    hasBias_ = inputs.size() > 2 && !inputs[2].absent();
  }

  Status plan(const std::vector<TensorRef>& inputs, const TensorRef& y, const dnnl_memory_desc_t* packed,
              int numThreads);

  int64_t scratchBytes() const override {
    return stagedBytes_ + weightBytes_ + biasBytes_ + static_cast<int64_t>(tiles_.size()) * threadBytes_;
  }

  void run(const TensorRef* inputs, const TensorRef* outputs, void* scratch, ThreadPool& pool) override;

 private:
  Status planPostOps(const std::vector<TensorRef>& inputs, const TensorRef& y);
  Status planWeights(const std::vector<ConvShape>& shapes, const dnnl_memory_desc_t* packed, bool constant);
  StatusOr<CompiledConv*> compiled(const ConvShape& shape);
  ConvShape rowShape(int64_t first, int64_t end, int64_t& sourceRow) const;
  const float* weights(const TensorRef& w, char* scratch);
  void runTile(RowTile& tile, const float* x, const float* w, const float* bias, const TensorRef* inputs,
               const TensorRef& result, char* scratch);
  void finish(const RowTile& tile, float* to, const TensorRef* inputs, const TensorRef& result);
  int64_t rowElements(const std::vector<WindowDim>& dims, bool output, int64_t channels) const {
    int64_t n = channels;
    for (size_t i = 1; i < dims.size(); ++i) n *= output ? dims[i].output : dims[i].input;
    return n;
  }

  KernelSpec spec_;
  ConvShape shape_;
  TensorRef y_;
  std::vector<PostOps::Op> ops_;
  std::vector<std::vector<int64_t>> opStrides_;  // channels-last, of each op
  std::vector<NativePostOp> native_;             // the first ops, done by oneDNN
  bool hasBias_ = false;
  bool direct_ = false;
  std::optional<PaddedCopy> staged_;
  int64_t imageStride_ = 0;
  dnnl_memory_desc_t weightDesc_ = {};
  std::optional<WeightsReorder> reorder_;  // where w is not in the layout that the tiles want
  bool reorderOnce_ = false;
  std::vector<char> reordered_;
  std::map<std::tuple<int64_t, int64_t, int64_t>, CompiledConv> compiled_;  // by rows and pads
  std::vector<std::vector<RowTile>> tiles_;                                 // by thread
  int64_t stagedBytes_ = 0, weightBytes_ = 0, biasBytes_ = 0, tileBytes_ = 0, threadBytes_ = 0;
};

ConvShape WindowConv::rowShape(int64_t first, int64_t end, int64_t& sourceRow) const {
  ConvShape part = shape_;
  WindowDim& rows = part.spatial[0];
  WindowPart window = windowPart(rows, first, end);
  sourceRow = window.firstInput;
  rows.input = window.endInput - window.firstInput;
  rows.output = end - first;
  rows.padBegin = window.padBegin;
  rows.padEnd = window.padEnd;
  return part;
}

// The first ops that oneDNN can do while storing; a direct result only, as operands must lie as the result does.
Status WindowConv::planPostOps(const std::vector<TensorRef>& inputs, const TensorRef& y) {
  bool native = direct_;
  for (const PostOps::Op& op : ops_) {
    TensorRef operand = y;
    if (op.operand >= 0) {
      auto strides = broadcastStrides(inputs[op.operand], y);
      if (!strides) {
        return stepError(spec_, "a post-op's operand is " + describe(inputs[op.operand]) +
                                    "; it must broadcast to the result " + describe(y));
      }
      std::copy(strides->begin(), strides->end(), operand.strides);
    }
    TensorRef last = channelsLastView(operand);
    opStrides_.emplace_back(last.strides, last.strides + last.rank);
    bool sameLayout = op.operand >= 0 && inputs[op.operand].dtype == DType::kFloat32 && isChannelsLast(operand);
    native &= op.kind == PostOps::Kind::kRelu || (op.kind == PostOps::Kind::kAdd && sameLayout);
    if (native) native_.push_back(op.operand >= 0 ? NativePostOp::kAdd : NativePostOp::kRelu);
  }
  return Status();
}

// Finds one layout of w for all tiles: the packed one if oneDNN takes it, else one that it chooses.
Status WindowConv::planWeights(const std::vector<ConvShape>& shapes, const dnnl_memory_desc_t* packed, bool constant) {
  auto usable = [&](const dnnl_memory_desc_t& desc) -> StatusOr<bool> {
    for (const ConvShape& shape : shapes) {
      SW_ASSIGN_OR_RETURN(CompiledConv conv, CompiledConv::compile(shape, &desc, hasBias_, native_));
      if (conv.slow) return false;
    }
    return true;
  };
  dnnl_memory_desc_t plain = plainWeights(shape_);
  const dnnl_memory_desc_t& given = packed != nullptr ? *packed : plain;
  weightDesc_ = given;
  SW_ASSIGN_OR_RETURN(bool takesGiven, usable(given));
  if (takesGiven) return Status();
  for (bool dropNative : {false, true}) {
    if (dropNative) native_.clear();
    for (const ConvShape& shape : shapes) {
      SW_ASSIGN_OR_RETURN(CompiledConv chosen, CompiledConv::compile(shape, nullptr, hasBias_, native_));
      if (chosen.slow) continue;
      SW_ASSIGN_OR_RETURN(bool forAll, usable(chosen.weights));
      if (!forAll) continue;
      weightDesc_ = chosen.weights;
      SW_ASSIGN_OR_RETURN(reorder_, WeightsReorder::make(given, weightDesc_));
      int64_t bytes = static_cast<int64_t>(dnnl_memory_desc_get_size(&weightDesc_));
      reorderOnce_ = constant;
      if (constant) {
        reordered_.resize(bytes + 64);
      } else {
        weightBytes_ = alignBytes(bytes);
      }
      return Status();
    }
  }
  return Status();  // the reference implementation: slow, and right
}

StatusOr<CompiledConv*> WindowConv::compiled(const ConvShape& shape) {
  const WindowDim& rows = shape.spatial[0];
  auto key = std::make_tuple(rows.output, rows.padBegin, rows.padEnd);
  auto known = compiled_.find(key);
  if (known != compiled_.end()) return &known->second;
  SW_ASSIGN_OR_RETURN(CompiledConv conv, CompiledConv::compile(shape, &weightDesc_, hasBias_, native_));
  return &compiled_.emplace(key, std::move(conv)).first->second;
}

Status WindowConv::plan(const std::vector<TensorRef>& inputs, const TensorRef& y, const dnnl_memory_desc_t* packed,
                        int numThreads) {
  if (y.count() == 0) return Status();
  const TensorRef& x = inputs[0];
  bool cut = std::any_of(shape_.spatial.begin(), shape_.spatial.end(), [](const WindowDim& d) {
    return d.padBegin < 0 || d.padEnd < 0 || d.padBegin >= d.extent() || d.padEnd >= d.extent();
  });
  bool padsFewChannels = shape_.channels < kFewChannels && shape_.spatial[0].padBegin + shape_.spatial[0].padEnd > 0;
  if (x.dtype != DType::kFloat32 || !isChannelsLast(x) || cut || padsFewChannels) {
    staged_.emplace(x, shape_.spatial, cut ? kMaxSpatial : padsFewChannels ? 1 : 0);
    stagedBytes_ = alignBytes(staged_->bytes());
  }
  imageStride_ = staged_ ? staged_->result().strides[0] : x.strides[0];
  // A larger padded input than the outputs need is refused by oneDNN.
  direct_ = y.dtype == DType::kFloat32 && isChannelsLast(y);
  SW_RETURN_IF_ERROR(planPostOps(inputs, y));
  for (WindowDim& dim : shape_.spatial) {
    WindowPart all = windowPart(dim, 0, dim.output);
    dim.padEnd = all.padEnd;
  }

  // Whole images where there are enough of them; else ranges of rows.
  int64_t images = y.dims[0], rows = y.dims[2];
  tiles_.resize(numThreads);
  std::vector<ConvShape> shapes;
  for (int t = 0; t < numThreads; ++t) {
    bool byImage = images >= 4 * numThreads || images % numThreads == 0;
    Slice imageSlice = byImage ? threadSlice(images, t, numThreads) : Slice{0, images};
    Slice rowSlice = byImage ? Slice{0, rows} : threadSlice(rows, t, numThreads);
    if (rowSlice.begin == rowSlice.end) continue;
    for (int64_t i = imageSlice.begin; i < imageSlice.end; ++i) {
      tiles_[t].emplace_back();
      RowTile& tile = tiles_[t].back();
      tile.image = i;
      tile.first = rowSlice.begin;
      tile.end = rowSlice.end;
      ConvShape shape = rowShape(tile.first, tile.end, tile.sourceRow);
      if (i == imageSlice.begin) shapes.push_back(shape);
    }
  }
  bool constant = spec_.constantInputs.size() > 1 && spec_.constantInputs[1];
  SW_RETURN_IF_ERROR(planWeights(shapes, packed, constant));
  int64_t convScratch = 0;
  for (std::vector<RowTile>& tiles : tiles_) {
    for (RowTile& tile : tiles) {
      int64_t sourceRow;
      SW_ASSIGN_OR_RETURN(CompiledConv * conv, compiled(rowShape(tile.first, tile.end, sourceRow)));
      SW_ASSIGN_OR_RETURN(tile.call, ConvCall::make(*conv));
      convScratch = std::max(convScratch, alignBytes(conv->scratchBytes));
      if (direct_) continue;
      TensorRef window = y_;
      window.dims[0] = 1;
      window.dims[1] = tile.end - tile.first;
      tileBytes_ = std::max(tileBytes_, alignBytes(window.count() * 4));
      if (y_.dtype != DType::kFloat32) continue;
      TensorRef dense = window;
      std::vector<int64_t> strides = denseStrides(dense.dims, dense.rank);
      std::copy(strides.begin(), strides.end(), dense.strides);
      tile.store = StridedCopy(dense, window);
    }
  }
  if (hasBias_ && inputs[2].dtype != DType::kFloat32) biasBytes_ = alignBytes(shape_.filters * 4);
  threadBytes_ = tileBytes_ + convScratch;
  return Status();
}

const float* WindowConv::weights(const TensorRef& w, char* scratch) {
  if (!reorder_) return w.as<const float>();
  if (!reorderOnce_) {
    reorder_->run(w.data, scratch);
    return reinterpret_cast<const float*>(scratch);
  }
  char* kept = reordered_.data() + (64 - reinterpret_cast<uintptr_t>(reordered_.data()) % 64) % 64;
  if (reorder_->ranFrom() != w.data) reorder_->run(w.data, kept);
  return reinterpret_cast<const float*>(kept);
}

void WindowConv::run(const TensorRef* inputs, const TensorRef* outputs, void* scratch, ThreadPool& pool) {
  if (tiles_.empty()) return;
  char* memory = static_cast<char*>(scratch);
  const float* x = inputs[0].as<const float>();
  if (staged_) {
    staged_->run(inputs[0].data, reinterpret_cast<float*>(memory), pool);
    x = reinterpret_cast<const float*>(memory);
  }
  const float* w = weights(inputs[1], memory + stagedBytes_);
  const float* bias = hasBias_ ? inputs[2].as<const float>() : nullptr;
  if (biasBytes_ > 0) {
    float* wide = reinterpret_cast<float*>(memory + stagedBytes_ + weightBytes_);
    loadFloats(inputs[2].dtype, inputs[2].data, 0, 1, shape_.filters, wide);
    bias = wide;
  }
  char* threads = memory + stagedBytes_ + weightBytes_ + biasBytes_;
  auto part = [&](int t, int n) {
    onednn::OneThread oneThread;
    for (size_t i = t; i < tiles_.size(); i += n) {
      for (RowTile& tile : tiles_[i]) runTile(tile, x, w, bias, inputs, outputs[0], threads + threadBytes_ * i);
    }
  };
  pool.run(part);
}

void WindowConv::runTile(RowTile& tile, const float* x, const float* w, const float* bias, const TensorRef* inputs,
                         const TensorRef& result, char* scratch) {
  const float* operands[kMaxPostOps] = {};
  int64_t resultOffset = tile.image * y_.strides[0] + tile.first * y_.strides[1];
  int added = 0;
  for (size_t k = 0; k < native_.size(); ++k) {
    if (native_[k] != NativePostOp::kAdd) continue;
    operands[added++] =
        inputs[ops_[k].operand].as<const float>() + tile.image * opStrides_[k][0] + tile.first * opStrides_[k][1];
  }
  float* to = direct_ ? result.as<float>() + resultOffset : reinterpret_cast<float*>(scratch);
  const float* from =
      x + tile.image * imageStride_ + tile.sourceRow * rowElements(shape_.spatial, false, shape_.channels);
  tile.call.run(from, w, bias, to, scratch + tileBytes_, operands);
  if (native_.size() < ops_.size() || !direct_) finish(tile, to, inputs, result);
}

// Applies the ops that are left to each pixel's filters, and stores the tile where it was made in scratch.
void WindowConv::finish(const RowTile& tile, float* to, const TensorRef* inputs, const TensorRef& result) {
  std::vector<PostOps::Op>::const_iterator left = ops_.begin() + native_.size();
  int pixelRank = y_.rank - 1;
  int64_t pixelDims[kMaxRank];
  std::copy_n(y_.dims, pixelRank, pixelDims);
  pixelDims[0] = 1;
  pixelDims[1] = tile.end - tile.first;
  int64_t pixels = 1;
  for (int i = 0; i < pixelRank; ++i) pixels *= pixelDims[i];
  int64_t filters = shape_.filters;
  bool convert = y_.dtype != DType::kFloat32;
  for (int64_t p = 0; p < pixels && (convert || left != ops_.end()); ++p) {
    PostOpRow rows[kMaxPostOps];
    for (size_t k = native_.size(); k < ops_.size(); ++k) {
      if (ops_[k].operand < 0) continue;
      const std::vector<int64_t>& s = opStrides_[k];
      const TensorRef& operand = inputs[ops_[k].operand];
      int64_t first = tile.image * s[0] + tile.first * s[1] + flatOffset(p, pixelRank, pixelDims, s.data());
      rows[k] = {operand.dtype, operand.data, first, s[pixelRank]};
    }
    float* row = to + p * filters;
    applyPostOps(ops_.data() + native_.size(), ops_.size() - native_.size(), rows + native_.size(), row, filters);
    if (!convert) continue;
    int64_t offset =
        tile.image * y_.strides[0] + tile.first * y_.strides[1] + flatOffset(p, pixelRank, pixelDims, y_.strides);
    storeFloats(y_.dtype, result.data, offset, y_.strides[pixelRank], filters, row);
  }
  if (direct_ || convert) return;
  tile.store.run(to, result.as<float>() + tile.image * y_.strides[0] + tile.first * y_.strides[1], 0, 1);
}

}  // namespace

StatusOr<std::unique_ptr<PreparedKernel>> prepareWindowConv(const KernelSpec& spec, ConvShape shape,
                                                            const std::vector<TensorRef>& inputs, const TensorRef& y,
                                                            const std::vector<PostOps::Op>& ops,
                                                            const dnnl_memory_desc_t* packed, int numThreads) {
  auto prepared = std::make_unique<WindowConv>(spec, std::move(shape), inputs, y, ops);
  SW_RETURN_IF_ERROR(prepared->plan(inputs, y, packed, numThreads));
  return std::unique_ptr<PreparedKernel>(std::move(prepared));
}

}  // namespace shardwright
