#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/random/case_generator.h"
#include "tests/random/case_runner.h"

namespace shardwright {
namespace {

constexpr char kUsage[] = R"(Random graphs under random annotations: sharded they compute what they compute whole.
  --seed=N      the first case of either kind (default 1)
  --count=N     how many of each kind (default 300 sharded ones, or 3000 where SHARDWRIGHT_FULL is set; 100 scheduled ones, or 1000)
  --case=FILE   that case alone, from the text that a failure prints
  --verbose     prints refusals
  --print       prints the scheduled cases alone
  --keep=DIR    keeps the models with inputs and outputs in DIR/0, DIR/1, …
)";

struct Options {
  uint64_t seed = 1;
  int count = 0;  // 0: the default
  std::string file, keep;
  bool verbose = false, print = false;
} options;

const char* verdictText(Verdict verdict) {
  switch (verdict) {
    case Verdict::kEqual:
      return "equal";
    case Verdict::kEqualButForRefusals:
      return "equal but for refusals";
    case Verdict::kWholeFails:
      return "fails without a mesh";
    case Verdict::kShardedFails:
      return "fails on the mesh";
    case Verdict::kDiffers:
      return "differs on the mesh";
    case Verdict::kCrashes:
      return "crashes";
    case Verdict::kHangs:
      return "hangs";
  }
  return "";
}

constexpr int kMaxMinimized = 5;  // of many failures most are the same

StatusOr<RandomCase> readCase(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return userError(path + " cannot be read");
  return RandomCase::parse(text.str());
}

TEST(RandomGraphs, cases_that_failed_once) {
  std::vector<std::string> paths = {options.file};
  if (options.file.empty()) {
    paths.clear();
    for (const auto& entry : std::filesystem::directory_iterator(SHARDWRIGHT_SOURCE_DIR "/tests/random/cases"))
      paths.push_back(entry.path());
  }
  for (const std::string& path : paths) {
    const auto made = readCase(path);
    ASSERT_TRUE(made.ok()) << path << ": " << made.status().message();
    // One that was asked for runs here, where a debugger sees it.
    const Outcome outcome = options.file.empty() ? runIsolated(*made) : runCase(*made, options.keep);
    EXPECT_TRUE(outcome.isGood()) << path << " " << verdictText(outcome.verdict) << ": " << outcome.message;
  }
}

TEST(RandomGraphs, text_of_a_case_says_it_all) {
  for (CaseKind kind : {CaseKind::kSharded, CaseKind::kScheduled})
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      const RandomCase made = randomCase(seed, kind);
      const auto parsed = RandomCase::parse(made.str());
      ASSERT_TRUE(parsed.ok()) << parsed.status().message();
      EXPECT_EQ(parsed->str(), made.str());
      EXPECT_EQ(*parsed->model(), *made.model());
      EXPECT_EQ(parsed->spec(), made.spec());
    }
}

// Runs cases of one kind; how many of them held something that was refused.
int expectEqual(CaseKind kind, int count) {
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(options.seed),
              static_cast<unsigned long long>(options.seed + static_cast<uint64_t>(count) - 1));
  std::vector<RandomCase> cases;
  for (int i = 0; i < count; ++i) cases.push_back(randomCase(options.seed + static_cast<uint64_t>(i), kind));
  std::map<size_t, Outcome> failed;
  std::map<size_t, std::string> refused;
  Isolation isolation;
  isolation.numAtOnce = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  isolation.keep = options.keep;
  runIsolated(cases, isolation, [&](size_t i, const Outcome& outcome) {
    if (!outcome.isGood()) {
      failed[i] = outcome;
      std::printf("seed %llu %s\n", static_cast<unsigned long long>(options.seed + i), verdictText(outcome.verdict));
      std::fflush(stdout);  // long before it is minimised
    }
    if (outcome.verdict == Verdict::kEqualButForRefusals) refused[i] = outcome.message;
  });
  int numMinimized = 0;
  for (const auto& [i, outcome] : failed) {
    const uint64_t seed = options.seed + i;
    if (numMinimized++ >= kMaxMinimized) {
      ADD_FAILURE() << "seed " << seed << " " << verdictText(outcome.verdict) << ": " << outcome.message;
      continue;
    }
    const RandomCase small = minimize(cases[i], outcome);
    ADD_FAILURE() << "seed " << seed << " " << verdictText(outcome.verdict) << ": " << outcome.message
                  << "\nsmallest case, to be run with --case=FILE: " << runIsolated(small).message << "\n"
                  << small.str();
  }
  if (options.verbose)
    for (const auto& [i, refusals] : refused)
      std::printf("seed %llu refused: %s", static_cast<unsigned long long>(options.seed + i), refusals.c_str());
  std::printf("%zu of %d cases held something that was refused\n", refused.size(), count);
  return static_cast<int>(refused.size());
}

int countOr(int usual, int full) {
  return options.count > 0 ? options.count : std::getenv("SHARDWRIGHT_FULL") ? full : usual;
}

TEST(RandomGraphs, sharded_equals_whole) { expectEqual(CaseKind::kSharded, countOr(300, 3000)); }

TEST(RandomGraphs, scheduled_equals_whole) {
  const int count = countOr(100, 1000);
  // Cases are to test what runs.
  EXPECT_LE(expectEqual(CaseKind::kScheduled, count), std::max(1, count * 15 / 100));
}

}  // namespace
}  // namespace shardwright

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  using shardwright::options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string key = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (key == "--seed")
      options.seed = std::strtoull(value.c_str(), nullptr, 10);
    else if (key == "--count")
      options.count = std::atoi(value.c_str());
    else if (key == "--case")
      options.file = value;
    else if (key == "--keep")
      options.keep = value;
    else if (key == "--print")
      options.print = true;
    else if (key == "--verbose")
      options.verbose = true;
    else
      return std::fputs(shardwright::kUsage, stderr), 2;
  }
  for (int i = 0; options.print && i < std::max(1, options.count); ++i) {
    const uint64_t seed = options.seed + static_cast<uint64_t>(i);
    std::printf("# %llu\n%s", static_cast<unsigned long long>(seed),
                shardwright::randomCase(seed, shardwright::CaseKind::kScheduled).str().c_str());
  }
  if (options.print) return 0;
  if (!options.file.empty()) testing::GTEST_FLAG(filter) = "RandomGraphs.cases_that_failed_once";
  return RUN_ALL_TESTS();
}
