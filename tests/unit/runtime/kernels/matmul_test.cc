#include <cmath>

#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

using Index = std::vector<int64_t>;

// The index of an operand that broadcasts against the result's batch dims.
Index batchIndex(const Index& dims, const Index& result, int64_t row, int64_t column) {
  Index index;
  size_t missing = result.size() - dims.size();
  for (size_t i = 0; i + 2 < dims.size(); ++i) index.push_back(dims[i] == 1 ? 0 : result[missing + i]);
  index.push_back(row);
  index.push_back(column);
  return index;
}

template <typename T>
double productAt(const TestTensor<T>& a, const TestTensor<T>& b, const Index& i) {
  int64_t first = a.offset(batchIndex(a.dims, i, i[i.size() - 2], 0));
  int64_t second = b.offset(batchIndex(b.dims, i, 0, i[i.size() - 1]));
  int64_t aStep = a.strides.back(), bStep = b.strides[b.dims.size() - 2];
  double sum = 0;
  for (int64_t k = 0; k < a.dims.back(); ++k) {
    sum += static_cast<double>(a.storage[first + k * aStep]) * static_cast<double>(b.storage[second + k * bStep]);
  }
  return sum;
}

// Small integers: float32 sums are exact, so that any wrong index shows.
template <typename T>
void expectProduct(TestTensor<T> a, TestTensor<T> b, TestTensor<T> c, std::vector<int> constants = {}) {
  a.fill(1);
  b.fill(2);
  for (int threads : {1, 2, 3}) {
    KernelRun run{"matmul"};
    run.constants = constants;
    run.threads = threads;
    ASSERT_TRUE(isOk(run({a.ref(), b.ref()}, {c.ref()})));
    forEachIndex(c.dims, [&](const Index& i) { ASSERT_EQ(c.at(i), static_cast<T>(productAt(a, b, i))); });
    c.expectGuarded();
  }
}

using F = TestTensor<float>;

TEST(Matmul, dense_matrices) {
  expectProduct(F({5, 7}), F({7, 3}), F({5, 3}));
  expectProduct(F({67, 129}), F({129, 213}), F({67, 213}));
}

TEST(Matmul, constant_right_operand_is_packed_for_every_number_of_rows) {
  for (int64_t m : {1, 2, 67}) {
    expectProduct(F({m, 129}), F({129, 213}), F({m, 213}), {1});
    expectProduct(F({m, 33}), F::ordered({33, 700}, {1, 0}), F({m, 700}), {1});
  }
}

TEST(Matmul, one_row_or_column_or_inner_element) {
  expectProduct(F({1, 9}), F({9, 5}), F({1, 5}));
  expectProduct(F({9, 5}), F({5, 1}), F({9, 1}));
  expectProduct(F({9, 1}), F({1, 5}), F({9, 5}));
  expectProduct(F({1, 300}), F({300, 1}), F({1, 1}));
}

TEST(Matmul, transposed_and_padded_views) {
  expectProduct(F::ordered({21, 35}, {1, 0}), F({35, 18}), F({21, 18}));
  expectProduct(F({21, 35}), F::ordered({35, 18}, {1, 0}, 3), F::ordered({21, 18}, {0, 1}, 5));
  expectProduct(F({21, 35}, {70, 2}), F({35, 18}, {54, 3}), F::ordered({21, 18}, {1, 0}, 1));
}

TEST(Matmul, rows_that_repeat_by_stride_zero) {
  expectProduct(F({6, 35}, {0, 1}), F({35, 18}), F({6, 18}));
  expectProduct(F({6, 35}), F({35, 18}, {1, 0}), F({6, 18}));
}

TEST(Matmul, batches_and_their_broadcasts) {
  expectProduct(F({2, 3, 5, 7}), F({2, 3, 7, 4}), F({2, 3, 5, 4}));
  expectProduct(F({2, 3, 5, 7}), F({7, 70}), F({2, 3, 5, 70}), {1});
  expectProduct(F({3, 5, 7}), F({2, 1, 7, 4}), F({2, 3, 5, 4}));
  expectProduct(F({2, 3, 1, 7}), F({3, 7, 4}), F({2, 3, 1, 4}));
  expectProduct(F({2, 1, 7}), F({7, 4}), F({2, 1, 4}));
}

