#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/fill_values/kernel.h"
#include "runtime/kernels/number_store.h"
#include "runtime/kernels/strided.h"

namespace shardwright {
namespace {

class PreparedFillValues : public PreparedKernel {
 public:
  PreparedFillValues(std::vector<int64_t> whole, std::vector<double> real, int64_t stride)
      : whole_(std::move(whole)), real_(std::move(real)), stride_(stride) {}

  void run(const TensorRef*, const TensorRef* outputs, void*, ThreadPool&) override {
    const TensorRef& to = outputs[0];
    for (size_t i = 0; i < whole_.size(); ++i) storeNumber(to.dtype, to.data, i * stride_, whole_[i]);
    for (size_t i = 0; i < real_.size(); ++i) storeNumber(to.dtype, to.data, i * stride_, real_[i]);
  }

 private:
  std::vector<int64_t> whole_;
  std::vector<double> real_;
  int64_t stride_;
};

class FillValues : public Kernel {
 public:
  explicit FillValues(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>&,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    AttrReader attrs(spec_, &sizeAttrs);
    const TensorRef& to = outputs[0];
    std::vector<int64_t> whole;
    std::vector<double> real;
    if (attrs.holdsNumbers("values")) {
      real = attrs.numbers("values");
    } else {
      whole = attrs.integers("values");
    }
    SW_RETURN_IF_ERROR(attrs.status());
    int64_t count = static_cast<int64_t>(whole.size() + real.size());
    if (to.count() != count || (to.rank > 1 && !isDense(to))) {
      return stepError(spec_, "writes " + std::to_string(count) + " values to " + describe(to) +
                                  "; the output must have as many elements, row-major where it has several dims");
    }
    int64_t stride = to.rank == 1 ? to.strides[0] : 1;
    return std::unique_ptr<PreparedKernel>(new PreparedFillValues(std::move(whole), std::move(real), stride));
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeFillValuesCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 0, 0, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"values"});
  SW_RETURN_IF_ERROR(attrs.status());
  if (!canStoreNumbers(spec.outputs[0])) {
    return stepError(spec, "fills " + std::string(dtypeName(spec.outputs[0])) +
                               "; allowed are bool, integers and floats of 8 to 64 bits");
  }
  return std::unique_ptr<Kernel>(new FillValues(spec));
}

}  // namespace shardwright
