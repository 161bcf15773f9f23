#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

using Index = std::vector<int64_t>;

TEST(Gather, rows_of_a_table) {
  auto table = TestTensor<float>({13, 700}).fill(1);
  TestTensor<int64_t> indices({2, 9});
  for (int64_t i = 0; i < 18; ++i) indices.flat(i) = (i * 5) % 13 - (i % 2 == 0 ? 0 : 13);
  TestTensor<float> out({2, 9, 700});
  ASSERT_TRUE(isOk(KernelRun{"gather", {{"axis", int64_t{0}}}}({table.ref(), indices.ref()}, {out.ref()})));
  forEachIndex(out.dims, [&](const Index& i) {
    int64_t row = (indices.at({i[0], i[1]}) + 13) % 13;
    ASSERT_EQ(out.at(i), table.at({row, i[2]}));
  });
}

TEST(Gather, along_a_middle_axis_of_strided_operands) {
  auto data = TestTensor<int16_t>::ordered({3, 5, 7}, {2, 0, 1}, 1).fill(2);
  TestTensor<int32_t> indices({4});
  indices.storage = {4, -1, 0, -5};
  auto out = TestTensor<int16_t>::ordered({3, 4, 7}, {1, 2, 0}, 2);
  ASSERT_TRUE(isOk(KernelRun{"gather", {{"axis", int64_t{1}}}}({data.ref(), indices.ref()}, {out.ref()})));
  forEachIndex(out.dims, [&](const Index& i) {
    int64_t at = (indices.at({i[1]}) + 5) % 5;
    ASSERT_EQ(out.at(i), data.at({i[0], at, i[2]}));
  });
  out.expectGuarded();
}

TEST(Gather, one_large_row_by_a_scalar_index) {
  auto data = TestTensor<float>({3, 30011}).fill(3);
  TestTensor<int64_t> index(std::vector<int64_t>{});
  index.storage = {-1};
  TestTensor<float> out({30011});
  ASSERT_TRUE(isOk(KernelRun{"gather"}({data.ref(), index.ref()}, {out.ref()})));
  forEachIndex(out.dims, [&](const Index& i) { ASSERT_EQ(out.at(i), data.at({2, i[0]})); });
}

TEST(Gather, shards_of_a_table_add_up) {
  auto whole = TestTensor<float>({10, 6}).fill(4);
  TestTensor<int64_t> indices({5});
  indices.storage = {0, 9, -4, 3, 12};  // the last one is wrong: zeros everywhere
  TestTensor<float> sum({5, 6});
  for (float& v : sum.storage) v = 0;
  for (auto [offset, rows] : {std::pair<int64_t, int64_t>{0, 3}, {3, 4}, {7, 3}}) {
    TensorRef shard = whole.ref();
    shard.data = shard.as<float>() + offset * 6;
    shard.dims[0] = rows;
    TestTensor<float> part({5, 6});
    KernelRun run{"gather", {{"axis", int64_t{0}}}, {{"extent", int64_t{10}}, {"offset", offset}}};
    ASSERT_TRUE(isOk(run({shard, indices.ref()}, {part.ref()})));
    for (int i = 0; i < 30; ++i) sum.storage[i] += part.storage[i];
  }
  forEachIndex(sum.dims, [&](const Index& i) {
    ASSERT_EQ(sum.at(i), i[0] == 4 ? 0.f : whole.at({(indices.at({i[0]}) + 10) % 10, i[1]}));
  });
}

TEST(Gather, refuses_dims_that_do_not_fit) {
  TestTensor<float> data({3, 4}), out({5, 5});
  TestTensor<int64_t> indices({5});
  EXPECT_EQ(KernelRun{"gather"}({data.ref(), indices.ref()}, {out.ref()}).message(),
            "step tested: gathers from float32[3, 4] strides [4, 1] by int64[5] strides [1] along axis 0 to float32[5, "
            "5] strides [5, 1]; the output's dims must be the data's with the axis replaced by the indices' dims");
}

}  // namespace
}  // namespace shardwright
