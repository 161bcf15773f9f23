#include <algorithm>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/matmul/exact_matmul.h"
#include "runtime/kernels/matmul/float_matmul.h"
#include "runtime/kernels/matmul/kernel.h"
#include "runtime/kernels/matmul/panels.h"
#include "runtime/kernels/small_product.h"

namespace shardwright {
namespace {

class Matmul : public Kernel {
 public:
  Matmul(const KernelSpec& spec, PostOps postOps)
      : spec_(spec), postOps_(std::move(postOps)), exact_(isExactMatmulType(spec.inputs[0])) {}

  int64_t packedBytes(int input, const TensorRef& constant) override {
    if (input != 1 || exact_ || constant.rank < 2 || constant.count() == 0) return 0;
    packedStride_ = packedElements(constant.dims[constant.rank - 2], constant.dims[constant.rank - 1]);
    return matrixCount(constant) * packedStride_ * bitWidth(constant.dtype) / 8;
  }

  Status pack(int input, const TensorRef& constant, void* packed, ThreadPool& pool) override;

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs&,
                                                    int numThreads) override {
    SW_ASSIGN_OR_RETURN(MatmulProblem problem,
                        makeMatmulProblem(spec_, inputs, outputs[0], postOps_.ops(), packedStride_));
    if (exact_) return prepareExactMatmul(spec_.inputs[0], std::move(problem));
    return prepareFloatMatmul(spec_, std::move(problem), postOps_.ops(), packedStride_ > 0, numThreads);
  }

 private:
  KernelSpec spec_;
  PostOps postOps_;
  bool exact_;
  int64_t packedStride_ = 0;  // elements of a packed matrix, once packedBytes() has asked for packing
};

// The different matrices one after the other.
Status Matmul::pack(int input, const TensorRef& constant, void* packed, ThreadPool& pool) {
  if (input != 1 || packedStride_ == 0) {
    return internalError("step " + spec_.step + ": packs an operand that is used as it is");
  }
  TensorRef batch = constant;
  batch.rank -= 2;
  for (int i = 0; i < batch.rank; ++i) batch.dims[i] = batch.strides[i] != 0 ? batch.dims[i] : 1;
  int64_t k = constant.dims[batch.rank], n = constant.dims[batch.rank + 1], width = bitWidth(constant.dtype) / 8;
  auto part = [&](int t, int threads) {
    Slice panels = threadSlice((n + productPanel() - 1) / productPanel(), t, threads);
    for (int64_t i = 0; i < matrixCount(constant); ++i) {
      int64_t offset = flatOffset(i, batch.rank, batch.dims, batch.strides);
      packConstant(constant.dtype, constant.as<const char>() + offset * width, constant.strides[batch.rank],
                   constant.strides[batch.rank + 1], k, panels.begin, panels.end, n,
                   static_cast<char*>(packed) + i * packedStride_ * width);
    }
  };
  pool.run(part);
  return Status();
}

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeMatmulCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 2, 2 + kMaxPostOps, 1));
  AttrReader attrs(spec);
  attrs.allowOnly({});
  SW_RETURN_IF_ERROR(attrs.status());
  SW_ASSIGN_OR_RETURN(PostOps postOps, PostOps::parse(spec, 2));
  DType a = spec.inputs[0], b = spec.inputs[1], c = spec.outputs[0];
  bool inFloat = isComputedInFloat(a) && isComputedInFloat(b) && isComputedInFloat(c);
  bool exact = isExactMatmulType(a) && a == b && a == c && postOps.empty();
  if (!inFloat && !exact) {
    return stepError(spec, "multiplies " + std::string(dtypeName(a)) + " by " + std::string(dtypeName(b)) + " to " +
                               std::string(dtypeName(c)) +
                               "; allowed are float32, float16 and bfloat16 in any mixture, or one integer type or "
                               "float64 for all three, then without post-ops");
  }
  return std::unique_ptr<Kernel>(new Matmul(spec, std::move(postOps)));
}

}  // namespace shardwright
