#include <cmath>

#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

using Index = std::vector<int64_t>;
using F = TestTensor<float>;
using I = TestTensor<int64_t>;

TEST(GatherElements, along_a_middle_axis_with_smaller_indices) {
  auto data = F::ordered({3, 5, 7}, {2, 0, 1}).fill(1);
  I indices({2, 9, 4});
  for (int64_t i = 0; i < indices.count(); ++i) indices.flat(i) = (i * 3) % 10 - 5;
  auto out = F::ordered({2, 9, 4}, {1, 2, 0}, 1);
  ASSERT_TRUE(isOk(KernelRun{"gather_elements", {{"axis", int64_t{1}}}}({data.ref(), indices.ref()}, {out.ref()})));
  forEachIndex(out.dims, [&](const Index& i) { ASSERT_EQ(out.at(i), data.at({i[0], (indices.at(i) + 5) % 5, i[2]})); });
  out.expectGuarded();
}

TEST(GatherElements, a_shard_gives_zeros_for_others) {
  auto data = F({2, 3}).fill(1);
  I indices({2, 4});
  indices.storage = {0, 4, 5, -1, 6, 7, 3, 4};
  F out({2, 4});
  KernelRun run{"gather_elements", {{"axis", int64_t{1}}}, {{"extent", int64_t{8}}, {"offset", int64_t{4}}}};
  ASSERT_TRUE(isOk(run({data.ref(), indices.ref()}, {out.ref()})));
  EXPECT_EQ(out.values(),
            (std::vector<float>{0, data.at({0, 0}), data.at({0, 1}), 0, data.at({1, 2}), 0, 0, data.at({1, 0})}));
}

TEST(GatherNd, with_batch_dims_and_slices) {
  auto data = F({2, 3, 4, 5}).fill(1);
  I indices({2, 6, 2});
  for (int64_t i = 0; i < 12; ++i) {
    indices.at({i / 6, i % 6, 0}) = i % 3 - (i % 2 ? 3 : 0);
    indices.at({i / 6, i % 6, 1}) = (i * 3) % 4;
  }
  F out({2, 6, 5});
  ASSERT_TRUE(isOk(KernelRun{"gather_nd", {{"batch_dims", int64_t{1}}}}({data.ref(), indices.ref()}, {out.ref()})));
  forEachIndex(out.dims, [&](const Index& i) {
    int64_t a = (indices.at({i[0], i[1], 0}) + 3) % 3, b = indices.at({i[0], i[1], 1});
    ASSERT_EQ(out.at(i), data.at({i[0], a, b, i[2]}));
  });
}

TEST(GatherNd, single_elements_of_a_shard) {
  auto data = F({3, 4}).fill(2);
  I indices({3, 2});
  indices.storage = {5, 1, 2, 0, -1, -1};  // rows 5 and 7 of 8 are here (3 … 5), 2 and 7 are not
  F out({3});
  KernelRun run{"gather_nd", {}, {{"extents", Index{8, 4}}, {"offsets", Index{3, 0}}}};
  ASSERT_TRUE(isOk(run({data.ref(), indices.ref()}, {out.ref()})));
  EXPECT_EQ(out.values(), (std::vector<float>{data.at({2, 1}), 0, 0}));
}

TEST(ScatterElements, every_reduction) {
  for (const char* how : {"none", "add", "mul", "max", "min"}) {
    auto data = F({4, 6}).fill(1), updates = F({3, 6}).fill(2);
    I indices({3, 6});
    for (int64_t i = 0; i < 18; ++i) indices.flat(i) = (i * 7) % 4 - (i % 3 == 0 ? 4 : 0);
    auto out = F::ordered({4, 6}, {1, 0}, 2);
    KernelRun run{"scatter_elements", {{"axis", int64_t{0}}, {"reduction", std::string(how)}}};
    ASSERT_TRUE(isOk(run({data.ref(), indices.ref(), updates.ref()}, {out.ref()})));
    F want = data;
    forEachIndex(updates.dims, [&](const Index& i) {
      float& e = want.at({(indices.at(i) + 4) % 4, i[1]});
      float u = updates.at(i);
      std::string h = how;
      e = h == "none" ? u : h == "add" ? e + u : h == "mul" ? e * u : h == "max" ? std::max(e, u) : std::min(e, u);
    });
    EXPECT_EQ(out.values(), want.values()) << how;
    out.expectGuarded();
  }
}

