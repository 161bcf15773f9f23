#include <algorithm>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/matmul/exact_matmul.h"
#include "runtime/kernels/matmul/float_matmul.h"
#include "runtime/kernels/matmul/kernel.h"

namespace shardwright {
namespace {

class Matmul : public Kernel {
 public:
  Matmul(const KernelSpec& spec, PostOps postOps)
      : spec_(spec), postOps_(std::move(postOps)), exact_(isExactMatmulType(spec.inputs[0])) {}

  int64_t packedBytes(int input, const TensorRef& constant) override {
    if (input != 1 || exact_ || constant.rank < 2 || constant.count() == 0) return 0;
    auto layout = PackedLayout::choose(constant.dims[constant.rank - 2], constant.dims[constant.rank - 1]);
    if (!layout.ok() || !layout->blocked()) return 0;
    packed_ = *layout;
    return matrixCount(constant) * packed_->elements() * static_cast<int64_t>(sizeof(float));
  }

  Status pack(int input, const TensorRef& constant, void* packed, ThreadPool& pool) override;

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs&,
                                                    int numThreads) override {
    SW_ASSIGN_OR_RETURN(MatmulProblem problem, makeMatmulProblem(spec_, inputs, outputs[0], postOps_.ops(),
                                                                 packed_ ? packed_->elements() : 0));
    if (exact_) return prepareExactMatmul(spec_.inputs[0], std::move(problem));
    return prepareFloatMatmul(spec_, std::move(problem), postOps_.ops(), packed_ ? &*packed_ : nullptr, numThreads);
  }

 private:
  KernelSpec spec_;
  PostOps postOps_;
  bool exact_;
  std::optional<PackedLayout> packed_;  // once packedBytes() has asked for packing
};

// The different matrices one after the other; each is first made a dense float32 matrix where it is none.
Status Matmul::pack(int input, const TensorRef& constant, void* packed, ThreadPool& pool) {
  if (input != 1 || !packed_) return internalError("step " + spec_.step + ": packs an operand that is used as it is");
  TensorRef batch = constant, matrix = constant;
  batch.rank -= 2;
  for (int i = 0; i < batch.rank; ++i) batch.dims[i] = batch.strides[i] != 0 ? batch.dims[i] : 1;
  matrix.rank = 2;
  std::copy_n(constant.dims + batch.rank, 2, matrix.dims);
  std::copy_n(constant.strides + batch.rank, 2, matrix.strides);
  std::vector<float> dense;
  for (int64_t i = 0; i < matrixCount(constant); ++i) {
    int64_t offset = flatOffset(i, batch.rank, batch.dims, batch.strides);
    matrix.data = constant.as<char>() + offset * bitWidth(constant.dtype) / 8;
    const float* from = matrix.as<const float>();
    int64_t row = matrix.strides[0], column = matrix.strides[1];
    if (constant.dtype != DType::kFloat32 || !usableStrides(matrix.dims[0], matrix.dims[1], row, column)) {
      dense.resize(matrix.count());
      auto part = [&](int t, int n) { loadWindow(matrix, dense.data(), t, n); };
      pool.run(part);
      from = dense.data();
      row = matrix.dims[1];
      column = 1;
    }
    SW_RETURN_IF_ERROR(packed_->pack(from, row, column, static_cast<float*>(packed) + i * packed_->elements()));
  }
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
