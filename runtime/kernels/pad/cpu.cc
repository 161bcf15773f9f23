#include <algorithm>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/numeric_types.h"
#include "runtime/kernels/pad/kernel.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"

namespace shardwright {
namespace {

// For each index along one dim of the output, the input's index, or -1 for the constant.
std::vector<int64_t> sources(const std::string& mode, int64_t input, int64_t output, int64_t begin) {
  std::vector<int64_t> from(output);
  for (int64_t i = 0; i < output; ++i) {
    int64_t at = i - begin;
    if (at < 0 || at >= input) {
      if (mode == "constant") at = -1;
      if (mode == "edge") at = std::clamp<int64_t>(at, 0, input - 1);
      if (mode == "wrap") at = ((at % input) + input) % input;
      if (mode == "reflect") {
        int64_t period = std::max<int64_t>(1, 2 * (input - 1));
        at = ((at % period) + period) % period;
        at = std::min(at, period - at);
        if (input == 1) at = 0;
      }
    }
    from[i] = at;
  }
  return from;
}

template <typename T>
class PreparedPad : public PreparedKernel {
 public:
  PreparedPad(const TensorRef& y, std::vector<std::vector<int64_t>> sources)
      : sources_(std::move(sources)), outer_(y.rank - 1), length_(y.rank > 0 ? y.dims[y.rank - 1] : 1) {
    rows_ = length_ > 0 ? y.count() / length_ : 0;
  }

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    const TensorRef &x = inputs[0], &y = outputs[0];
    T fill{};
    if (numInputs_ > 1 && inputs[1].data != nullptr) fill = *inputs[1].as<const T>();
    if (outer_ < 0) {
      *y.as<T>() = *x.as<const T>();
      return;
    }
    auto part = [&](int t, int n) {
      Slice slice = threadSlice(rows_, t, n);
      for (int64_t r = slice.begin; r < slice.end; ++r) writeRow(r, x, y, fill);
    };
    runParts(pool, rows_ * length_, part);
  }

  void setNumInputs(size_t n) { numInputs_ = n; }

 private:
  void writeRow(int64_t r, const TensorRef& x, const TensorRef& y, T fill) const {
    T* out = y.as<T>() + flatOffset(r, outer_, y.dims, y.strides);
    const T* row = x.as<const T>();
    bool constant = false;
    for (int d = outer_ - 1; d >= 0; --d) {
      int64_t at = sources_[d][r % y.dims[d]];
      r /= y.dims[d];
      constant |= at < 0;
      row += std::max<int64_t>(at, 0) * x.strides[d];
    }
    const std::vector<int64_t>& last = sources_[outer_];
    for (int64_t i = 0; i < length_; ++i) {
      out[i * y.strides[outer_]] = constant || last[i] < 0 ? fill : row[last[i] * x.strides[outer_]];
    }
  }

  std::vector<std::vector<int64_t>> sources_;  // by dim
  int outer_;
  int64_t length_, rows_ = 0;
  size_t numInputs_ = 1;
};

class Pad : public Kernel {
 public:
  explicit Pad(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    const TensorRef &x = inputs[0], &y = outputs[0];
    AttrReader attrs(spec_, &sizeAttrs);
    std::string mode = attrs.choice("mode", {"constant", "edge", "reflect", "wrap"});
    std::vector<int64_t> pads = attrs.integers("pads");
    SW_RETURN_IF_ERROR(attrs.status());
    bool fits = x.rank == y.rank && pads.size() == 2 * static_cast<size_t>(x.rank);
    for (int i = 0; fits && i < x.rank; ++i) {
      fits = y.dims[i] == std::max<int64_t>(0, x.dims[i] + pads[i] + pads[i + x.rank]) &&
             (mode == "constant" || x.dims[i] > 0 || y.dims[i] == 0);
    }
    if (!fits) {
      std::string all;
      for (int64_t p : pads) all += (all.empty() ? "" : ", ") + std::to_string(p);
      return stepError(spec_,
                       "pads " + describe(x) + " by [" + all + "] to " + describe(y) +
                           "; each dim of the output must be the input's plus its two pads, and an empty dim can "
                           "only be padded with a constant");
    }
    std::vector<std::vector<int64_t>> from;
    for (int i = 0; i < x.rank; ++i) from.push_back(sources(mode, x.dims[i], y.dims[i], pads[i]));
    std::unique_ptr<PreparedKernel> prepared;
    visitWidth(x.dtype, [&](auto element) {
      auto made = std::make_unique<PreparedPad<decltype(element)>>(y, std::move(from));
      made->setNumInputs(inputs.size());
      prepared = std::move(made);
    });
    return prepared;
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makePadCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 1, 2, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"mode", "pads"});
  attrs.choice("mode", {"constant", "edge", "reflect", "wrap"});
  SW_RETURN_IF_ERROR(attrs.status());
  DType type = spec.inputs[0];
  bool fits = bitWidth(type) >= 8 && spec.outputs[0] == type;
  if (spec.inputs.size() > 1) fits &= spec.inputs[1] == DType::kUndefined || spec.inputs[1] == type;
  if (!fits) {
    return stepError(spec, "pads " + std::string(dtypeName(type)) + " to " + std::string(dtypeName(spec.outputs[0])) +
                               "; input, output and the constant must have one type of at least a byte");
  }
  return std::unique_ptr<Kernel>(new Pad(spec));
}

}  // namespace shardwright