TEST(ScatterElements, in_place_and_of_another_rank_s_rows) {
  auto data = TestTensor<int32_t>({5}).fill(1);
  auto before = data.values();
  I indices({3});
  indices.storage = {2, 9, 6};
  TestTensor<int32_t> updates({3});
  updates.storage = {100, 200, 300};
  KernelRun run{"scatter_elements", {{"axis", int64_t{0}}}, {{"extent", int64_t{12}}, {"offset", int64_t{5}}}};
  ASSERT_TRUE(isOk(run({data.ref(), indices.ref(), updates.ref()}, {data.ref()})));
  before[4] = 200;
  before[1] = 300;
  EXPECT_EQ(data.values(), before);
}

TEST(ScatterNd, slices_in_order) {
  for (const char* how : {"none", "add"}) {
    auto data = F({4, 3, 5}).fill(1), updates = F({6, 5}).fill(2);
    I indices({6, 2});
    for (int64_t i = 0; i < 6; ++i) {
      indices.at({i, 0}) = i % 2 == 0 ? 3 : -4;
      indices.at({i, 1}) = (i * 2) % 3;
    }
    F out({4, 3, 5});
    KernelRun run{"scatter_nd", {{"reduction", std::string(how)}}};
    ASSERT_TRUE(isOk(run({data.ref(), indices.ref(), updates.ref()}, {out.ref()})));
    F want = data;
    forEachIndex(updates.dims, [&](const Index& i) {
      float& e = want.at({(indices.at({i[0], 0}) + 4) % 4, indices.at({i[0], 1}), i[1]});
      e = std::string(how) == "none" ? updates.at(i) : e + updates.at(i);
    });
    EXPECT_EQ(out.values(), want.values()) << how;
  }
}

TEST(ScatterNd, single_elements) {
  auto data = I({7}).fill(1), updates = I({3}).fill(2);
  I indices({3, 1}), out({7});
  indices.storage = {6, 0, 6};
  ASSERT_TRUE(isOk(KernelRun{"scatter_nd"}({data.ref(), indices.ref(), updates.ref()}, {out.ref()})));
  auto want = data.values();
  want[0] = updates.flat(1);
  want[6] = updates.flat(2);
  EXPECT_EQ(out.values(), want);
}

TEST(Topk, largest_and_smallest_with_ties_and_nan) {
  F x({2, 7});
  float nan = std::nanf("");
  x.storage = {3, 1, 3, 2, -5, 3, 0, 9, nan, 8, -1, -1, 7, 8};
  F values({2, 3});
  I indices({2, 3});
  ASSERT_TRUE(isOk(KernelRun{"topk", {{"axis", int64_t{1}}}}({x.ref()}, {values.ref(), indices.ref()})));
  EXPECT_EQ(indices.values(), (Index{0, 2, 5, 1, 0, 2}));
  EXPECT_EQ(values.at({1, 1}), 9);
  KernelRun run{"topk", {{"axis", int64_t{1}}, {"largest", int64_t{0}}}, {{"offset", int64_t{100}}}};
  ASSERT_TRUE(isOk(run({x.ref()}, {values.ref(), indices.ref()})));
  EXPECT_EQ(indices.values(), (Index{104, 106, 101, 103, 104, 105}));
}

TEST(Topk, along_an_outer_axis_of_half_precision) {
  TestTensor<uint16_t> x({5, 2}), values({2, 2});
  x.dtype = values.dtype = DType::kFloat16;
  float rows[] = {1, -2, -3, 4, 5, -6, -7, 8, 9, -10};
  for (int i = 0; i < 10; ++i) x.flat(i) = floatToFloat16(rows[i]);
  I indices({2, 2});
  ASSERT_TRUE(isOk(KernelRun{"topk", {{"axis", int64_t{0}}}}({x.ref()}, {values.ref(), indices.ref()})));
  EXPECT_EQ(indices.values(), (Index{4, 3, 2, 1}));
  EXPECT_EQ(float16ToFloat(values.at({1, 1})), 4.f);
}

