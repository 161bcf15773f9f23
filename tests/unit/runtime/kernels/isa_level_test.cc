#include <cstdlib>
#include <string>

#include "runtime/kernels/multiversion.h"
#include "tests/unit/runtime/kernels/kernel_harness.h"

namespace shardwright {
namespace {

// Runs before any test: SHARDWRIGHT_TEST_ISA is "avx2" or "baseline" where ctest runs this program once more.
class LimitIsa : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* wanted = std::getenv("SHARDWRIGHT_TEST_ISA");
    if (wanted == nullptr) return;
    limitIsaLevel(std::string(wanted) == "avx2" ? IsaLevel::kAvx2 : IsaLevel::kBaseline);
  }
};

const ::testing::Environment* const kLimit = ::testing::AddGlobalTestEnvironment(new LimitIsa);

TEST(IsaLevel, is_limited_where_the_environment_says_so) {
  const char* wanted = std::getenv("SHARDWRIGHT_TEST_ISA");
  if (wanted == nullptr) GTEST_SKIP() << "not limited";
  EXPECT_LE(isaLevel(), std::string(wanted) == "avx2" ? IsaLevel::kAvx2 : IsaLevel::kBaseline);
}

}  // namespace
}  // namespace shardwright
