#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

TEST(FillValues, integers_to_every_type_and_stride) {
  TestTensor<int64_t> a({3});
  auto b = TestTensor<int32_t>({3}, {2});
  TestTensor<float> c({3});
  KernelRun run{"fill_values", {}, {{"values", std::vector<int64_t>{4, -7, 900}}}};
  ASSERT_TRUE(isOk(run({}, {a.ref()})));
  ASSERT_TRUE(isOk(run({}, {b.ref()})));
  ASSERT_TRUE(isOk(run({}, {c.ref()})));
  EXPECT_EQ(a.values(), (std::vector<int64_t>{4, -7, 900}));
  EXPECT_EQ(b.values(), (std::vector<int32_t>{4, -7, 900}));
  b.expectGuarded();
  EXPECT_EQ(c.values(), (std::vector<float>{4, -7, 900}));
}

TEST(FillValues, a_scalar_of_a_fraction) {
  TestTensor<float> out(std::vector<int64_t>{});
  ASSERT_TRUE(isOk(KernelRun{"fill_values", {{"values", std::vector<double>{0.375}}}}({}, {out.ref()})));
  EXPECT_EQ(out.storage[0], 0.375f);
}

TEST(FillValues, refuses_another_count) {
  TestTensor<int64_t> out({2});
  EXPECT_EQ(
      KernelRun({"fill_values", {{"values", std::vector<int64_t>{1, 2, 3}}}})({}, {out.ref()}).message(),
      "step tested: writes 3 values to int64[2] strides [1]; the output must have as many elements, row-major where "
      "it has several dims");
}

TEST(FillValues, several_dims_row_major) {
  TestTensor<int64_t> dense({2, 3});
  auto apart = TestTensor<int64_t>({2, 3}, {4, 1});
  KernelRun run{"fill_values", {}, {{"values", std::vector<int64_t>{1, 2, 3, 4, 5, 6}}}};
  ASSERT_TRUE(isOk(run({}, {dense.ref()})));
  EXPECT_EQ(dense.values(), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_FALSE(run({}, {apart.ref()}).ok());
}

TEST(Range, integers_of_a_shard) {
  TestTensor<int64_t> out({4});
  KernelRun run{"range", {}, {{"start", int64_t{10}}, {"step", int64_t{-3}}, {"offset", int64_t{2}}}};
  ASSERT_TRUE(isOk(run({}, {out.ref()})));
  EXPECT_EQ(out.values(), (std::vector<int64_t>{4, 1, -2, -5}));
}

TEST(Range, fractions) {
  TestTensor<float> out({3});
  KernelRun run{"range", {{"start", 0.5}, {"step", 0.25}}};
  ASSERT_TRUE(isOk(run({}, {out.ref()})));
  EXPECT_EQ(out.values(), (std::vector<float>{0.5f, 0.75f, 1.f}));
}

}  // namespace
}  // namespace shardwright
