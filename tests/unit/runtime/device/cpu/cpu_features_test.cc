#include "runtime/device/cpu/cpu_features.h"

#include <gtest/gtest.h>

namespace shardwright {
namespace {

const char* kText =
    "processor\t: 0\nflags\t\t: fpu pni sse4_1 sse4_2 abm bmi1 avx2 avx512_vbmi2 amx_tile lm\n\n"
    "processor\t: 1\nflags\t\t: fpu made_up\n";

TEST(CpuFeatures, llvm_names_are_found_among_kernel_names) {
  auto flags = cpuFlags(kText);
  EXPECT_TRUE(missingCpuFeatures({"sse3", "sse4.1", "lzcnt", "bmi", "avx2", "avx512vbmi2", "amx-tile", "64bit"}, flags)
                  .empty());
}

TEST(CpuFeatures, what_is_lacking_is_named_in_order) {
  EXPECT_EQ(missingCpuFeatures({"fma", "avx2", "made_up", "avx512f"}, cpuFlags(kText)),
            (std::vector<std::string>{"fma", "made_up", "avx512f"}));
}

TEST(CpuFeatures, this_machine_has_flags_and_cpus) {
  EXPECT_FALSE(hostCpuFlags().empty());
  EXPECT_FALSE(usableCpus().empty());
  EXPECT_EQ(missingCpuFeatures({}, {}).size(), 0u);
}

}  // namespace
}  // namespace shardwright
