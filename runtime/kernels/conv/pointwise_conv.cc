#include <algorithm>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/conv/float_conv.h"
#include "runtime/kernels/copy/strided_copy.h"
#include "runtime/kernels/matmul/panels.h"
#include "runtime/kernels/padded_copy.h"
#include "runtime/kernels/parallel.h"

namespace shardwright {
namespace {

// A convolution as a product of [pixels, depth] and [depth, filters], its input perhaps laid out anew before.
class PointwiseConv : public PreparedKernel {
 public:
  PointwiseConv(std::unique_ptr<PreparedKernel> product, std::optional<PaddedCopy> staged, size_t numInputs)
      : product_(std::move(product)), staged_(std::move(staged)), inputs_(numInputs) {}

  int64_t scratchBytes() const override { return stagedBytes() + product_->scratchBytes(); }

  void run(const TensorRef* inputs, const TensorRef* outputs, void* scratch, ThreadPool& pool) override {
    std::copy_n(inputs, inputs_.size(), inputs_.begin());
    if (staged_) {
      staged_->run(inputs[0].data, static_cast<float*>(scratch), pool);
      inputs_[0].data = scratch;
      inputs_[0].dtype = DType::kFloat32;
    }
    product_->run(inputs_.data(), outputs, static_cast<char*>(scratch) + stagedBytes(), pool);
  }

 private:
  int64_t stagedBytes() const { return staged_ ? (staged_->bytes() + 63) / 64 * 64 : 0; }

  std::unique_ptr<PreparedKernel> product_;
  std::optional<PaddedCopy> staged_;
  std::vector<TensorRef> inputs_;
};

// A convolution of windows side by side as a product of [pixels, window] and [window, filters].
class PatchConv : public PreparedKernel {
 public:
  PatchConv(std::unique_ptr<PreparedKernel> product, StridedCopy copy, int64_t patchBytes, size_t numInputs)
      : product_(std::move(product)),
        copy_(std::move(copy)),
        patchBytes_((patchBytes + 63) / 64 * 64),
        inputs_(numInputs) {}

  int64_t scratchBytes() const override { return patchBytes_ + product_->scratchBytes(); }

  void run(const TensorRef* inputs, const TensorRef* outputs, void* scratch, ThreadPool& pool) override {
    std::copy_n(inputs, inputs_.size(), inputs_.begin());
    auto part = [&](int t, int n) { copy_.run(inputs[0].data, scratch, t, n); };
    runParts(pool, patchBytes_ / 4, part);
    inputs_[0].data = scratch;
    product_->run(inputs_.data(), outputs, static_cast<char*>(scratch) + patchBytes_, pool);
  }

