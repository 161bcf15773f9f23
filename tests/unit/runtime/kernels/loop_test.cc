#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

// out[i, j] = a[i, j] + b[j] + param, as code generation would write it: outer i, inner j.
void addRows(void* const* buffers, const int64_t* sizes, int64_t begin, int64_t end) {
  int64_t inner = sizes[1];
  const int64_t *a = sizes + 2, *b = sizes + 4, *out = sizes + 6;
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = 0; j < inner; ++j) {
      static_cast<float*>(buffers[2])[i * out[0] + j * out[1]] = static_cast<float*>(buffers[0])[i * a[0] + j * a[1]] +
                                                                 static_cast<float*>(buffers[1])[i * b[0] + j * b[1]] +
                                                                 static_cast<float>(sizes[8]);
    }
  }
}

Attrs addressOf(LoopFunction function) {
  return {{"function", std::string("addRows")},
          {"address", static_cast<int64_t>(reinterpret_cast<intptr_t>(function))}};
}

TEST(Loop, passes_extents_strides_and_params) {
  for (int64_t rows : {3, 701}) {
    auto a = TestTensor<float>::ordered({rows, 11}, {1, 0}).fill(1);
    auto b = TestTensor<float>({rows, 11}, {0, 1}).fill(2);
    auto out = TestTensor<float>::ordered({rows, 11}, {0, 1}, 2);
    KernelRun run{"loop", addressOf(addRows)};
    run.sizeAttrs = {{"outer", std::vector<int64_t>{rows}},
                     {"inner", std::vector<int64_t>{11}},
                     {"params", std::vector<int64_t>{5}}};
    ASSERT_TRUE(isOk(run({a.ref(), b.ref()}, {out.ref()})));
    forEachIndex({rows, 11}, [&](const auto& i) { EXPECT_EQ(out.at(i), a.at(i) + b.at(i) + 5); });
    out.expectGuarded();
  }
}

TEST(Loop, refuses_an_operand_of_other_dims) {
  TestTensor<float> a({3, 4}), out({3, 5});
  KernelRun run{"loop", addressOf(addRows)};
  run.sizeAttrs = {{"outer", std::vector<int64_t>{3}}, {"inner", std::vector<int64_t>{5}}};
  EXPECT_EQ(run({a.ref()}, {out.ref()}).message(),
            "step tested: operand 0 is float32[3, 4] strides [4, 1]; it must have one dim per loop dim [3, 5]");
}

TEST(Loop, refuses_to_run_without_an_address) {
  TestTensor<float> a({3}), out({3});
  KernelRun run{"loop", {{"function", std::string("addRows")}}};
  run.sizeAttrs = {{"outer", std::vector<int64_t>{3}}};
  EXPECT_EQ(run({a.ref()}, {out.ref()}).message(),
            "step tested: attribute \"address\" is missing; it must be given as an integer");
}

}  // namespace
}  // namespace shardwright
