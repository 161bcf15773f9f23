#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

using F = TestTensor<float>;
using Index = std::vector<int64_t>;

struct Window {
  Index strides, dilations, pads;
  int64_t group = 1;
};

Attrs attrsOf(const Window& w) {
  return {{"strides", w.strides}, {"dilations", w.dilations}, {"pads", w.pads}, {"group", w.group}};
}

double convAt(const F& x, const F& w, const Window& window, const Index& out) {
  double sum = 0;
  size_t spatial = out.size() - 2;
  int64_t perGroup = w.dims[1], group = out[1] / (w.dims[0] / window.group);
  forEachIndex(Index(w.dims.begin() + 1, w.dims.end()), [&](const Index& k) {
    Index at = {out[0], group * perGroup + k[0]}, from = {out[1]};
    from.insert(from.end(), k.begin(), k.end());
    for (size_t i = 0; i < spatial; ++i) {
      at.push_back(out[i + 2] * window.strides[i] - window.pads[i] + k[i + 1] * window.dilations[i]);
      if (at.back() < 0 || at.back() >= x.dims[i + 2]) return;
    }
    sum += static_cast<double>(x.at(at)) * w.at(from);
  });
  return sum;
}

Index outputDims(const F& x, const F& w, const Window& window) {
  Index dims = {x.dims[0], w.dims[0]};
  size_t spatial = x.dims.size() - 2;
  for (size_t i = 0; i < spatial; ++i) {
    int64_t padded = x.dims[i + 2] + window.pads[i] + window.pads[i + spatial];
    dims.push_back((padded - (w.dims[i + 2] - 1) * window.dilations[i] - 1) / window.strides[i] + 1);
  }
  return dims;
}

// Channels first and last for input and output, constant and other kernels, several threads.
void expectConv(const Index& xDims, const Index& wDims, const Window& window) {
  std::vector<int> last = {0};
  for (size_t i = 2; i < xDims.size(); ++i) last.push_back(static_cast<int>(i));
  last.push_back(1);
  std::vector<int> first(xDims.size());
  std::iota(first.begin(), first.end(), 0);
  for (int variant = 0; variant < 4; ++variant) {
    auto x = F::ordered(xDims, variant % 2 == 0 ? last : first).fill(1);
    auto w = F(wDims).fill(2);
    auto bias = F({wDims[0]}).fill(3);
    auto y = F::ordered(outputDims(x, w, window), variant < 2 ? last : first);
    KernelRun run{"conv", attrsOf(window)};
    if (variant != 3) run.constants = {1};
    run.threads = variant + 1;
    ASSERT_TRUE(isOk(run({x.ref(), w.ref(), bias.ref()}, {y.ref()})));
    forEachIndex(y.dims, [&](const Index& i) {
      ASSERT_EQ(y.at(i), static_cast<float>(convAt(x, w, window, i) + bias.at({i[1]}))) << "variant " << variant;
    });
    y.expectGuarded();
  }
}

TEST(Conv, three_by_three) { expectConv({1, 5, 11, 9}, {7, 5, 3, 3}, {{1, 1}, {1, 1}, {1, 1, 1, 1}}); }
TEST(Conv, no_channel_and_a_bias) { expectConv({2, 0, 7, 5}, {4, 0, 3, 3}, {{2, 1}, {1, 1}, {1, 0, 1, 1}}); }
TEST(Conv, many_channels) { expectConv({2, 37, 7, 5}, {70, 37, 3, 3}, {{1, 1}, {1, 1}, {1, 1, 1, 1}}); }
TEST(Conv, strides_and_uneven_pads) { expectConv({3, 19, 12, 15}, {20, 19, 3, 5}, {{2, 3}, {1, 1}, {0, 2, 1, 1}}); }
TEST(Conv, dilations) { expectConv({1, 6, 17, 15}, {9, 6, 3, 3}, {{1, 1}, {2, 3}, {2, 3, 2, 3}}); }
TEST(Conv, large_first_kernel) { expectConv({1, 3, 30, 33}, {16, 3, 7, 7}, {{2, 2}, {1, 1}, {3, 3, 3, 3}}); }
TEST(Conv, patches) { expectConv({2, 3, 32, 48}, {24, 3, 16, 16}, {{16, 16}, {1, 1}, {0, 0, 0, 0}}); }
TEST(Conv, groups) { expectConv({1, 12, 9, 10}, {18, 4, 3, 3}, {{1, 1}, {1, 1}, {1, 1, 1, 1}, 3}); }
TEST(Conv, depthwise) { expectConv({1, 21, 9, 10}, {21, 1, 3, 3}, {{1, 1}, {1, 1}, {1, 1, 1, 1}, 21}); }
TEST(Conv, pointwise) { expectConv({2, 33, 9, 7}, {70, 33, 1, 1}, {{1, 1}, {1, 1}, {0, 0, 0, 0}}); }
TEST(Conv, pointwise_with_strides) { expectConv({1, 33, 9, 8}, {17, 33, 1, 1}, {{2, 3}, {1, 1}, {0, 0, 0, 0}}); }
TEST(Conv, pointwise_with_strides_of_several_images) {
  expectConv({3, 40, 14, 13}, {70, 40, 1, 1}, {{2, 2}, {1, 1}, {0, 0, 0, 0}});
}
TEST(Conv, pointwise_with_pads) { expectConv({1, 6, 5, 4}, {7, 6, 1, 1}, {{2, 1}, {1, 1}, {1, 0, 2, 1}}); }
TEST(Conv, one_spatial_dim) { expectConv({2, 5, 40}, {8, 5, 3}, {{2}, {1}, {1, 1}}); }
TEST(Conv, three_spatial_dims) {
  expectConv({1, 4, 6, 7, 8}, {5, 4, 3, 2, 3}, {{1, 2, 1}, {1, 1, 1}, {1, 0, 1, 1, 1, 1}});
}
TEST(Conv, a_shard_s_edge_with_a_negative_pad) {
  expectConv({1, 17, 9, 8}, {6, 17, 3, 3}, {{1, 1}, {1, 1}, {-1, 1, 0, 1}});
}

