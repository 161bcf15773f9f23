#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

template <typename T>
void expectCopied(TestTensor<T> from, TestTensor<T> to) {
  for (int64_t i = 0; i < from.count(); ++i) from.flat(i) = static_cast<T>(i % 120 + 1);
  for (int threads : {1, 3}) {
    ASSERT_TRUE(isOk(KernelRun{"copy", {}, {}, {}, {}, threads}({from.ref()}, {to.ref()})));
    EXPECT_EQ(to.values(), from.values());
    to.expectGuarded();
  }
}

TEST(Copy, dense_of_every_width) {
  expectCopied(TestTensor<uint8_t>({5, 7}), TestTensor<uint8_t>({5, 7}));
  expectCopied(TestTensor<int16_t>({5, 7}), TestTensor<int16_t>({5, 7}));
  expectCopied(TestTensor<float>({5, 7}), TestTensor<float>({5, 7}));
  expectCopied(TestTensor<int64_t>({5, 7}), TestTensor<int64_t>({5, 7}));
}

TEST(Copy, large_enough_for_threads) {
  expectCopied(TestTensor<float>({37, 701}), TestTensor<float>({37, 701}));
  expectCopied(TestTensor<float>({2, 20011}), TestTensor<float>::ordered({2, 20011}, {0, 1}, 5));
}

TEST(Copy, transposes_inner_dims) {
  expectCopied(TestTensor<float>({67, 131}), TestTensor<float>::ordered({67, 131}, {1, 0}, 3));
  expectCopied(TestTensor<uint8_t>({67, 131}), TestTensor<uint8_t>::ordered({67, 131}, {1, 0}, 3));
  expectCopied(TestTensor<int64_t>::ordered({3, 45, 70}, {1, 0, 2}, 1),
               TestTensor<int64_t>::ordered({3, 45, 70}, {2, 0, 1}));
}

TEST(Copy, heads_before_sequence) {
  expectCopied(TestTensor<float>::ordered({2, 12, 33, 64}, {0, 2, 1, 3}), TestTensor<float>({2, 12, 33, 64}));
}

TEST(Copy, repeats_a_broadcast_input) {
  expectCopied(TestTensor<float>({5, 9, 70}, {9, 1, 0}), TestTensor<float>({5, 9, 70}));
  expectCopied(TestTensor<int16_t>({50, 9, 70}, {0, 70, 1}), TestTensor<int16_t>({50, 9, 70}));
}

TEST(Copy, scalar_and_empty) {
  expectCopied(TestTensor<float>(std::vector<int64_t>{}), TestTensor<float>(std::vector<int64_t>{}));
  expectCopied(TestTensor<float>({3, 0}), TestTensor<float>({3, 0}));
}

TEST(Copy, four_bit_elements_keep_their_neighbours) {
  TestTensor<uint8_t> from({4}), to({4});
  from.storage = {0x21, 0x43, 0x65, 0x87};
  to.storage = {0xff, 0xff, 0xff, 0xff};
  TensorRef a = from.ref(), b = to.ref();
  a.dtype = b.dtype = DType::kInt4;
  a.dims[0] = b.dims[0] = 3;
  a.strides[0] = 2;  // elements 0, 2, 4
  ASSERT_TRUE(isOk(KernelRun{"copy"}({a}, {b})));
  EXPECT_EQ(to.storage, (std::vector<uint8_t>{0x31, 0xf5, 0xff, 0xff}));
}

TEST(Copy, refuses_other_dims_and_types) {
  TestTensor<float> a({2, 3}), b({3, 2});
  TestTensor<int32_t> c({2, 3});
  EXPECT_EQ(KernelRun{"copy"}({a.ref()}, {b.ref()}).message(),
            "step tested: copies float32[2, 3] strides [3, 1] to float32[3, 2] strides [2, 1]; the dims must be equal "
            "and the output must not repeat an element");
  EXPECT_EQ(KernelRun{"copy"}({a.ref()}, {c.ref()}).message(),
            "step tested: copies float32 to int32; both must be the same type of fixed width");
}

}  // namespace
}  // namespace shardwright
