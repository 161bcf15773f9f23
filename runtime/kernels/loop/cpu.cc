#include <algorithm>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/loop/kernel.h"

namespace shardwright {
namespace {

constexpr int64_t kSmallPoints = 4096;  // below it, waking other threads costs more than it saves

class PreparedLoop : public PreparedKernel {
 public:
  PreparedLoop(LoopFunction function, std::vector<int64_t> sizes, int64_t outerCount, int64_t innerCount,
               size_t numInputs, size_t numOutputs)
      : function_(function),
        sizes_(std::move(sizes)),
        outerCount_(outerCount),
        small_(outerCount * std::max<int64_t>(innerCount, 1) <= kSmallPoints),
        // Threads that write neighbouring elements share no cache line of 4-byte elements.
        granule_(innerCount == 1 ? 16 : 1),
        numInputs_(numInputs),
        buffers_(numInputs + numOutputs) {}

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    for (size_t i = 0; i < buffers_.size(); ++i) {
      buffers_[i] = i < numInputs_ ? inputs[i].data : outputs[i - numInputs_].data;
    }
    if (outerCount_ == 0) return;
    if (small_) return function_(buffers_.data(), sizes_.data(), 0, outerCount_);
    auto part = [&](int t, int n) {
      Slice slice = threadSlice(outerCount_, t, n, granule_);
      if (slice.begin < slice.end) function_(buffers_.data(), sizes_.data(), slice.begin, slice.end);
    };
    pool.run(part);
  }

 private:
  LoopFunction function_;
  std::vector<int64_t> sizes_;
  int64_t outerCount_;
  bool small_;
  int64_t granule_;
  size_t numInputs_;
  std::vector<void*> buffers_;
};

class Loop : public Kernel {
 public:
  explicit Loop(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    AttrReader attrs(spec_, &sizeAttrs);
    int64_t address = attrs.integer("address");
    std::vector<int64_t> outer = attrs.integers("outer", std::vector<int64_t>());
    std::vector<int64_t> inner = attrs.integers("inner", std::vector<int64_t>());
    std::vector<int64_t> params = attrs.integers("params", std::vector<int64_t>());
    SW_RETURN_IF_ERROR(attrs.status());
    std::vector<int64_t> sizes = outer;
    sizes.insert(sizes.end(), inner.begin(), inner.end());
    std::vector<int64_t> extents = sizes;
    for (size_t i = 0; i < inputs.size() + outputs.size(); ++i) {
      const TensorRef& operand = i < inputs.size() ? inputs[i] : outputs[i - inputs.size()];
      SW_RETURN_IF_ERROR(checkOperand(i, operand, extents));
      sizes.insert(sizes.end(), operand.strides, operand.strides + operand.rank);
    }
    sizes.insert(sizes.end(), params.begin(), params.end());
    int64_t outerCount = 1, innerCount = 1;
    for (int64_t d : outer) outerCount *= d;
    for (int64_t d : inner) innerCount *= d;
    return std::unique_ptr<PreparedKernel>(new PreparedLoop(reinterpret_cast<LoopFunction>(address), std::move(sizes),
                                                            outerCount, innerCount, inputs.size(), outputs.size()));
  }

 private:
  Status checkOperand(size_t index, const TensorRef& operand, const std::vector<int64_t>& extents) const {
    bool fits = operand.rank == static_cast<int>(extents.size());
    for (int i = 0; fits && i < operand.rank; ++i) fits = operand.dims[i] == extents[i] || operand.strides[i] == 0;
    if (fits) return Status();
    std::string all;
    for (int64_t d : extents) all += (all.empty() ? "" : ", ") + std::to_string(d);
    return stepError(spec_, "operand " + std::to_string(index) + " is " + describe(operand) +
                                "; it must have one dim per loop dim [" + all + "]");
  }

  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeLoopCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"function", "address", "outer", "inner", "params"});
  attrs.text("function");
  SW_RETURN_IF_ERROR(attrs.status());
  if (spec.outputs.empty()) return stepError(spec, "has no outputs; a loop nest writes at least one");
  return std::unique_ptr<Kernel>(new Loop(spec));
}

}  // namespace shardwright
