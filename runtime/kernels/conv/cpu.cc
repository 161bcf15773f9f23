#include <algorithm>
#include <cstring>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/conv/float_conv.h"
#include "runtime/kernels/conv/kernel.h"
#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/matmul/panels.h"
#include "runtime/kernels/small_product.h"
#include "runtime/kernels/strided.h"

namespace shardwright {
namespace {

constexpr int64_t kTypicalSpatial = 28;  // what a layout of w is chosen for where nothing is assumed

// A sum over no channels, which a rank has where channels are split among more ranks than there are.
class ZeroOutput : public PreparedKernel {
 public:
  void run(const TensorRef*, const TensorRef* outputs, void*, ThreadPool&) override {
    const TensorRef& y = outputs[0];
    const int64_t bytes = bitWidth(y.dtype) / 8;
    for (int64_t i = 0; i < y.count(); ++i)
      std::memset(y.as<char>() + flatOffset(i, y.rank, y.dims, y.strides) * bytes, 0, bytes);
  }
};

class Conv : public Kernel {
 public:
  Conv(const KernelSpec& spec, PostOps postOps) : spec_(spec), postOps_(std::move(postOps)) {}

  int64_t packedBytes(int input, const TensorRef& constant) override;
  Status pack(int input, const TensorRef& constant, void* packed, ThreadPool& pool) override;
  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int numThreads) override;

 private:
  bool isPointwise(const TensorRef& w) const {
    return std::all_of(w.dims + 2, w.dims + w.rank, [](int64_t k) { return k == 1; });
  }
  bool isPatches(const TensorRef& w) const;
  StatusOr<std::unique_ptr<PreparedKernel>> prepareEmpty(ConvShape shape, std::vector<TensorRef> inputs,
                                                         const TensorRef& y, int numThreads);
  dnnl_memory_desc_t chooseLayout(const TensorRef& w, int64_t group) const;

