#include "runtime/base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace shardwright {
namespace {

TEST(DType, names_are_unique_and_read_back) {
  for (int i = 1; i <= 26; ++i) {
    auto type = static_cast<DType>(i);
    EXPECT_EQ(dtypeFromName(dtypeName(type)), type) << dtypeName(type);
  }
  EXPECT_EQ(dtypeFromName("float"), std::nullopt);
  EXPECT_EQ(dtypeName(static_cast<DType>(99)), "undefined");
}

TEST(DType, sub_byte_elements_share_bytes) {
  EXPECT_EQ(byteSize(DType::kInt4, 5), 3);
  EXPECT_EQ(byteSize(DType::kUint2, 5), 2);
  EXPECT_EQ(byteSize(DType::kBool, 5), 5);
  EXPECT_EQ(byteSize(DType::kFloat64, 5), 40);
  EXPECT_EQ(byteSize(DType::kString, 5), 0);
}

TEST(DType, every_float16_survives_float32) {
  for (int bits = 0; bits < 65536; ++bits) {
    float value = float16ToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(float16ToFloat(floatToFloat16(value))));
    } else {
      EXPECT_EQ(floatToFloat16(value), bits) << value;
    }
  }
}

// The nearest of all 16-bit values, the even one of two.
TEST(DType, float16_rounds_to_nearest_even) {
  EXPECT_EQ(float16ToFloat(0x3c00), 1.0f);
  EXPECT_EQ(float16ToFloat(0x0001), 0x1p-24f);
  EXPECT_EQ(floatToFloat16(1.0f + 0x1p-11f), 0x3c00);
  EXPECT_EQ(floatToFloat16(1.0f + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(floatToFloat16(1.0f + 0x1p-11f + 0x1p-20f), 0x3c01);
  EXPECT_EQ(floatToFloat16(65519.0f), 0x7bff);
  EXPECT_EQ(floatToFloat16(65520.0f), 0x7c00);
  EXPECT_EQ(floatToFloat16(-1e30f), 0xfc00);
  EXPECT_EQ(floatToFloat16(0x1p-25f), 0x0000);
  EXPECT_EQ(floatToFloat16(3 * 0x1p-25f), 0x0002);
  EXPECT_EQ(floatToFloat16(-0.0f), 0x8000);
}

TEST(DType, bfloat16_rounds_to_nearest_even) {
  for (int bits = 0; bits < 65536; ++bits) {
    float value = bfloat16ToFloat(static_cast<uint16_t>(bits));
    if (!std::isnan(value)) {
      EXPECT_EQ(floatToBfloat16(value), bits);
    }
  }
  EXPECT_EQ(floatToBfloat16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(floatToBfloat16(1.0f + 3 * 0x1p-8f), 0x3f82);
  EXPECT_TRUE(std::isnan(bfloat16ToFloat(floatToBfloat16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_EQ(floatToBfloat16(std::numeric_limits<float>::max()), 0x7f80);
}

}  // namespace
}  // namespace shardwright
