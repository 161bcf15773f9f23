// Owns a plan for tests: y = (x · V) · W over axis tp, V split by columns and W by rows, the sum by an all-reduce.
#pragma once

#include "tests/unit/runtime/exec/plan_builder.h"

namespace shardwright {

// x [batch, 4], V [4, 7], W [7, 5]; over two ranks the 7 split as 3 and 4. All ranks write y; values are small integers.
class TwoLayerPlan : public PlanBuilder {
 public:
  static constexpr int64_t kIn = 4, kMid = 7, kOut = 5;

  static float v(int64_t i, int64_t j) { return static_cast<float>((i * 3 + j * 5) % 7 - 3) + 0.5f; }
  static float w(int64_t i, int64_t j) { return static_cast<float>((i * 2 + j * 3) % 5 + 1); }

  TwoLayerPlan(const std::string& folder, int64_t tp) {
    axis("tp", tp);
    group({0});
    symbol("batch", 64);
    uint32_t x = input("x", DType::kFloat32, {"batch", "4"});
    uint32_t y = output("y", DType::kFloat32, {"batch", "5"});
    std::string n = std::to_string(tp);
    std::string begin = "floordiv(7*@tp, " + n + ")", end = "floordiv(7*@tp + 7, " + n + ")";
    std::string part = end + " - " + begin;
    uint32_t left = constant("V", DType::kFloat32, {"4", part});
    uint32_t right = constant("W", DType::kFloat32, {part, "5"});
    std::vector<std::vector<int64_t>> leftDims, rightDims;
    std::vector<std::vector<float>> leftValues, rightValues;
    for (int64_t t = 0; t < tp; ++t) {
      int64_t b = kMid * t / tp, e = kMid * (t + 1) / tp;
      leftDims.push_back({kIn, e - b});
      rightDims.push_back({e - b, kOut});
      leftValues.emplace_back();
      rightValues.emplace_back();
      for (int64_t i = 0; i < kIn; ++i) {
        for (int64_t j = b; j < e; ++j) leftValues.back().push_back(v(i, j));
      }
      for (int64_t i = b; i < e; ++i) {
        for (int64_t j = 0; j < kOut; ++j) rightValues.back().push_back(w(i, j));
      }
    }
    weights(folder, left, "columns", "@tp", leftDims, leftValues);
    weights(folder, right, "rows", "@tp", rightDims, rightValues);

    auto* main = program("main");
    uint32_t bx = buffer(main, "x", plan::Buffer::INPUT, DType::kFloat32, "4*batch", x);
    uint32_t bv = buffer(main, "V", plan::Buffer::CONSTANT, DType::kFloat32, "4*(" + part + ")", left);
    uint32_t bw = buffer(main, "W", plan::Buffer::CONSTANT, DType::kFloat32, "5*(" + part + ")", right);
    uint32_t bh = buffer(main, "h", plan::Buffer::TEMPORARY, DType::kFloat32, "batch*(" + part + ")", 0, 0, 1);
    uint32_t by = buffer(main, "y", plan::Buffer::TEMPORARY, DType::kFloat32, "5*batch", 0, 1, 3);
    uint32_t bo = buffer(main, "y", plan::Buffer::OUTPUT, DType::kFloat32, "5*batch", y);
    kernel(main, "matmul", "first", {view(main, bx, {"batch", "4"}), view(main, bv, {"4", part})},
           {view(main, bh, {"batch", part})});
    kernel(main, "matmul", "second", {view(main, bh, {"batch", part}), view(main, bw, {part, "5"})},
           {view(main, by, {"batch", "5"})});
    collective(main, plan::CollectiveStep::ALL_REDUCE, "sum", 0, view(main, by, {"batch", "5"}),
               view(main, by, {"batch", "5"}));
    auto* copy = kernel(main, "copy", "result", {view(main, by, {"batch", "5"})}, {view(main, bo, {"batch", "5"})});
    copy->set_guard(expr("1 - min(1, @tp)") + 1);  // rank 0 alone
    entry("main", 0);
    if (!savePlan(folder, plan).ok()) std::abort();
  }

  static std::vector<float> expected(const std::vector<float>& x, int64_t batch) {
    std::vector<float> y(static_cast<size_t>(batch * kOut), 0.0f);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t j = 0; j < kMid; ++j) {
        float h = 0;
        for (int64_t i = 0; i < kIn; ++i) h += x[static_cast<size_t>(b * kIn + i)] * v(i, j);
        for (int64_t o = 0; o < kOut; ++o) y[static_cast<size_t>(b * kOut + o)] += h * w(j, o);
      }
    }
    return y;
  }
  static std::vector<float> someInput(int64_t batch) {
    std::vector<float> x(static_cast<size_t>(batch * kIn));
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i * 7 % 11) - 4);
    return x;
  }
};

}  // namespace shardwright
