#include "runtime/kernels/matmul/exact_matmul.h"
#include "runtime/kernels/parallel.h"

#include <algorithm>
#include <type_traits>

namespace shardwright {
namespace {

constexpr int64_t kColumns = 256;  // accumulators that stay in L1

// T is unsigned for integers, so that overflow is defined; signed results have the same bits.
template <typename T>
class ExactMatmul : public PreparedKernel {
 public:
  explicit ExactMatmul(MatmulProblem problem) : p_(std::move(problem)) {}

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    auto part = [&](int t, int n) {
      Slice slice = threadSlice(p_.batchCount() * p_.m, t, n);
      for (int64_t i = slice.begin; i < slice.end; ++i) {
        computeRow(i / p_.m, i % p_.m, inputs[0].as<const T>(), inputs[1].as<const T>(), outputs[0].as<T>());
      }
    };
    runParts(pool, p_.batchCount() * p_.m * p_.n * p_.k / 8, part);
  }

 private:
  void computeRow(int64_t batch, int64_t row, const T* a, const T* b, T* c) const {
    a += p_.batchOffset(batch, p_.a) + row * p_.a.row;
    b += p_.batchOffset(batch, p_.b);
    c += p_.batchOffset(batch, p_.c) + row * p_.c.row;
    // uint16_t would be promoted to int, whose product may overflow.
    using Wide = std::conditional_t<sizeof(T) == 2, uint32_t, T>;
    T sums[kColumns];
    for (int64_t first = 0; first < p_.n; first += kColumns) {
      int64_t width = std::min(kColumns, p_.n - first);
      std::fill_n(sums, width, T(0));
      for (int64_t k = 0; k < p_.k; ++k) {
        T factor = a[k * p_.a.column];
        const T* from = b + k * p_.b.row + first * p_.b.column;
        for (int64_t j = 0; j < width; ++j) sums[j] = static_cast<T>(sums[j] + Wide(factor) * from[j * p_.b.column]);
      }
      for (int64_t j = 0; j < width; ++j) c[(first + j) * p_.c.column] = sums[j];
    }
  }

  MatmulProblem p_;
};

template <typename T>
std::unique_ptr<PreparedKernel> make(MatmulProblem problem) {
  return std::make_unique<ExactMatmul<T>>(std::move(problem));
}

}  // namespace

bool isExactMatmulType(DType type) { return type == DType::kFloat64 || (isInteger(type) && bitWidth(type) >= 8); }

std::unique_ptr<PreparedKernel> prepareExactMatmul(DType type, MatmulProblem problem) {
  if (type == DType::kFloat64) return make<double>(std::move(problem));
  switch (bitWidth(type)) {
    case 8:
      return make<uint8_t>(std::move(problem));
    case 16:
      return make<uint16_t>(std::move(problem));
    case 32:
      return make<uint32_t>(std::move(problem));
    default:
      return make<uint64_t>(std::move(problem));
  }
}

}  // namespace shardwright
