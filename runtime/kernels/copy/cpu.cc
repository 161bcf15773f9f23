#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/copy/kernel.h"
#include "runtime/kernels/copy/strided_copy.h"
#include "runtime/kernels/parallel.h"

namespace shardwright {
namespace {

class PreparedCopy : public PreparedKernel {
 public:
  PreparedCopy(const TensorRef& from, const TensorRef& to)
      : copy_(from, to), words_(byteSize(from.dtype, from.count()) / 4) {}

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    const void* from = inputs[0].data;
    void* to = outputs[0].data;
    auto part = [&](int t, int n) { copy_.run(from, to, t, n); };
    runParts(pool, words_, part);
  }

 private:
  StridedCopy copy_;
  int64_t words_;
};

class Copy : public Kernel {
 public:
  explicit Copy(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs&, int) override {
    const TensorRef &from = inputs[0], &to = outputs[0];
    bool overlaps = false;
    for (int i = 0; i < to.rank; ++i) overlaps |= to.count() > 0 && to.dims[i] > 1 && to.strides[i] == 0;
    if (!sameDims(from, to) || overlaps) {
      return stepError(spec_, "copies " + describe(from) + " to " + describe(to) +
                                  "; the dims must be equal and the output must not repeat an element");
    }
    return std::unique_ptr<PreparedKernel>(new PreparedCopy(from, to));
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeCopyCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 1, 1, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({});
  SW_RETURN_IF_ERROR(attrs.status());
  if (bitWidth(spec.inputs[0]) == 0 || spec.inputs[0] != spec.outputs[0]) {
    return stepError(spec, "copies " + std::string(dtypeName(spec.inputs[0])) + " to " +
                               std::string(dtypeName(spec.outputs[0])) + "; both must be the same type of fixed width");
  }
  return std::unique_ptr<Kernel>(new Copy(spec));
}

}  // namespace shardwright
