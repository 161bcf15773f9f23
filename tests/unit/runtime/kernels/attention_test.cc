#include <cmath>
#include <limits>
#include <optional>

#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

using F = TestTensor<float>;
using Index = std::vector<int64_t>;

struct Case {
  int64_t b, h, g, s, t, d, e;
  bool causal = false;
  int64_t offset = 0;
  double softcap = 0;
};

// Distinct values of about unit size.
void spread(F& x, int seed) {
  for (int64_t i = 0; i < x.count(); ++i) x.flat(i) = static_cast<float>(std::sin(0.7 * seed + 1.3 * i) * 1.5);
}

using Score = std::function<double(const Index&, double)>;  // mask applied at [b, h, s, t]

// The row y[b, h, s, …].
std::vector<double> expectedRow(const Case& c, const F& q, const F& k, const F& v, const Score& masked,
                                const Index& i) {
  int64_t head = i[1] / (c.h / c.g);
  std::vector<double> scores, row(c.e, 0.0);
  double most = -HUGE_VAL, total = 0;
  for (int64_t t = 0; t < c.t; ++t) {
    const float *from = &q.at({i[0], i[1], i[2], 0}), *to = &k.at({i[0], head, t, 0});
    double sum = 0;
    for (int64_t d = 0; d < c.d; ++d) sum += double(from[d * q.strides[3]]) * to[d * k.strides[3]];
    sum /= std::sqrt(double(c.d));
    if (c.softcap > 0) sum = c.softcap * std::tanh(sum / c.softcap);
    sum = masked({i[0], i[1], i[2], t}, sum);
    if (c.causal && t > i[2] + c.offset) sum = -HUGE_VAL;
    scores.push_back(sum);
    most = std::max(most, sum);
  }
  if (most == -HUGE_VAL) return row;
  for (int64_t t = 0; t < c.t; ++t) {
    double weight = std::exp(scores[t] - most);
    total += weight;
    const float* from = &v.at({i[0], head, t, 0});
    for (int64_t e = 0; e < c.e; ++e) row[e] += weight * from[e * v.strides[3]];
  }
  for (double& x : row) x /= total;
  return row;
}

double unmasked(const Index&, double score) { return score; }

Attrs attrsOf(const Case& c) {
  return {{"is_causal", int64_t{c.causal}}, {"offset", c.offset}, {"softcap", c.softcap}};
}

void expectAttention(const Case& c, F q, F k, F v, F y, const Score& masked = unmasked,
                     std::optional<TensorRef> mask = {}) {
  spread(q, 1);
  spread(k, 2);
  spread(v, 3);
  for (int threads : {1, 3}) {
    KernelRun run{"attention", attrsOf(c)};
    run.threads = threads;
    std::vector<TensorRef> inputs = {q.ref(), k.ref(), v.ref()};
    if (mask) inputs.push_back(*mask);
    ASSERT_TRUE(isOk(run(inputs, {y.ref()})));
    forEachIndex({c.b, c.h, c.s}, [&](const Index& i) {
      std::vector<double> row = expectedRow(c, q, k, v, masked, i);
      for (int64_t e = 0; e < c.e; ++e) ASSERT_NEAR(y.at({i[0], i[1], i[2], e}), row[e], 3e-6);
    });
    y.expectGuarded();
  }
}

void expectDense(const Case& c) {
  expectAttention(c, F({c.b, c.h, c.s, c.d}), F({c.b, c.g, c.t, c.d}), F({c.b, c.g, c.t, c.e}),
                  F({c.b, c.h, c.s, c.e}));
}

TEST(Attention, dense_heads) {
  expectDense({2, 3, 3, 50, 37, 16, 32});
  expectDense({1, 2, 2, 5, 300, 64, 64});
}
TEST(Attention, odd_depths) { expectDense({1, 2, 2, 61, 133, 7, 19}); }
TEST(Attention, one_query_reads_keys_as_they_are) {
  expectDense({2, 3, 3, 1, 301, 64, 64});
  expectDense({1, 3, 3, 1, 131, 40, 72});
}
TEST(Attention, query_heads_share_keys) {
  expectDense({2, 6, 2, 33, 50, 16, 16});
  expectDense({1, 6, 3, 1, 150, 16, 16});
  expectDense({1, 24, 2, 1, 150, 16, 16});
}
TEST(Attention, causal) {
  expectDense({1, 2, 2, 130, 130, 8, 8, true});
  expectDense({1, 2, 1, 21, 150, 8, 8, true, 129});
  expectDense({1, 2, 1, 21, 10, 8, 8, true, -3});  // the first queries see nothing
}
TEST(Attention, softcap) { expectDense({1, 2, 2, 9, 40, 16, 16, false, 0, 0.7}); }

