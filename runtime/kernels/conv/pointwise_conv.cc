#include <algorithm>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/conv/float_conv.h"
#include "runtime/kernels/matmul/panels.h"
#include "runtime/kernels/padded_copy.h"

namespace shardwright {
namespace {

// A 1 × 1 convolution is a product of [pixels, channels] and [channels, filters].
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
  SW_ASSIGN_OR_RETURN(MatmulProblem problem, makeMatmulProblem(productSpec, views, channelsLastView(y), all,
                                                               packed ? packedElements(w.dims[1], w.dims[0]) : 0));
  std::unique_ptr<PreparedKernel> product =
      prepareFloatMatmul(productSpec, std::move(problem), all, packed, numThreads);
  return std::unique_ptr<PreparedKernel>(new PointwiseConv(std::move(product), std::move(staged), inputs.size()));
}

}  // namespace shardwright
