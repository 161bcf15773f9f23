#include "runtime/plan/report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "runtime/base/crc32c.h"
#include "runtime/base/file.h"
#include "runtime/base/safetensors.h"
#include "runtime/plan/plan_files.h"
#include "runtime/plan/plan_io.h"

namespace shardwright {
namespace {

plan::Plan planFrom(const std::string& name) {
  return *parsePlanText(*readWholeFile(SHARDWRIGHT_SOURCE_DIR "/tests/unit/runtime/plan/plans/" + name + ".textproto"));
}

TEST(Report, numbers_are_those_of_the_plan_at_the_assumed_sizes) {
  StatusOr<PlanReport> report = reportPlan(planFrom("decoder"), "");
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->entry, "prefill");
  ASSERT_EQ(report->ranks.size(), 4u);
  // w1 [6, 5] and the scaled bias [6] in float32; state [2, 128, 6].
  EXPECT_EQ(report->ranks[3].memory.weightBytes, (30 + 6) * 4);
  EXPECT_EQ(report->ranks[3].memory.stateBytes, 2 * 128 * 6 * 4);
  // h is 10 rows of 5, its successor 10 of 6; both alive at step 1.
  EXPECT_EQ(report->ranks[3].memory.peakBytes, 256 + 256);
  EXPECT_EQ(report->ranks[3].memory.lowerBoundBytes, 512);
  EXPECT_EQ(report->ranks[2].coordinates, (std::map<std::string, int64_t>{{"dp", 1}, {"tp", 0}}));
  ASSERT_EQ(report->stages.size(), 1u);
  EXPECT_EQ(report->stages[0].collectives["all-reduce"].count, 1);
  EXPECT_EQ(report->stages[0].collectives["all-reduce"].bytes, 10 * 6 * 4);
  EXPECT_EQ(report->inputs[0].sharding, (std::vector<std::vector<std::string>>{{"dp"}, {}, {}}));
}

TEST(Report, each_stage_counts_its_own_collectives_for_all_microbatches) {
  StatusOr<PlanReport> report = reportPlan(planFrom("pipeline"), "main");
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->stages.size(), 2u);
  EXPECT_EQ(report->stages[0].collectives["all-gather"].count, 2);
  EXPECT_EQ(report->stages[0].collectives["all-gather"].bytes, 2 * 4 * 7 * 4);
  EXPECT_EQ(report->stages[1].collectives.size(), 4u);
  EXPECT_EQ(report->stages[1].programs, (std::vector<std::string>{"second", "second.backward"}));
  EXPECT_EQ(reportPlan(planFrom("pipeline"), "train").status().code(), StatusCode::kUserError);
}

TEST(Report, an_entry_counts_what_its_calls_hold) {
  StatusOr<PlanReport> report = reportPlan(planFrom("decoder"), "decode");
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->stages[0].programs, (std::vector<std::string>{"decode", "then", "else", "body"}));
}

TEST(Report, json_has_the_keys_that_others_read) {
  StatusOr<PlanReport> report = reportPlan(planFrom("decoder"), "");
  nlohmann::json json = nlohmann::json::parse(reportJson(*report, -1));
  EXPECT_EQ(json["mesh"]["tp"], 2);
  EXPECT_EQ(json["stages"], 1);
  EXPECT_EQ(json["inputs"][0]["shape"], (nlohmann::json{"batch", "seq", 6}));
  EXPECT_EQ(json["inputs"][0]["sharding"][0][0], "dp");
  EXPECT_EQ(json["ranks"][1]["weightBytes"], 144);
  EXPECT_EQ(json["ranks"][1]["peakBytes"], 512);
  EXPECT_EQ(json["memoryLimit"], 8192);
  EXPECT_EQ(json["collectives"][0]["all-reduce"]["count"], 1);
  nlohmann::json reduce = json["steps"][0][2];
  EXPECT_EQ(reduce["kind"], "collective");
  EXPECT_EQ(reduce["op"], "all-reduce");
  EXPECT_EQ(reduce["axes"][0], "tp");
  EXPECT_EQ(reduce["node"][0], "MatMul_3");
  EXPECT_EQ(reduce["bytes"], 240);
  EXPECT_EQ(json["predictedSeconds"], 0.001);
  EXPECT_EQ(nlohmann::json::parse(reportJson(*report, 2))["ranks"].size(), 1u);
}

TEST(Report, text_shows_ports_ranks_and_collectives) {
  StatusOr<PlanReport> report = reportPlan(planFrom("decoder"), "");
  std::string text = reportText(*report, -1, StepListing::kListed);
  for (const char* part : {"dp=2, tp=2: 4 ranks", "x  float32[batch, seq, 6]  split [dp, _, _]", "1 all-reduce",
                           "reduce  over tp  240 B  (MatMul_3)", "144 B"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  EXPECT_EQ(reportText(*report, 0, StepListing::kLeftOut).find("MatMul_3"), std::string::npos);
}

TEST(PlanFiles, damage_in_any_file_is_named) {
  std::string folder = std::filesystem::temp_directory_path() / ("sw_plan_files_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder + "/weights");
  plan::Plan plan = planFrom("decoder");
  std::string data(240, 'w');
  for (int k = 0; k < 2; ++k) {
    StatusOr<SafetensorsWriter> writer =
        SafetensorsWriter::create(folder + "/weights/tp-" + std::to_string(k) + ".safetensors",
                                  {{"w1", DType::kFloat32, {6, 5}}, {"w2", DType::kFloat32, {5, 6}}});
    ASSERT_TRUE(writer->append(data.data(), 240).ok());
    ASSERT_TRUE(writer->finish().ok());
    for (int c = 0; c < 2; ++c) plan.mutable_constants(c)->set_crc32c(k, writer->checksums()[static_cast<size_t>(c)]);
  }
  plan.mutable_constants(2)->set_crc32c(0, crc32c(plan.constants(2).inline_data()));
  ASSERT_TRUE(writeFileAtomically(folder + "/code.so", "native").ok());
  plan.mutable_sections(0)->set_bytes(6);
  plan.mutable_sections(0)->set_crc32c(crc32c("native"));
  EXPECT_EQ(damagedFiles(folder, plan), std::vector<std::string>());
  std::string path = folder + "/weights/tp-1.safetensors", bytes = *readWholeFile(path);
  bytes[bytes.size() - 5] = 'x';
  ASSERT_TRUE(writeFileAtomically(path, bytes).ok());
  ASSERT_TRUE(writeFileAtomically(folder + "/code.so", "nativE").ok());
  std::vector<std::string> damaged = damagedFiles(folder, plan);
  ASSERT_EQ(damaged.size(), 2u);
  EXPECT_NE(damaged[0].find("code.so"), std::string::npos);
  EXPECT_NE(damaged[1].find("tp-1.safetensors: tensor \"w2\""), std::string::npos);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shardwright