TEST(ArgReduce, first_and_last_of_equals) {
  TestTensor<int32_t> x({2, 5});
  x.storage = {4, 7, 7, -1, -1, 0, -3, 2, -3, 2};
  I keep({2, 1}), drop({2});
  TestTensor<int32_t> values({2});
  KernelRun max{"arg_reduce", {{"axis", int64_t{1}}, {"mode", std::string("max")}}, {{"offset", int64_t{10}}}};
  ASSERT_TRUE(isOk(max({x.ref()}, {keep.ref()})));
  EXPECT_EQ(keep.values(), (Index{11, 12}));
  KernelRun min{"arg_reduce", {{"axis", int64_t{1}}, {"mode", std::string("min")}, {"select_last_index", int64_t{1}}}};
  ASSERT_TRUE(isOk(min({x.ref()}, {drop.ref(), values.ref()})));
  EXPECT_EQ(drop.values(), (Index{4, 3}));
  EXPECT_EQ(values.values(), (std::vector<int32_t>{-1, -3}));
}

TEST(Cumsum, every_direction) {
  I x({2, 4}), y({2, 4});
  x.storage = {1, 20, 300, 4000, 5, 60, 700, 8000};
  auto sum = [&](int64_t exclusive, int64_t reverse) {
    KernelRun run{"cumsum", {{"axis", int64_t{1}}, {"exclusive", exclusive}, {"reverse", reverse}}};
    EXPECT_TRUE(isOk(run({x.ref()}, {y.ref()})));
    return Index(y.storage.begin(), y.storage.begin() + 4);
  };
  EXPECT_EQ(sum(0, 0), (Index{1, 21, 321, 4321}));
  EXPECT_EQ(sum(1, 0), (Index{0, 1, 21, 321}));
  EXPECT_EQ(sum(0, 1), (Index{4321, 4320, 4300, 4000}));
  EXPECT_EQ(sum(1, 1), (Index{4320, 4300, 4000, 0}));
  KernelRun run{"cumsum", {{"axis", int64_t{0}}}};
  ASSERT_TRUE(isOk(run({x.ref()}, {y.ref()})));
  EXPECT_EQ(y.values(), (Index{1, 20, 300, 4000, 6, 80, 1000, 12000}));
}

TEST(Pad, every_mode) {
  I x({2, 3});
  x.storage = {1, 2, 3, 4, 5, 6};
  I y({3, 6});
  auto pad = [&](const char* mode) {
    KernelRun run{"pad", {{"mode", std::string(mode)}}, {{"pads", Index{1, 2, 0, 1}}}};
    I fill(Index{1});
    fill.storage = {9};
    EXPECT_TRUE(isOk(run({x.ref(), fill.ref()}, {y.ref()})));
    return y.values();
  };
  EXPECT_EQ(pad("constant"), (Index{9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 9, 4, 5, 6, 9}));
  EXPECT_EQ(pad("edge"), (Index{1, 1, 1, 2, 3, 3, 1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6}));
  EXPECT_EQ(pad("reflect"), (Index{6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5}));
  EXPECT_EQ(pad("wrap"), (Index{5, 6, 4, 5, 6, 4, 2, 3, 1, 2, 3, 1, 5, 6, 4, 5, 6, 4}));
}

TEST(Pad, negative_pads_cut_and_the_default_is_zero) {
  auto x = F({4, 5}).fill(1);
  F y({2, 6});
  ASSERT_TRUE(isOk(KernelRun({"pad", {}, {{"pads", Index{-1, 1, -1, 0}}}})({x.ref()}, {y.ref()})));
  forEachIndex(y.dims, [&](const Index& i) { ASSERT_EQ(y.at(i), i[1] == 0 ? 0.f : x.at({i[0] + 1, i[1] - 1})); });
}

}  // namespace
}  // namespace shardwright