TEST(Conv, post_ops_done_by_the_library_and_by_us) {
  for (bool pointwise : {false, true}) {
    for (bool channelsLast : {true, false}) {
      std::vector<int> order = channelsLast ? std::vector<int>{0, 2, 3, 1} : std::vector<int>{0, 1, 2, 3};
      Window window{{1, 1}, {1, 1}, {1, 1, 1, 1}};
      if (pointwise) window.pads = {0, 0, 0, 0};
      auto x = F::ordered({2, 18, 7, 9}, order).fill(1), w = F({20, 18, 3, 3}).fill(2);
      if (pointwise) w = F({20, 18, 1, 1}).fill(2);
      auto bias = F({20}).fill(3), residual = F::ordered({2, 20, 7, 9}, order).fill(4), scale = F({20, 1, 1}).fill(5);
      auto y = F::ordered({2, 20, 7, 9}, order);
      KernelRun run{"conv", attrsOf(window)};
      run.constants = {1};
      run.postOps = {{"add", 3, {}}, {"relu", -1, {}}, {"mul", 4, {}}};
      ASSERT_TRUE(isOk(run({x.ref(), w.ref(), bias.ref(), residual.ref(), scale.ref()}, {y.ref()})));
      forEachIndex(y.dims, [&](const Index& i) {
        double value = std::max(0.0, convAt(x, w, window, i) + bias.at({i[1]}) + residual.at(i));
        ASSERT_EQ(y.at(i), static_cast<float>(value * scale.at({i[1], 0, 0})));
      });
    }
  }
}

// What a rank without channels computes, where channels are split among more ranks than there are.
TEST(Conv, no_channels_give_the_bias) {
  F x({2, 0, 5, 6}), w({7, 0, 3, 3}), bias({7}), y({2, 7, 5, 6});
  bias.fill(3);
  KernelRun run{"conv", attrsOf({{1, 1}, {1, 1}, {1, 1, 1, 1}})};
  run.postOps = {{"scale", -1, {2}}, {"relu", -1, {}}};
  ASSERT_TRUE(isOk(run({x.ref(), w.ref(), bias.ref()}, {y.ref()})));
  forEachIndex(y.dims, [&](const Index& i) { ASSERT_EQ(y.at(i), std::max(0.f, 2 * bias.at({i[1]}))); });
}

TEST(Conv, half_precision_without_bias) {
  TestTensor<uint16_t> x({1, 5, 6, 7}), w({4, 5, 3, 3}), y({1, 4, 6, 7});
  x.dtype = w.dtype = y.dtype = DType::kFloat16;
  F wideX({1, 5, 6, 7}), wideW({4, 5, 3, 3});
  wideX.fill(1);
  wideW.fill(2);
  for (int64_t i = 0; i < x.count(); ++i) x.flat(i) = floatToFloat16(wideX.flat(i));
  for (int64_t i = 0; i < w.count(); ++i) w.flat(i) = floatToFloat16(wideW.flat(i));
  Window window{{1, 1}, {1, 1}, {1, 1, 1, 1}};
  KernelRun run{"conv", attrsOf(window)};
  run.constants = {1};
  ASSERT_TRUE(isOk(run({x.ref(), w.ref()}, {y.ref()})));
  forEachIndex(y.dims, [&](const Index& i) {
    ASSERT_EQ(y.at(i), floatToFloat16(static_cast<float>(convAt(wideX, wideW, window, i))));
  });
}

TEST(Conv, a_bias_and_as_many_post_ops_as_are_allowed) {
  F x({1, 3, 4, 5}), w({6, 3, 1, 1}), bias({6}), y({1, 6, 4, 5});
  x.fill(1), w.fill(2), bias.fill(3);
  Window window{{1, 1}, {1, 1}, {0, 0, 0, 0}};
  KernelRun run{"conv", attrsOf(window)};
  run.postOps = {{"relu", -1, {}},     {"scale", -1, {2}}, {"clip", -1, {1, 9}}, {"scale", -1, {0.5}},
                 {"clip", -1, {1, 4}}, {"scale", -1, {4}}, {"relu", -1, {}},     {"scale", -1, {-1}}};
  ASSERT_TRUE(isOk(run({x.ref(), w.ref(), bias.ref()}, {y.ref()})));
  forEachIndex(y.dims, [&](const Index& i) {
    double value = std::clamp(2 * std::max(0.0, convAt(x, w, window, i) + bias.at({i[1]})), 1.0, 9.0);
    ASSERT_EQ(y.at(i), static_cast<float>(-4 * std::clamp(value / 2, 1.0, 4.0)));
  });
}

TEST(Conv, refuses_an_output_that_windows_do_not_fill) {
  F x({1, 2, 5, 5}), w({3, 2, 3, 3}), y({1, 3, 5, 5});
  EXPECT_EQ(KernelRun{"conv"}({x.ref(), w.ref()}, {y.ref()}).message(),
            "step tested: spatial dim 0 has 5 outputs of 5 inputs with kernel 3, stride 1, dilation 1, pads 0 and 0; "
            "every window must lie in the padded input");
}

}  // namespace
}  // namespace shardwright
