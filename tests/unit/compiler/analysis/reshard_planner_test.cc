#include "compiler/analysis/reshard_planner.h"

#include <gtest/gtest.h>

#include "compiler/analysis/reshard_moves.h"
#include "compiler/target/cost_model.h"

namespace shardwright {
namespace {

class ReshardPlanning : public ::testing::Test {
 protected:
  void on(const char* mesh, Exprs tensor, Bindings sizes = {}) {
    dims = std::move(tensor);
    planner = std::make_unique<ReshardPlanner>(*Mesh::parse(mesh), facts, sizes, machine);
  }
  Sharding form(const char* text) {
    StatusOr<Sharding> s = parseSharding(text, planner->mesh());
    EXPECT_TRUE(s.ok()) << s.status().message();
    Status valid = validate(*s, dims, planner->mesh(), facts);
    EXPECT_TRUE(valid.ok()) << valid.message();
    return canonical(*s, dims, facts);
  }
  std::string steps(const char* from, const char* to) {
    return str(planner->plan(dims, DType::kFloat32, form(from), form(to)), planner->mesh());
  }
  double seconds(const char* from, const char* to) {
    return planner->seconds(dims, DType::kFloat32, form(from), form(to));
  }

  Facts facts;
  Machine machine = *builtInMachine("cpu");
  Exprs dims;
  std::unique_ptr<ReshardPlanner> planner;
};

TEST_F(ReshardPlanning, oneAxisTakesOneStep) {
  on("tp=4", {1024, 768});
  EXPECT_EQ(steps("[_, 768{tp}]", "[_, 768{tp}]"), "");
  EXPECT_EQ(steps("[_, _] partial=sum{tp}", "[_, _]"), "all-reduce{tp}");
  EXPECT_EQ(steps("[_, _] partial=sum{tp}", "[_, 768{tp}]"), "reduce-scatter{tp}");
  EXPECT_EQ(steps("[_, _] partial=sum{tp}", "[_, 768{tp}/6]"), "reduce-scatter{tp}");
  EXPECT_EQ(steps("[_, _] partial=sum{tp}", "[_, 3*256{tp}]"), "reduce-scatter{tp}");
  EXPECT_EQ(steps("[1024{tp}, _]", "[_, 768{tp}]"), "all-to-all{tp}");
  EXPECT_EQ(steps("[1024{tp}, _]", "[_, _]"), "all-gather{tp}");
  EXPECT_EQ(steps("[_, _]", "[_, 768{tp}]"), "slice{tp}");
  EXPECT_EQ(steps("[_, _]", "[_, _] partial=sum{tp}"), "mask{tp}");
  EXPECT_EQ(steps("[_, 768{tp}/6]", "[_, 768{tp}]"), "all-gather{tp} slice{tp}");
  EXPECT_EQ(steps("[_, 4*192{tp}]", "[_, 768{tp}]"), "all-to-all{tp}");
  EXPECT_EQ(steps("[_, 3*256{tp}]", "[_, 768{tp}]"), "all-gather{tp} slice{tp}");
  EXPECT_EQ(steps("[_, _] partial=max{tp}", "[_, _] partial=sum{tp}"), "all-reduce{tp} mask{tp}");
}

TEST_F(ReshardPlanning, axesAreTreatedTogetherWhereTheyLieTogether) {
  on("dp=2,tp=4", {1024, 768});
  EXPECT_EQ(steps("[_, _] partial=sum{dp,tp}", "[_, _]"), "all-reduce{dp,tp}");
  EXPECT_EQ(steps("[1024{dp,tp}, _]", "[_, _]"), "all-gather{dp,tp}");
  EXPECT_EQ(steps("[1024{dp,tp}, _]", "[1024{dp}, _]"), "all-gather{tp}");
  EXPECT_EQ(steps("[1024{dp,tp}, _]", "[_, 768{dp,tp}]"), "all-to-all{dp,tp}");
  EXPECT_EQ(steps("[_, _] partial=sum{dp,tp}", "[1024{dp,tp}, _]"), "reduce-scatter{dp,tp}");
  EXPECT_EQ(steps("[_, _]", "[1024{dp}, 768{tp}]"), "slice{dp} slice{tp}");
}

TEST_F(ReshardPlanning, smallerTensorsAreMovedFirst) {
  on("dp=2,tp=4", {1024, 768});
  EXPECT_EQ(steps("[1024{dp}, _] partial=sum{tp}", "[_, 768{tp}]"), "reduce-scatter{tp} all-gather{dp}");
  EXPECT_EQ(steps("[_, 768{tp}]", "[1024{dp}, _]"), "slice{dp} all-gather{tp}");
  EXPECT_EQ(steps("[1024{dp}, 768{tp}]", "[_, 768{dp}]"), "all-to-all{dp} permute{tp,dp} all-gather{tp}");
}

TEST_F(ReshardPlanning, ranksThatOnlyChangePlacesPermute) {
  on("a=2,b=2", {1024, 768});
  EXPECT_EQ(steps("[1024{a}, 768{b}]", "[1024{b}, 768{a}]"), "permute{a,b}");
  EXPECT_EQ(steps("[1024{a}, _]", "[1024{b}, _]"), "permute{a,b}");
  EXPECT_EQ(steps("[1024{a,b}, _]", "[1024{b,a}, _]"), "permute{a,b}");
  EXPECT_EQ(steps("[1024{a,b}, _]", "[1024{b}, _]"), "permute{a,b} all-gather{a}");
}

TEST_F(ReshardPlanning, subAxesOfGroupedHeads) {
  on("tp=4", {512, 128});
  EXPECT_EQ(steps("[512{tp:(1)2}, _]", "[512{tp}, _]"), "slice{tp:(2)2}");
  EXPECT_EQ(steps("[512{tp}, _]", "[512{tp:(1)2}, _]"), "all-gather{tp:(2)2}");
  EXPECT_EQ(steps("[512{tp}, _]", "[512{tp:(1)2}, 128{tp:(2)2}]"), "all-to-all{tp:(2)2}");
}

TEST_F(ReshardPlanning, mergedDimsKeepWhatIsSplitRight) {
  Expr batch = Expr::symbol("batch");
  on("dp=2,tp=2", {batch * Expr(12), 64}, {{"batch", 3}});
  EXPECT_EQ(steps("[batch{dp}/batch*12{tp}, _]", "[batch{dp}/batch*12, _]"), "all-gather{tp}");
  EXPECT_EQ(steps("[batch{dp}/batch*12, _]", "[batch*12{tp}, _]"), "slice{tp} all-gather{dp}");
  EXPECT_EQ(steps("[batch{dp}/batch*12, _]", "[batch*12{dp}, _]"), "all-to-all{dp}");
}

TEST_F(ReshardPlanning, costsAreThoseOfTheCollective) {
  on("tp=4", {1024, 768});
  double bytes = 1024 * 768 * 4;
  EXPECT_NEAR(seconds("[_, _] partial=sum{tp}", "[_, _]"),
              collectiveSeconds(machine, CollectiveCost::kAllReduce, 4, bytes), 2e-9);
  EXPECT_NEAR(seconds("[_, 768{tp}]", "[_, _]"), collectiveSeconds(machine, CollectiveCost::kAllGather, 4, bytes),
              2e-9);
  EXPECT_NEAR(seconds("[_, 768{tp}]", "[1024{tp}, _]"),
              collectiveSeconds(machine, CollectiveCost::kAllToAll, 4, bytes / 4), 2e-9);
  EXPECT_LT(seconds("[_, _]", "[1024{tp}, _]"), 1e-8);
  EXPECT_EQ(seconds("[_, _]", "[_, _]"), 0);
}

// What moves leave out must not be what a cheaper way needs.
TEST_F(ReshardPlanning, plansAreNoDearerThanThroughAnyMiddle) {
  on("a=2,b=3", {60, 84});
  const char* texts[] = {"[_, _]",
                         "[60{a}, _]",
                         "[60{b}, _]",
                         "[60{a,b}, _]",
                         "[60{b,a}, _]",
                         "[_, 84{a}]",
                         "[_, 84{b}]",
                         "[_, 84{a,b}]",
                         "[_, 84{b,a}]",
                         "[60{a}, 84{b}]",
                         "[60{b}, 84{a}]",
                         "[60{a}/5, _]",
                         "[_, _] partial=sum{a}",
                         "[_, _] partial=sum{b}",
                         "[_, _] partial=sum{a,b}",
                         "[60{a}, _] partial=sum{b}"};
  for (const char* from : texts)
    for (const char* to : texts)
      for (const char* middle : texts)
        EXPECT_LE(seconds(from, to), seconds(from, middle) + seconds(middle, to) + 1e-8)
            << from << " -> " << middle << " (" << steps(from, middle) << ") -> " << to << " (" << steps(middle, to)
            << "), directly " << steps(from, to);
}

TEST_F(ReshardPlanning, dimsAreCutAlikeOrNotAtAll) {
  on("dp=2,tp=2", {768});
  auto factors = [&](const char* a, const char* b) {
    AlignedDim d = align(form(a).dims[0], form(b).dims[0], 768);
    Sharding x, y;
    x.dims.emplace_back().factors.assign(d.a.begin(), d.a.end());
    y.dims.emplace_back().factors.assign(d.b.begin(), d.b.end());
    return (d.aligned ? "" : "not: ") + str(x, planner->mesh()) + " " + str(y, planner->mesh());
  };
  EXPECT_EQ(factors("[_]", "[_]"), "[768] [768]");
  EXPECT_EQ(factors("[768{tp}/12]", "[_]"), "[768{tp}] [768]");
  EXPECT_EQ(factors("[768{dp,tp}]", "[2*384{tp}]"), "[2{dp}*384{tp}] [2*384{tp}]");
  EXPECT_EQ(factors("[768{tp}]", "[12*64{dp}]"), "[12{tp}*64] [12*64{dp}]");
  EXPECT_EQ(factors("[3*256{tp}]", "[768{tp}]"), "not: [3*256{tp}] [_]");
}

}  // namespace
}  // namespace shardwright
