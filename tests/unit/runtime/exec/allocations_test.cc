// From the second run with the same sizes on, nothing of ours allocates on a rank's thread. Allocations are counted where
// the C library makes them. Compiled plans are counted by tests/e2e/steady_state_test.py.
#include <atomic>

#include "tests/unit/runtime/exec/interposed_malloc.h"
#include "tests/unit/runtime/exec/run_ranks.h"
#include "tests/unit/runtime/exec/two_layer_plan.h"

namespace {

thread_local bool isCounted = false;
std::atomic<int64_t> numAllocations{0};

}  // namespace

void shardwright::onAllocation() {
  if (isCounted) numAllocations.fetch_add(1);
}

namespace shardwright {
namespace {

// Allocations on the ranks' threads of `runs` runs, after two others.
int64_t allocationsOf(const plan::Plan& plan, const std::string& folder, int runs, bool alternateSizes) {
  numAllocations = 0;
  auto loaded = runRanks(plan, folder, [&](Executor& executor, World&) {
    std::vector<float> x = TwoLayerPlan::someInput(60), y(300);
    const void* inputs[] = {x.data()};
    void* outputs[] = {y.data()};
    std::vector<int64_t> large = {60}, small = {7};
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(executor.run(0, i % 2 ? small : large, inputs, outputs).ok());
    isCounted = true;
    for (int i = 0; i < runs; ++i) {
      EXPECT_TRUE(executor.run(0, alternateSizes && i % 2 ? small : large, inputs, outputs).ok());
    }
    isCounted = false;
  });
  for (const Status& status : loaded) EXPECT_TRUE(status.ok()) << status.message();
  return numAllocations;
}

TEST(Allocations, are_counted) {
  if (!SHARDWRIGHT_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns the allocator";
  numAllocations = 0;
  isCounted = true;
  auto* value = new std::vector<int>(3);
  isCounted = false;
  EXPECT_EQ(numAllocations, 2);
  delete value;
}

// Copies, a small all-reduce and a large one; the kernels' own libraries are left out.
TEST(Allocations, none_in_steady_state_with_sizes_seen_before) {
  if (!SHARDWRIGHT_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns the allocator";
  PlanBuilder p;
  p.axis("tp", 2);
  p.group({0});
  p.symbol("batch", 64);
  uint32_t x = p.input("x", DType::kFloat32, {"batch", "4"}), y = p.output("y", DType::kFloat32, {"batch", "4"});
  auto* main = p.program("main");
  uint32_t in = p.buffer(main, "x", plan::Buffer::INPUT, DType::kFloat32, "4*batch", x, 0, 3);
  uint32_t wide = p.buffer(main, "wide", plan::Buffer::TEMPORARY, DType::kFloat32, "400*batch", 0, 0, 3);
  uint32_t out = p.buffer(main, "y", plan::Buffer::OUTPUT, DType::kFloat32, "4*batch", y, 0, 3);
  plan::View all = p.view(main, wide, {"100", "batch", "4"}), some = p.view(main, wide, {"batch", "4"});
  p.kernel(main, "copy", "repeat", {p.view(main, in, {"100", "batch", "4"}, "0", {"0", "4", "1"})}, {all});
  p.collective(main, plan::CollectiveStep::ALL_REDUCE, "large", 0, all, all);
  p.collective(main, plan::CollectiveStep::ALL_REDUCE, "small", 0, some, some);
  p.kernel(main, "copy", "write", {some}, {p.view(main, out, {"batch", "4"})});
  p.entry("main", 0);
  EXPECT_EQ(allocationsOf(p.plan, ".", 10, false), 0);
  EXPECT_EQ(allocationsOf(p.plan, ".", 10, true), 0);
}

// However far a sender gets ahead of its receiver, who kept up with it before.
TEST(Allocations, none_of_messages_once_one_as_large_was_sent) {
  if (!SHARDWRIGHT_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns the allocator";
  LocalFabric fabric(1);
  std::unique_ptr<World> world = fabric.world(0);
  world->expectMessages(5);
  std::vector<float> values(60, 2.5f), received(60);
  auto floats = [](std::vector<float>& of, int64_t count) {
    StridedBlock block;
    block.data = of.data(), block.rank = 1, block.dims[0] = count, block.strides[0] = 1;
    return block;
  };
  auto exchange = [&](const std::vector<int64_t>& counts) {
    for (int64_t count : counts) EXPECT_TRUE(world->send(0, 3, floats(values, count), DType::kFloat32, "h").ok());
    for (int64_t count : counts) {
      EXPECT_TRUE(world->receive(0, 3, floats(received, count), DType::kFloat32, "h").ok());
      EXPECT_EQ(received[static_cast<size_t>(count - 1)], 2.5f);
    }
  };
  exchange({7, 60});
  numAllocations = 0;
  for (const std::vector<int64_t>& counts : {std::vector<int64_t>{60, 7, 60, 60, 7}, {60, 60, 60, 60, 60}}) {
    isCounted = true;
    exchange(counts);
    isCounted = false;
  }
  EXPECT_EQ(numAllocations, 0);
}

// oneDNN allocates five or six small blocks per execution; nothing else does.
TEST(Allocations, of_a_matmul_are_the_librarys_alone) {
  if (!SHARDWRIGHT_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns the allocator";
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 2);
  constexpr int kRuns = 10, kMatmuls = 2, kRanks = 2;
  EXPECT_LE(allocationsOf(built.plan, folder, kRuns, true), 6 * kRuns * kMatmuls * kRanks);
}

}  // namespace
}  // namespace shardwright
