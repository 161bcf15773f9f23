#include <limits>

#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

using Index = std::vector<int64_t>;

struct Case {
  Index x, out, kernel, strides, dilations, pads;
};

template <typename T>
double poolAt(const TestTensor<T>& x, const Case& c, bool max, bool countPads, const Index& out) {
  double best = -std::numeric_limits<double>::infinity(), sum = 0, count = 0;
  size_t spatial = c.kernel.size();
  forEachIndex(c.kernel, [&](const Index& k) {
    Index at = {out[0], out[1]};
    bool element = true, padded = true;
    for (size_t i = 0; i < spatial; ++i) {
      int64_t p = out[i + 2] * c.strides[i] - c.pads[i] + k[i] * c.dilations[i];
      element &= p >= 0 && p < x.dims[i + 2];
      padded &= p < x.dims[i + 2] + c.pads[i + spatial];
      at.push_back(p);
    }
    if (element) {
      best = std::max(best, static_cast<double>(x.at(at)));
      sum += static_cast<double>(x.at(at));
    }
    count += countPads ? padded : element;
  });
  return max ? best : sum / count;
}

template <typename T>
void expectPooled(const Case& c, bool max, bool countPads = false) {
  std::vector<int> last = {0}, first(c.x.size());
  for (size_t i = 2; i < c.x.size(); ++i) last.push_back(static_cast<int>(i));
  last.push_back(1);
  std::iota(first.begin(), first.end(), 0);
  for (const std::vector<int>& order : {first, last}) {
    auto x = TestTensor<T>::ordered(c.x, order).fill(1);
    auto y = TestTensor<T>::ordered(c.out, order);
    KernelRun run{"pool",
                  {{"mode", std::string(max ? "max" : "average")},
                   {"kernel_shape", c.kernel},
                   {"strides", c.strides},
                   {"dilations", c.dilations},
                   {"count_include_pad", int64_t{countPads}}},
                  {{"pads", c.pads}}};
    ASSERT_TRUE(isOk(run({x.ref()}, {y.ref()})));
    forEachIndex(y.dims, [&](const Index& i) {
      ASSERT_EQ(y.at(i), static_cast<T>(static_cast<float>(poolAt(x, c, max, countPads, i))));
    });
  }
}

const Case kPlain = {{2, 5, 12, 9}, {2, 5, 6, 5}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}};
// The last windows end beyond the padded input, as with ONNX's ceil_mode.
const Case kCeil = {{1, 3, 8, 9}, {1, 3, 4, 5}, {3, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}};
const Case kDilated = {{1, 300, 11, 10}, {1, 300, 7, 7}, {3, 2}, {1, 1}, {2, 3}, {0, 0, 0, 0}};

TEST(Pool, max) {
  for (const Case& c : {kPlain, kCeil, kDilated}) expectPooled<float>(c, true);
  expectPooled<int8_t>(kPlain, true);
  expectPooled<int64_t>(kPlain, true);
}

TEST(Pool, average_with_and_without_padding_in_the_divisor) {
  for (const Case& c : {kPlain, kCeil, kDilated}) {
    expectPooled<float>(c, false, false);
    expectPooled<float>(c, false, true);
  }
}

TEST(Pool, one_and_three_spatial_dims) {
  expectPooled<float>({{2, 3, 300}, {2, 3, 299}, {3}, {1}, {1}, {1, 0}}, true);
  expectPooled<float>({{1, 3, 5, 6, 7}, {1, 3, 3, 5, 3}, {2, 2, 3}, {2, 1, 2}, {1, 1, 1}, {1, 0, 0, 0, 0, 0}}, false);
}

}  // namespace
}  // namespace shardwright
