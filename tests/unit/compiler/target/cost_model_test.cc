#include "compiler/target/cost_model.h"

#include <gtest/gtest.h>

namespace shardwright {
namespace {

TEST(CostModel, collectives_move_the_textbook_amounts) {
  EXPECT_DOUBLE_EQ(movedBytes(CollectiveCost::kAllReduce, 4, 1000), 1500);
  EXPECT_DOUBLE_EQ(movedBytes(CollectiveCost::kAllGather, 4, 1000), 750);
  EXPECT_DOUBLE_EQ(movedBytes(CollectiveCost::kReduceScatter, 5, 1000), 800);
  EXPECT_DOUBLE_EQ(movedBytes(CollectiveCost::kAllToAll, 2, 1000), 500);
  EXPECT_DOUBLE_EQ(movedBytes(CollectiveCost::kPermute, 3, 1000), 1000);
}

TEST(CostModel, collective_on_the_generic_cpu) {
  Machine machine = *builtInMachine("cpu");
  EXPECT_DOUBLE_EQ(collectiveSeconds(machine, CollectiveCost::kAllReduce, 4, 8e6), 5e-6 + 1.5e-3);
  EXPECT_EQ(collectiveSeconds(machine, CollectiveCost::kAllReduce, 1, 8e6), 0);
  EXPECT_EQ(collectiveSeconds(machine, CollectiveCost::kAllGather, 4, 0), 0);
}

TEST(CostModel, reduce_scatter_and_all_gather_together_cost_one_latency_more_than_all_reduce) {
  Machine machine = *builtInMachine("default_gpu");
  double both = collectiveSeconds(machine, CollectiveCost::kReduceScatter, 8, 3e7) +
                collectiveSeconds(machine, CollectiveCost::kAllGather, 8, 3e7);
  EXPECT_NEAR(both - collectiveSeconds(machine, CollectiveCost::kAllReduce, 8, 3e7), 8e-6, 1e-12);
}

TEST(CostModel, time_never_falls_with_bytes_along_a_steep_curve) {
  Machine machine = *builtInMachine("cpu");
  machine.collectives[0] = {{2, 1e-6, {{100, 1e6}, {3000, 3e7}, {1e6, 1e9}, {2e6, 8e8}}}};
  double last = 0;
  for (double bytes = 1; bytes < 1e8; bytes *= 1.01) {
    double seconds = collectiveSeconds(machine, CollectiveCost::kAllReduce, 2, bytes);
    EXPECT_GE(seconds, last * (1 - 1e-12)) << bytes;
    last = seconds;
  }
}

TEST(CostModel, kernel_takes_the_longer_of_computing_and_moving) {
  Machine machine = *builtInMachine("cpu");
  EXPECT_DOUBLE_EQ(kernelSeconds(machine, DType::kFloat32, 6e10, 1e3), 1 + 2e-6);
  EXPECT_DOUBLE_EQ(kernelSeconds(machine, DType::kFloat32, 10, 2e10), 2 + 2e-6);
  EXPECT_DOUBLE_EQ(kernelSeconds(machine, DType::kFloat64, 3e10, 0), 1 + 2e-6);
  EXPECT_DOUBLE_EQ(kernelSeconds(machine, DType::kInt8, 6e10, 0), 1 + 2e-6) << "float32's rate stands in";
  machine.threadsPerRank = 4;
  EXPECT_DOUBLE_EQ(kernelSeconds(machine, DType::kFloat32, 24e10, 0), 1 + 2e-6);
}

}  // namespace
}  // namespace shardwright