TEST(Attention, heads_as_strided_views) {
  Case c{2, 4, 2, 50, 61, 16, 24};
  expectAttention(c, F::ordered({2, 4, 50, 16}, {0, 2, 1, 3}), F::ordered({2, 2, 61, 16}, {0, 1, 3, 2}),
                  F::ordered({2, 2, 61, 24}, {0, 2, 1, 3}, 1), F::ordered({2, 4, 50, 24}, {0, 2, 1, 3}, 2));
}

TEST(Attention, added_mask_that_broadcasts) {
  Case c{2, 4, 2, 20, 140, 16, 16};
  F mask({2, 1, 20, 140});
  for (int64_t i = 0; i < mask.count(); ++i)
    mask.flat(i) = i % 3 == 0 ? -std::numeric_limits<float>::max() : 0.01f * (i % 50);
  expectAttention(
      c, F({2, 4, 20, 16}), F({2, 2, 140, 16}), F({2, 2, 140, 16}), F({2, 4, 20, 16}),
      [&](const Index& i, double s) { return static_cast<float>(s) + mask.at({i[0], 0, i[2], i[3]}); }, mask.ref());
}

TEST(Attention, bool_mask_hides_keys_and_whole_rows_give_zeros) {
  Case c{1, 2, 2, 10, 140, 16, 16};
  TestTensor<uint8_t> mask({10, 140});
  mask.dtype = DType::kBool;
  for (int64_t i = 0; i < mask.count(); ++i) mask.flat(i) = i / 140 != 3 && i % 5 != 0;
  expectAttention(
      c, F({1, 2, 10, 16}), F({1, 2, 140, 16}), F({1, 2, 140, 16}), F({1, 2, 10, 16}),
      [&](const Index& i, double s) { return mask.at({i[2], i[3]}) ? s : -HUGE_VAL; }, mask.ref());
}

TEST(Attention, uniform_empty_rows_are_the_mean_of_the_values) {
  F q({1, 1, 9, 8}), k({1, 1, 150, 8}), v({1, 1, 150, 8}), y({1, 1, 9, 8});
  spread(q, 1);
  spread(k, 2);
  spread(v, 3);
  TestTensor<uint8_t> mask({1, 150});
  mask.dtype = DType::kBool;
  std::fill(mask.storage.begin(), mask.storage.end(), 0);
  KernelRun run{"attention", {{"empty_rows", std::string("uniform")}, {"is_causal", int64_t{1}}}};
  ASSERT_TRUE(isOk(run({q.ref(), k.ref(), v.ref(), mask.ref()}, {y.ref()})));
  forEachIndex(y.dims, [&](const Index& i) {
    double mean = 0;
    for (int64_t t = 0; t < 150; ++t) mean += v.at({0, 0, t, i[3]}) / 150.0;
    ASSERT_NEAR(y.at(i), mean, 1e-6);
  });
}

TEST(Attention, half_precision) {
  Case c{1, 2, 1, 9, 40, 16, 16};
  F q({1, 2, 9, 16}), k({1, 1, 40, 16}), v({1, 1, 40, 16});
  TestTensor<uint16_t> halfQ(q.dims), halfK(k.dims), halfV(v.dims), y({1, 2, 9, 16});
  int seed = 1;
  for (auto [wide, narrow] : {std::pair(&q, &halfQ), std::pair(&k, &halfK), std::pair(&v, &halfV)}) {
    spread(*wide, seed++);
    narrow->dtype = DType::kFloat16;
    for (int64_t i = 0; i < wide->count(); ++i) {
      narrow->flat(i) = floatToFloat16(wide->flat(i));
      wide->flat(i) = float16ToFloat(narrow->flat(i));
    }
  }
  y.dtype = DType::kFloat16;
  ASSERT_TRUE(isOk(KernelRun{"attention"}({halfQ.ref(), halfK.ref(), halfV.ref()}, {y.ref()})));
  forEachIndex(y.dims, [&](const Index& i) {
    ASSERT_NEAR(float16ToFloat(y.at(i)), expectedRow(c, q, k, v, unmasked, i)[i[3]], 1e-3);
  });
}

TEST(Attention, refuses_heads_that_do_not_divide) {
  F q({1, 3, 2, 4}), k({1, 2, 5, 4}), v({1, 2, 5, 4}), y({1, 3, 2, 4});
  std::string message = KernelRun{"attention"}({q.ref(), k.ref(), v.ref()}, {y.ref()}).message();
  EXPECT_NE(message.find("with h a multiple of g"), std::string::npos) << message;
}

}  // namespace
}  // namespace shardwright
