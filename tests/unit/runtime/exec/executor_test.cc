#include "runtime/exec/executor.h"

#include <fstream>

#include "tests/unit/runtime/exec/run_ranks.h"
#include "tests/unit/runtime/exec/two_layer_plan.h"

namespace shardwright {
namespace {

void expectOk(const std::vector<Status>& all) {
  for (const Status& status : all) EXPECT_TRUE(status.ok()) << status.message();
}

TEST(Executor, a_matmul_split_by_columns_then_rows_equals_the_whole) {
  for (int64_t tp : {1, 2, 3}) {
    std::string folder = testFolder();
    TwoLayerPlan built(folder, tp);
    std::vector<int64_t> batches = {3, 1, 5, 3};
    std::vector<std::vector<float>> x, y;
    for (int64_t batch : batches) {
      x.push_back(TwoLayerPlan::someInput(batch));
      y.emplace_back(static_cast<size_t>(batch * 5), -77.0f);
    }
    expectOk(runRanks(built.plan, folder, [&](Executor& executor, World& world) {
      for (size_t i = 0; i < batches.size(); ++i) {
        const void* inputs[] = {x[i].data()};
        void* outputs[] = {y[i].data()};
        Status run = executor.run(0, {batches[i]}, inputs, outputs);
        ASSERT_TRUE(run.ok()) << run.message();
      }
      EXPECT_EQ(executor.stats().collectiveBytes[0], 3 * 5 * 4);
      EXPECT_GT(executor.stats().temporaryBytes, 0);
      int64_t mine = 7 * (world.rank() + 1) / tp - 7 * world.rank() / tp;
      EXPECT_EQ(executor.stats().weightBytes, (4 + 5) * mine * 4);
    }));
    for (size_t i = 0; i < batches.size(); ++i)
      EXPECT_EQ(y[i], TwoLayerPlan::expected(x[i], batches[i])) << "tp " << tp;
  }
}

TEST(Executor, more_sets_of_sizes_than_are_kept) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 2);
  std::vector<float> x = TwoLayerPlan::someInput(40);
  std::vector<std::vector<float>> y(41);
  for (size_t batch = 0; batch <= 40; ++batch) y[batch].resize(batch * 5);
  expectOk(runRanks(built.plan, folder, [&](Executor& executor, World&) {
    for (int64_t batch = 0; batch <= 40; ++batch) {
      const void* inputs[] = {x.data()};
      void* outputs[] = {y[static_cast<size_t>(batch)].data()};
      ASSERT_TRUE(executor.run(0, {batch}, inputs, outputs).ok());
    }
  }));
  for (size_t batch = 0; batch <= 40; ++batch) {
    EXPECT_EQ(y[batch], TwoLayerPlan::expected(x, static_cast<int64_t>(batch)));
  }
}

TEST(Executor, a_flipped_byte_of_a_weight_file_is_refused_by_name) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 2);
  std::string path = folder + "/weights/rows-1.safetensors";
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-3, std::ios::end);
    char byte = static_cast<char>(file.get());
    file.seekp(-3, std::ios::end);
    file.put(static_cast<char>(byte ^ 0x10));
  }
  auto loaded = runRanks(built.plan, folder, [](Executor&, World&) {});
  EXPECT_TRUE(loaded[0].ok()) << loaded[0].message();
  EXPECT_EQ(loaded[1].code(), StatusCode::kUserError);
  EXPECT_NE(loaded[1].message().find("rank 1 (tp=1)"), std::string::npos) << loaded[1].message();
  EXPECT_NE(loaded[1].message().find("rows-1.safetensors: tensor 'W' is damaged"), std::string::npos)
      << loaded[1].message();
}

TEST(Executor, a_missing_weight_file_is_named) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 2);
  std::filesystem::remove(folder + "/weights/columns-0.safetensors");
  auto loaded = runRanks(built.plan, folder, [](Executor&, World&) {});
  EXPECT_NE(loaded[0].message().find("columns-0.safetensors"), std::string::npos) << loaded[0].message();
}

TEST(Executor, an_unknown_kernel_is_named_with_its_step) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 1);
  built.plan.mutable_programs(0)->mutable_steps(1)->mutable_kernel()->set_kernel("teleport");
  auto loaded = runRanks(built.plan, folder, [](Executor&, World&) {});
  EXPECT_EQ(loaded[0].code(), StatusCode::kUserError);
  EXPECT_NE(loaded[0].message().find("step second (node /node/second)"), std::string::npos) << loaded[0].message();
  EXPECT_NE(loaded[0].message().find("teleport"), std::string::npos);
}

TEST(Executor, a_view_that_leaves_its_buffer_is_refused) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 1);
  auto* view = built.plan.mutable_programs(0)->mutable_steps(3)->mutable_kernel()->mutable_outputs(0);
  view->set_offset(built.expr("1"));
  expectOk(runRanks(built.plan, folder, [&](Executor& executor, World&) {
    std::vector<float> x = TwoLayerPlan::someInput(2), y(10);
    const void* inputs[] = {x.data()};
    void* outputs[] = {y.data()};
    Status run = executor.run(0, {2}, inputs, outputs);
    EXPECT_EQ(run.code(), StatusCode::kInternal);
    EXPECT_NE(run.message().find("leaves its buffer of 10 elements"), std::string::npos) << run.message();
  }));
}

TEST(Executor, a_rank_that_never_comes_is_named_with_step_and_tensor) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 2);
  expectOk(runRanks(built.plan, folder, [&](Executor& executor, World& world) {
    world.setDeadline(std::chrono::milliseconds(50));
    if (world.rank() == 1) return;
    std::vector<float> x = TwoLayerPlan::someInput(2), y(10);
    const void* inputs[] = {x.data()};
    void* outputs[] = {y.data()};
    Status run = executor.run(0, {2}, inputs, outputs);
    EXPECT_EQ(run.code(), StatusCode::kEnvironment);
    for (const char* part : {"rank 0 (tp=0)", "step sum (node /node/sum)", "tensor 'y'", "rank 1 has not come"}) {
      EXPECT_NE(run.message().find(part), std::string::npos) << run.message();
    }
  }));
}

}  // namespace
}  // namespace shardwright
