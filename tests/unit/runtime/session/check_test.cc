#include "runtime/session/check.h"

#include <gtest/gtest.h>

#include <cmath>

namespace shardwright {
namespace {

HostTensor floats(std::vector<int64_t> dims, const std::vector<float>& values) {
  HostTensor tensor = HostTensor::make(DType::kFloat32, std::move(dims));
  std::copy(values.begin(), values.end(), tensor.as<float>());
  return tensor;
}

constexpr float kInf = INFINITY;

TEST(Check, errors_within_absolute_plus_relative_pass) {
  Comparison found = compare(floats({3}, {1.0f, 100.1f, -0.05f}), floats({3}, {1.05f, 100, 0}), {1e-3, 0.06});
  EXPECT_TRUE(found.ok());
  EXPECT_NEAR(found.maxAbsError, 0.1, 1e-4);
  EXPECT_NEAR(found.maxRelError, 0.05 / 1.05, 1e-4);
}

TEST(Check, the_first_wrong_element_is_kept) {
  Comparison found = compare(floats({2, 2}, {1, 2, 3.5f, 9}), floats({2, 2}, {1, 2, 3, 4}), {0, 0.1});
  EXPECT_EQ(found.numWrong, 2);
  EXPECT_EQ(found.firstWrong, 2);
  EXPECT_EQ(found.maxAbsError, 5);
}

TEST(Check, nan_equals_nan_and_infinity_itself_alone) {
  EXPECT_TRUE(compare(floats({2}, {NAN, kInf}), floats({2}, {NAN, kInf}), {0, 0}).ok());
  EXPECT_EQ(compare(floats({2}, {NAN, -kInf}), floats({2}, {1, kInf}), {1, 1}).numWrong, 2);
  EXPECT_EQ(compare(floats({2}, {1, 1e30f}), floats({2}, {NAN, kInf}), {1, 1}).numWrong, 2);
}

TEST(Check, other_dims_or_types_are_said) {
  Comparison found = compare(floats({2, 3}, {1, 2, 3, 4, 5, 6}), floats({6}, {1, 2, 3, 4, 5, 6}), {});
  EXPECT_EQ(found.mismatch, "found float32 [2, 3], expected float32 [6]");
}

TEST(Check, every_wrong_output_is_named) {
  std::vector<HostTensor> actual;
  actual.push_back(floats({2}, {1, 2}));
  actual.push_back(floats({1}, {3}));
  actual.push_back(floats({1}, {3}));
  std::vector<std::optional<HostTensor>> expected(3);
  expected[0] = floats({2}, {1, 7});
  expected[1] = floats({2}, {1, 7});
  std::vector<std::optional<Comparison>> comparisons;
  Status status = checkOutputs({"a", "b", "c"}, actual, expected, {}, &comparisons);
  EXPECT_EQ(status.code(), StatusCode::kCheckFailed);
  EXPECT_NE(status.message().find("output 'a': 1 of 2 elements are wrong, the first at [1]: found 2, expected 7"),
            std::string::npos)
      << status.message();
  EXPECT_NE(status.message().find("output 'b': found float32 [1], expected float32 [2]"), std::string::npos);
  EXPECT_FALSE(comparisons[2].has_value());
}

}  // namespace
}  // namespace shardwright