 private:
  std::unique_ptr<PreparedKernel> product_;
  StridedCopy copy_;
  int64_t patchBytes_;
  std::vector<TensorRef> inputs_;
};

}  // namespace

TensorRef channelsLastView(const TensorRef& tensor) {
  TensorRef view = tensor;
  for (int i = 1; i + 1 < tensor.rank; ++i) {
    view.dims[i] = tensor.dims[i + 1];
    view.strides[i] = tensor.strides[i + 1];
  }
  view.dims[tensor.rank - 1] = tensor.dims[1];
  view.strides[tensor.rank - 1] = tensor.strides[1];
  return view;
}

namespace {

// The product, its operands views[0] and views[1], of a convolution to y; post-op operands and the bias follow y's order of
// dims with channels last.
StatusOr<std::unique_ptr<PreparedKernel>> prepareProduct(const KernelSpec& spec, std::vector<TensorRef> views,
                                                         const std::vector<TensorRef>& inputs, const TensorRef& y,
                                                         const std::vector<PostOps::Op>& ops, bool packed,
                                                         int numThreads) {
  std::vector<PostOps::Op> all = ops;
  for (const PostOps::Op& op : ops) {
    if (op.operand < 0) continue;
    TensorRef operand = y;
    auto strides = broadcastStrides(inputs[op.operand], y);
    if (!strides) {
      return stepError(spec, "a post-op's operand is " + describe(inputs[op.operand]) +
                                 "; it must broadcast to the result " + describe(y));
    }
    std::copy(strides->begin(), strides->end(), operand.strides);
    views[op.operand] = channelsLastView(operand);
  }
  if (inputs.size() > 2 && !inputs[2].absent()) {
    PostOps::Op bias;
    bias.operand = 2;
    all.insert(all.begin(), bias);
  }
  int64_t packedStride = packed ? packedElements(views[1].dims[0], views[1].dims[1]) : 0;
  SW_ASSIGN_OR_RETURN(MatmulProblem problem, makeMatmulProblem(spec, views, channelsLastView(y), all, packedStride));
  return prepareFloatMatmul(spec, std::move(problem), all, packed, numThreads);
}

}  // namespace

StatusOr<std::unique_ptr<PreparedKernel>> preparePointwiseConv(const KernelSpec& spec, ConvShape shape,
                                                               const std::vector<TensorRef>& inputs, const TensorRef& y,
                                                               const std::vector<PostOps::Op>& ops, bool packed,
                                                               int numThreads) {
  std::vector<TensorRef> views = inputs;
  KernelSpec productSpec = spec;
  std::optional<PaddedCopy> staged;
  bool pads = std::any_of(shape.spatial.begin(), shape.spatial.end(),
                          [](const WindowDim& dim) { return dim.padBegin != 0 || dim.padEnd != 0; });
  TensorRef x = inputs[0];
  if (pads) {
    staged.emplace(x, shape.spatial);
    x = staged->result();
    productSpec.inputs[0] = DType::kFloat32;
  }
  views[0] = channelsLastView(x);
  for (size_t i = 0; i < shape.spatial.size(); ++i) {
    views[0].dims[i + 1] = shape.spatial[i].output;
    views[0].strides[i + 1] *= shape.spatial[i].stride;
  }
  const TensorRef& w = inputs[1];
  views[1].rank = 2;
  views[1].dims[0] = w.dims[1];
  views[1].strides[0] = w.strides[1];
  views[1].dims[1] = w.dims[0];
  views[1].strides[1] = w.strides[0];
  SW_ASSIGN_OR_RETURN(std::unique_ptr<PreparedKernel> product,
                      prepareProduct(productSpec, std::move(views), inputs, y, ops, packed, numThreads));
  return std::unique_ptr<PreparedKernel>(new PointwiseConv(std::move(product), std::move(staged), inputs.size()));
}

StatusOr<std::unique_ptr<PreparedKernel>> preparePatchConv(const KernelSpec& spec, ConvShape shape,
                                                           const std::vector<TensorRef>& inputs, const TensorRef& y,
                                                           const std::vector<PostOps::Op>& ops, int numThreads) {
  const TensorRef &x = inputs[0], &w = inputs[1];
  int spatial = static_cast<int>(shape.spatial.size());
  // Patches of x: dims n, outputs…, c, kernel…, copied to a dense [n, outputs…, depth].
  TensorRef patches;
  patches.dtype = x.dtype;
  auto push = [&](int64_t dim, int64_t stride) {
    patches.dims[patches.rank] = dim;
    patches.strides[patches.rank++] = stride;
  };
  push(x.dims[0], x.strides[0]);
  for (int i = 0; i < spatial; ++i) push(shape.spatial[i].output, x.strides[i + 2] * shape.spatial[i].stride);
  push(x.dims[1], x.strides[1]);
  for (int i = 0; i < spatial; ++i) push(shape.spatial[i].kernel, x.strides[i + 2]);
  std::vector<TensorRef> views = inputs;
  views[1].rank = 2;
  views[1].dims[0] = w.count() / w.dims[0];
  views[1].strides[0] = 1;
  views[1].dims[1] = w.dims[0];
  views[1].strides[1] = views[1].dims[0];
  TensorRef dense = patches;
  std::vector<int64_t> strides = denseStrides(dense.dims, dense.rank);
  std::copy(strides.begin(), strides.end(), dense.strides);
  views[0] = dense;
  views[0].rank = spatial + 2;
  views[0].dims[spatial + 1] = views[1].dims[0];
  views[0].strides[spatial + 1] = 1;
  SW_ASSIGN_OR_RETURN(std::unique_ptr<PreparedKernel> product,
                      prepareProduct(spec, std::move(views), inputs, y, ops, true, numThreads));
  return std::unique_ptr<PreparedKernel>(new PatchConv(std::move(product), StridedCopy(patches, dense),
                                                       byteSize(x.dtype, patches.count()), inputs.size()));
}

}  // namespace shardwright
