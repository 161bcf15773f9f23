#include "compiler/emit/predict.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "compiler/target/cost_model.h"

namespace shardwright {
namespace {

// Stage 0 multiplies 6 x 5 and sends it, stage 1 combines it over tp; two microbatches.
constexpr char kPlan[] = R"pb(
  version: 1
  exprs: "0"
  exprs: "1"
  exprs: "batch.part"
  exprs: "5"
  exprs: "@tp + 3"
  exprs: "@tp"
  symbols { name: "batch" min: 0 max: 99 divisor: 1 assumed: 12 }
  symbols { name: "batch.part" min: 0 max: 99 divisor: 1 assumed: 6 part_of: "batch" }
  mesh {
    axes { name: "pp" size: 2 }
    axes { name: "tp" size: 3 }
  }
  groups { axes { axis: 1 pre: 1 size: 3 } }
  programs {
    name: "main_0"
    buffers { name: "x" dtype: 1 count: 3 }
    buffers { name: "y" dtype: 1 count: 3 }
    steps {
      name: "product"
      kernel {
        kernel: "matmul"
        inputs { buffer: 0 dims: 2 dims: 3 strides: 3 strides: 1 dtype: 1 }
        inputs { buffer: 0 dims: 2 dims: 3 strides: 0 strides: 1 dtype: 1 }
        outputs { buffer: 1 dims: 2 dims: 3 strides: 3 strides: 1 dtype: 1 }
      }
    }
    steps {
      name: "send"
      transfer {
        send: true
        peer: 4
        view { buffer: 1 dims: 2 dims: 3 strides: 3 strides: 1 dtype: 1 }
      }
    }
    steps {
      name: "never"
      guard: 1
      kernel {
        kernel: "copy"
        outputs { buffer: 1 dims: 2 strides: 1 dtype: 1 }
      }
    }
  }
  programs {
    name: "main_1"
    buffers { name: "z" dtype: 1 count: 3 }
    steps {
      name: "sum"
      collective {
        kind: ALL_REDUCE
        group: 0
        combiner: "sum"
        input { buffer: 0 dims: 2 dims: 3 strides: 3 strides: 1 dtype: 1 }
        output { buffer: 0 dims: 2 dims: 3 strides: 3 strides: 1 dtype: 1 }
      }
    }
  }
  entries {
    name: "main"
    microbatches: 2
    microbatch_symbol: "batch"
    stages { chunks: 0 }
    stages { chunks: 1 }
  }
)pb";

TEST(PredictTimes, follow_from_flops_views_and_groups_for_all_microbatches) {
  plan::Plan plan;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(kPlan, &plan));
  Machine machine = *builtInMachine("cpu");
  Status status = predictTimes(plan, {{7e9, 0, 0}, {0}}, machine);
  ASSERT_TRUE(status.ok()) << status.message();
  // What does not move along a dim is read once: 30 + 5 + 30 elements.
  double product = kernelSeconds(machine, DType::kFloat32, 7e9, 4 * (30 + 5 + 30));
  double send = collectiveSeconds(machine, CollectiveCost::kPermute, 2, 4 * 30) / 2;
  double sum = collectiveSeconds(machine, CollectiveCost::kAllReduce, 3, 4 * 30);
  EXPECT_DOUBLE_EQ(plan.programs(0).steps(0).predicted_seconds(), product);
  EXPECT_DOUBLE_EQ(plan.programs(0).steps(1).predicted_seconds(), send);
  EXPECT_EQ(plan.programs(0).steps(2).predicted_seconds(), 0) << "a step that the first rank does not run";
  EXPECT_DOUBLE_EQ(plan.programs(1).steps(0).predicted_seconds(), sum);
  ASSERT_EQ(plan.expected_size(), 2);
  EXPECT_DOUBLE_EQ(plan.expected(0).seconds(), 2 * (product + send));
  EXPECT_DOUBLE_EQ(plan.expected(1).seconds(), 2 * sum);
}

// The collective of the second stage is started, 3 x 5 are multiplied, and it is waited for.
TEST(PredictTimes, of_what_is_under_way_only_the_rest_is_waited_for) {
  plan::Plan plan;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(kPlan, &plan));
  plan::Program& program = *plan.mutable_programs(1);
  program.mutable_steps(0)->set_async(true);
  *program.add_steps() = plan.programs(0).steps(0);
  program.add_steps()->mutable_wait()->set_step(0);
  Machine machine = *builtInMachine("cpu");
  machine.backgroundShare = 0.75;
  CollectiveTime sum = collectiveTime(machine, CollectiveCost::kAllReduce, 3, 4 * 30);
  double all = collectiveSeconds(machine, CollectiveCost::kAllReduce, 3, 4 * 30);
  double moving = all - machine.curve(CollectiveCost::kAllReduce, 3).latencySeconds;
  EXPECT_DOUBLE_EQ(sum.threadSeconds, machine.launchSeconds + 0.25 * moving);
  EXPECT_DOUBLE_EQ(sum.backgroundSeconds, all - sum.threadSeconds);
  double product = kernelSeconds(machine, DType::kFloat32, 0, 4 * (30 + 5 + 30));
  ASSERT_LT(product, sum.backgroundSeconds);
  ASSERT_TRUE(predictTimes(plan, {{0, 0, 0}, {0, 0, 0}}, machine).ok());
  EXPECT_EQ(plan.programs(1).steps(0).predicted_seconds(), 0);
  EXPECT_DOUBLE_EQ(plan.programs(1).steps(1).predicted_seconds(), product);
  EXPECT_DOUBLE_EQ(plan.programs(1).steps(2).predicted_seconds(), all - product);
  // What takes longer than the background hides just that.
  double flops = 3 * sum.backgroundSeconds * machine.flopsPerSecond[DType::kFloat32];
  ASSERT_TRUE(predictTimes(plan, {{0, 0, 0}, {0, flops, 0}}, machine).ok());
  EXPECT_DOUBLE_EQ(plan.programs(1).steps(2).predicted_seconds(), sum.threadSeconds);
}

}  // namespace
}  // namespace shardwright
