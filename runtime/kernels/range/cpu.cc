#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/number_store.h"
#include "runtime/kernels/range/kernel.h"

namespace shardwright {
namespace {

template <typename Number>
class PreparedRange : public PreparedKernel {
 public:
  PreparedRange(Number start, Number step, int64_t offset) : start_(start), step_(step), offset_(offset) {}

  void run(const TensorRef*, const TensorRef* outputs, void*, ThreadPool&) override {
    const TensorRef& to = outputs[0];
    for (int64_t i = 0; i < to.dims[0]; ++i) {
      storeNumber(to.dtype, to.data, i * to.strides[0], start_ + static_cast<Number>(offset_ + i) * step_);
    }
  }

 private:
  Number start_, step_;
  int64_t offset_;
};

class Range : public Kernel {
 public:
  explicit Range(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>&,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    AttrReader attrs(spec_, &sizeAttrs);
    int64_t offset = attrs.integer("offset", 0);
    std::unique_ptr<PreparedKernel> prepared;
    if (isFloat(spec_.outputs[0])) {
      double start = attrs.number("start", 0), step = attrs.number("step", 1);
      prepared.reset(new PreparedRange<double>(start, step, offset));
    } else {
      int64_t start = attrs.integer("start", 0), step = attrs.integer("step", 1);
      prepared.reset(new PreparedRange<int64_t>(start, step, offset));
    }
    SW_RETURN_IF_ERROR(attrs.status());
    if (outputs[0].rank != 1) return stepError(spec_, "writes " + describe(outputs[0]) + "; the output must be 1-D");
    return prepared;
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeRangeCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 0, 0, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"start", "step", "offset"});
  SW_RETURN_IF_ERROR(attrs.status());
  if (!canStoreNumbers(spec.outputs[0])) {
    return stepError(spec, "writes a range of " + std::string(dtypeName(spec.outputs[0])) +
                               "; allowed are bool, integers and floats of 8 to 64 bits");
  }
  return std::unique_ptr<Kernel>(new Range(spec));
}

}  // namespace shardwright