TEST(Matmul, heads_as_strided_views) {
  auto q = F::ordered({2, 3, 33, 16}, {0, 2, 1, 3});
  auto k = F::ordered({2, 3, 16, 41}, {0, 3, 1, 2});
  expectProduct(q, k, F({2, 3, 33, 41}));
  expectProduct(F({2, 3, 33, 41}), F::ordered({2, 3, 41, 16}, {0, 2, 1, 3}), F::ordered({2, 3, 33, 16}, {0, 2, 1, 3}));
}

TEST(Matmul, constant_batch_of_experts) { expectProduct(F({4, 5, 37}), F({4, 37, 70}), F({4, 5, 70}), {1}); }

TEST(Matmul, empty_dims) {
  expectProduct(F({0, 7}), F({7, 3}), F({0, 3}));
  expectProduct(F({5, 7}), F({7, 0}), F({5, 0}));
  expectProduct(F({5, 0}), F({0, 3}), F({5, 3}));
}

TEST(Matmul, integers_wrap_and_doubles_are_exact) {
  expectProduct(TestTensor<int32_t>({5, 37}), TestTensor<int32_t>({37, 3}), TestTensor<int32_t>({5, 3}));
  expectProduct(TestTensor<int64_t>({2, 5, 7}), TestTensor<int64_t>({7, 300}), TestTensor<int64_t>({2, 5, 300}));
  expectProduct(TestTensor<double>({5, 7}), TestTensor<double>::ordered({7, 3}, {1, 0}), TestTensor<double>({5, 3}));
  expectProduct(TestTensor<int8_t>({5, 37}), TestTensor<int8_t>({37, 3}), TestTensor<int8_t>({5, 3}));
}

TEST(Matmul, large_enough_for_tiles_on_every_thread) {
  F a({301, 9}), b({9, 1100}), c({301, 1100});
  for (bool packed : {false, true}) expectProduct(a, b, c, packed ? std::vector<int>{1} : std::vector<int>{});
}

TEST(Matmul, deeper_and_taller_than_one_block) {
  for (bool packed : {false, true}) {
    std::vector<int> constants = packed ? std::vector<int>{1} : std::vector<int>{};
    expectProduct(F({250, 530}), F({530, 64}), F({250, 64}), constants);
    expectProduct(F({11, 530}), F({530, 320}), F({11, 320}), constants);
    expectProduct(F({11, 530}), F({530, 320}), F::ordered({11, 320}, {1, 0}), constants);
    expectProduct(F({3, 5000}), F::ordered({5000, 40}, {1, 0}), F({3, 40}), constants);
    expectProduct(F({2, 530}), F({530, 131}), F({2, 131}), constants);
  }
}

TEST(Matmul, sixteen_bit_floats_are_accumulated_in_float32) {
  for (DType type : {DType::kFloat16, DType::kBFloat16}) {
    auto widen = type == DType::kFloat16 ? float16ToFloat : bfloat16ToFloat;
    auto narrow = type == DType::kFloat16 ? floatToFloat16 : floatToBfloat16;
    for (bool packed : {false, true}) {
      TestTensor<uint16_t> a({5, 300}), b({300, 70}), c({5, 70});
      a.dtype = b.dtype = c.dtype = type;
      for (int64_t i = 0; i < a.count(); ++i) a.flat(i) = narrow(static_cast<float>(i % 7 - 3));
      for (int64_t i = 0; i < b.count(); ++i) b.flat(i) = narrow(static_cast<float>(i % 5 - 1));
      KernelRun run{"matmul"};
      if (packed) run.constants = {1};
      ASSERT_TRUE(isOk(run({a.ref(), b.ref()}, {c.ref()})));
      forEachIndex(c.dims, [&](const Index& i) {
        float sum = 0;
        for (int64_t k = 0; k < 300; ++k) sum += widen(a.at({i[0], k})) * widen(b.at({k, i[1]}));
        ASSERT_EQ(c.at(i), narrow(sum));
      });
    }
  }
}