  KernelSpec spec_;
  PostOps postOps_;
  int64_t productDepth_ = 0;                  // rows of a kernel that is packed as a matrix; 0: it is not
  std::optional<dnnl_memory_desc_t> window_;  // how any other is
};

// What oneDNN chooses for the assumed sizes, with windows as attributes say where they are no expressions.
dnnl_memory_desc_t Conv::chooseLayout(const TensorRef& w, int64_t group) const {
  AttrReader attrs(spec_);
  size_t spatial = w.rank - 2;
  std::vector<int64_t> ones(spatial, 1), zeros(2 * spatial, 0);
  std::vector<int64_t> strides = attrs.integers("strides", ones), dilations = attrs.integers("dilations", ones),
                       pads = attrs.integers("pads", zeros),
                       sizes = attrs.integers("assumed_spatial", std::vector<int64_t>(spatial, kTypicalSpatial));
  ConvShape shape{w.dims[1] * group, w.dims[0], group, {}};
  dnnl_memory_desc_t plain = plainWeights(shape);
  if (strides.size() != spatial || dilations.size() != spatial || pads.size() != 2 * spatial ||
      sizes.size() != spatial) {
    return plain;
  }
  for (size_t i = 0; i < spatial; ++i) {
    WindowDim dim{sizes[i], 0, w.dims[i + 2], strides[i], dilations[i], pads[i], pads[i + spatial]};
    dim.input = std::max(dim.input, dim.extent());
    dim.output = (dim.input + dim.padBegin + dim.padEnd - dim.extent()) / dim.stride + 1;
    dim.padEnd = windowPart(dim, 0, dim.output).padEnd;
    shape.spatial.push_back(dim);
  }
  auto conv = CompiledConv::compile(shape, nullptr, true, {});
  return conv.ok() && !conv->slow ? conv->weights : plainWeights(shape);
}

// Windows that neither overlap nor leave gaps or padding: a product of patches and the kernel as a matrix.
bool Conv::isPatches(const TensorRef& w) const {
  AttrReader attrs(spec_);
  size_t spatial = w.rank - 2;
  std::vector<int64_t> strides = attrs.integers("strides", std::vector<int64_t>()),
                       dilations = attrs.integers("dilations", std::vector<int64_t>(spatial, 1)),
                       pads = attrs.integers("pads", std::vector<int64_t>());
  auto all = [](const std::vector<int64_t>& values, int64_t is) {
    return std::all_of(values.begin(), values.end(), [is](int64_t v) { return v == is; });
  };
  return strides.size() == spatial && pads.size() == 2 * spatial && all(pads, 0) && all(dilations, 1) &&
         std::equal(strides.begin(), strides.end(), w.dims + 2) && isDense(w);
}

int64_t Conv::packedBytes(int input, const TensorRef& constant) {
  if (input != 1 || constant.rank < 3 || constant.rank > 2 + kMaxSpatial || constant.count() == 0) return 0;
  AttrReader attrs(spec_);
  if (!attrs.has("group")) return 0;  // known with the sizes only
  int64_t group = attrs.integer("group");
  if (group == 1 && (isPointwise(constant) || isPatches(constant))) {
    productDepth_ = constant.count() / constant.dims[0];
    return packedElements(productDepth_, constant.dims[0]) * bitWidth(constant.dtype) / 8;
  }
  window_ = chooseLayout(constant, group);
  return static_cast<int64_t>(dnnl_memory_desc_get_size(&*window_));
}

Status Conv::pack(int input, const TensorRef& constant, void* packed, ThreadPool& pool) {
  if (input != 1 || (productDepth_ == 0 && !window_)) {
    return internalError("step " + spec_.step + ": packs an operand that is used as it is");
  }
  if (productDepth_ > 0) {
    auto part = [&](int t, int n) {
      Slice panels = threadSlice((constant.dims[0] + productPanel() - 1) / productPanel(), t, n);
      int64_t depthStride = isPointwise(constant) ? constant.strides[1] : 1;
      packConstant(constant.dtype, constant.data, depthStride, constant.strides[0], productDepth_, panels.begin,
                   panels.end, constant.dims[0], packed);
    };
    pool.run(part);
    return Status();
  }
  std::vector<float> dense;
  const float* from = constant.as<const float>();
  if (constant.dtype != DType::kFloat32 || !isDense(constant)) {
    dense.resize(constant.count());
    auto part = [&](int t, int n) { loadWindow(constant, dense.data(), t, n); };
    pool.run(part);
    from = dense.data();
  }
  int64_t group = AttrReader(spec_).integer("group");
  ConvShape shape{constant.dims[1] * group, constant.dims[0], group, {}};
  for (int i = 2; i < constant.rank; ++i) shape.spatial.push_back({0, 0, constant.dims[i]});
  SW_ASSIGN_OR_RETURN(WeightsReorder reorder, WeightsReorder::make(plainWeights(shape), *window_));
  reorder.run(from, packed);
  return Status();
}

// Of no channels, as a rank may hold where few are split: zeros, and the bias and post-ops as of a pointwise convolution of an image of
// the output's sizes.
StatusOr<std::unique_ptr<PreparedKernel>> Conv::prepareEmpty(ConvShape shape, std::vector<TensorRef> inputs,
                                                             const TensorRef& y, int numThreads) {
  bool isBare = (inputs.size() == 2 || (inputs.size() == 3 && inputs[2].absent())) && postOps_.ops().empty();
  if (isBare) return std::unique_ptr<PreparedKernel>(std::make_unique<ZeroOutput>());
  const DType type = inputs[0].dtype;
  inputs[0] = y;
  inputs[0].dtype = type;
  inputs[0].dims[1] = 0;
  for (int i = 2; i < y.rank; ++i) {
    inputs[1].dims[i] = 1;
    shape.spatial[static_cast<size_t>(i - 2)] = WindowDim{y.dims[i], y.dims[i], 1};
  }
  shape.group = 1;
  return preparePointwiseConv(spec_, std::move(shape), inputs, y, postOps_.ops(), /*packed=*/false, numThreads);
}

StatusOr<std::unique_ptr<PreparedKernel>> Conv::prepare(const std::vector<TensorRef>& inputs,
                                                        const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                        int numThreads) {
  const TensorRef &x = inputs[0], &w = inputs[1], &y = outputs[0];
  AttrReader attrs(spec_, &sizeAttrs);
  int64_t group = attrs.integer("group", 1);
  bool fits = w.rank >= 3 && w.rank == x.rank && w.rank == y.rank && group > 0 && x.dims[0] == y.dims[0] &&
              x.dims[1] == w.dims[1] * group && y.dims[1] == w.dims[0] && w.dims[0] % group == 0;
  if (fits && inputs.size() > 2 && !inputs[2].absent()) {
    fits = inputs[2].rank == 1 && inputs[2].dims[0] == w.dims[0] && (inputs[2].strides[0] == 1 || w.dims[0] == 1);
  }
  if (!fits) {
    return stepError(spec_, "convolves " + describe(x) + " with " + describe(w) + " in " + std::to_string(group) +
                                " groups to " + describe(y) +
                                "; they must be [n, c, spatial…], [m, c / group, kernel…] and [n, m, spatial…], with a "
                                "bias of m contiguous elements, or none");
  }
  ConvShape shape{x.dims[1], w.dims[0], group, {}};
  SW_ASSIGN_OR_RETURN(shape.spatial,
                      readWindow(spec_, attrs, std::vector<int64_t>(w.dims + 2, w.dims + w.rank), x, y, true));
  if (x.dims[1] == 0) return prepareEmpty(std::move(shape), inputs, y, numThreads);
  // Pixels apart are put together first: else every row of the output would be a product by itself.
  bool apart = std::any_of(shape.spatial.begin(), shape.spatial.end(),
                           [](const WindowDim& dim) { return dim.stride > 1 && dim.output > 1; });
  bool pads = std::any_of(shape.spatial.begin(), shape.spatial.end(),
                          [](const WindowDim& dim) { return dim.padBegin != 0 || dim.padEnd > 0; });
  if (productDepth_ > 0 && isPointwise(w) && apart && !pads) {
    return preparePatchConv(spec_, std::move(shape), inputs, y, postOps_.ops(), numThreads);
  }
  if (group == 1 && isPointwise(w) && !window_) {
    return preparePointwiseConv(spec_, std::move(shape), inputs, y, postOps_.ops(), productDepth_ > 0, numThreads);
  }
  if (productDepth_ > 0) {
    return preparePatchConv(spec_, std::move(shape), inputs, y, postOps_.ops(), numThreads);
  }
  if (!window_ && (w.dtype != DType::kFloat32 || !isDense(w))) {
    return stepError(spec_, "has the kernel " + describe(w) + "; one that is no constant must be dense float32");
  }
  return prepareWindowConv(spec_, std::move(shape), inputs, y, postOps_.ops(), window_ ? &*window_ : nullptr,
                           numThreads);
}

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeConvCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 2, 3 + kMaxPostOps, 1));
  AttrReader attrs(spec);
  attrs.allowOnly({"strides", "dilations", "pads", "group", "assumed_spatial"});
  attrs.integer("group", 1);
  attrs.integers("assumed_spatial", std::vector<int64_t>());
  SW_RETURN_IF_ERROR(attrs.status());
  SW_ASSIGN_OR_RETURN(PostOps postOps, PostOps::parse(spec, 3));
  for (size_t i = 0; i < std::min<size_t>(spec.inputs.size(), 3); ++i) {
    if (i == 2 && spec.inputs[i] == DType::kUndefined) continue;
    if (isComputedInFloat(spec.inputs[i]) && isComputedInFloat(spec.outputs[0])) continue;
    return stepError(spec, "convolves " + std::string(dtypeName(spec.inputs[i])) + " to " +
                               std::string(dtypeName(spec.outputs[0])) + "; allowed are float32, float16 and bfloat16");
  }
  return std::unique_ptr<Kernel>(new Conv(spec, std::move(postOps)));
}

}  // namespace shardwright