TEST(Matmul, post_ops_in_order) {
  auto a = F({2, 33, 20}).fill(1), b = F({20, 70}).fill(2), bias = F({70}).fill(3), residual = F({33, 70}).fill(4);
  auto factor = F({2, 1, 1}).fill(5);
  for (bool transposedResult : {false, true}) {
    F c = transposedResult ? F::ordered({2, 33, 70}, {2, 0, 1}, 1) : F({2, 33, 70});
    KernelRun run{"matmul"};
    run.constants = {1};
    run.postOps = {{"add", 2, {}}, {"relu", -1, {}}, {"mul", 4, {}}, {"sub", 3, {}}, {"scale", -1, {0.5}}};
    ASSERT_TRUE(isOk(run({a.ref(), b.ref(), bias.ref(), residual.ref(), factor.ref()}, {c.ref()})));
    forEachIndex(c.dims, [&](const Index& i) {
      double x = std::max(0.0, productAt(a, b, i) + bias.at({i[2]}));
      x = (x * factor.at({i[0], 0, 0}) - residual.at({i[1], i[2]})) * 0.5;
      ASSERT_EQ(c.at(i), static_cast<float>(x));
    });
    c.expectGuarded();
  }
}

// A bias that comes first is where sums begin, whatever the number of rows; one for each row is not.
TEST(Matmul, bias_and_residual_for_any_number_of_rows) {
  for (int64_t rows : {1, 2, 3, 14, 150}) {
    for (bool constant : {true, false}) {
      F a({rows, 300}), b({300, 45}), bias({45}), perRow({rows, 1}), c({rows, 45});
      a.fill(1), b.fill(2), bias.fill(3), perRow.fill(4);
      KernelRun run{"matmul"};
      if (constant) run.constants = {1};
      run.threads = 2;
      run.postOps = {{"add", 2, {}}, {"add", 3, {}}, {"relu", -1, {}}};
      ASSERT_TRUE(isOk(run({a.ref(), b.ref(), bias.ref(), perRow.ref()}, {c.ref()})));
      forEachIndex(c.dims, [&](const Index& i) {
        double x = productAt(a, b, i) + bias.at({i[1]}) + perRow.at({i[0], 0});
        ASSERT_EQ(c.at(i), static_cast<float>(std::max(0.0, x))) << rows << " rows";
      });
      c.expectGuarded();
      run.postOps = {{"add", 3, {}}};
      ASSERT_TRUE(isOk(run({a.ref(), b.ref(), bias.ref(), perRow.ref()}, {c.ref()})));
      forEachIndex(c.dims, [&](const Index& i) {
        ASSERT_EQ(c.at(i), static_cast<float>(productAt(a, b, i) + perRow.at({i[0], 0}))) << rows << " rows";
      });
    }
  }
}

TEST(Matmul, activations_agree_with_the_library) {
  std::map<std::string, double (*)(double)> kinds = {
      {"gelu_erf", [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
      {"gelu_tanh",
       [](double x) { return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }},
      {"tanh", [](double x) { return std::tanh(x); }},
      {"sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
      {"silu", [](double x) { return x / (1 + std::exp(-x)); }},
  };
  F a({2001, 1}), b({1, 3}), c({2001, 3});
  for (int64_t i = 0; i < 2001; ++i) a.storage[i] = static_cast<float>(i - 1000) / 71.f;
  b.storage = {1.f, -0.01f, 7.5f};
  for (const auto& [kind, function] : kinds) {
    KernelRun run{"matmul"};
    run.postOps = {{kind, -1, {}}};
    ASSERT_TRUE(isOk(run({a.ref(), b.ref()}, {c.ref()})));
    forEachIndex(c.dims, [&](const Index& i) {
      float x = a.storage[i[0]] * b.storage[i[1]];
      double want = function(x);
      ASSERT_NEAR(c.at(i), want, 3e-7 * std::abs(want) + 2e-7 * std::min(1.0, std::abs(double(x))))
          << kind << " of " << x;
    });
  }
}

TEST(Matmul, refuses_what_does_not_fit) {
  F a({5, 7}), b({6, 3}), c({5, 3});
  EXPECT_EQ(KernelRun{"matmul"}({a.ref(), b.ref()}, {c.ref()}).message(),
            "step tested: multiplies float32[5, 7] strides [7, 1] by float32[6, 3] strides [3, 1] to float32[5, 3] "
            "strides [3, 1]; they must be [..., m, k], [..., k, n] and [..., m, n], with batch dims that broadcast");
  KernelRun run{"matmul"};
  run.postOps = {{"swish", -1, {}}};
  EXPECT_EQ(
      run({a.ref(), b.ref()}, {c.ref()}).message(),
      "step tested: has the post-op \"swish\"; known are add, sub, mul, div, min, max, relu, gelu_erf, gelu_tanh, "
      "tanh, sigmoid, silu, scale, clip, leaky_relu");
}

}  // namespace
}  // namespace shardwright
