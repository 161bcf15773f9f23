#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/ops/row.h"
#include "tests/ops/rule_validator.h"
#include "tests/ops/sample_run.h"

namespace shardwright {
namespace {

// Rows that no sample can run, and why.
const std::set<std::string> kNotRun = {
    "Shape",  // a size, folded on import: the lit tests of passes/import
    "Size",   // the same
};

const std::vector<const char*> kMeshes = {"a=2", "a=3", "a=4", "a=2,b=2"};

class Rules : public testing::TestWithParam<RuleSample> {};

TEST_P(Rules, every_split_computes_what_the_whole_does) {
  for (const char* mesh : kMeshes) {
    const StatusOr<RuleValidation> validation = validateRules(GetParam(), mesh);
    ASSERT_TRUE(validation.ok()) << validation.status().message();
    EXPECT_THAT(validation->failures, testing::IsEmpty());
    EXPECT_GT(validation->numVariants, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Samples, Rules, testing::ValuesIn(ruleSamples()),
                         [](const auto& info) { return std::string(info.param.name); });

std::string nameOf(const Row& row) { return std::string(row.domain) + (*row.domain ? "." : "") + row.name; }

TEST(RuleSamples, are_of_every_row) {
  std::set<std::string> named, split;
  const Mesh mesh = *Mesh::parse("a=2");
  for (const RuleSample& sample : ruleSamples()) {
    const auto ops = opsOf(sample);
    ASSERT_TRUE(ops.ok()) << sample.name << ": " << ops.status().message();
    named.insert(ops->begin(), ops->end());
    for (bool isExpanded : {false, true}) {
      const auto context = sampleContext();
      auto module = importSample(*context, sample);
      ASSERT_TRUE(module.ok()) << sample.name << ": " << module.status().message();
      if (isExpanded) expandComposites(**module);
      const auto variants = addVariants(**module, mesh);
      ASSERT_TRUE(variants.ok()) << sample.name << ": " << variants.status().message();
      for (const RuleVariant& variant : *variants) split.insert(variant.op);
    }
  }
  for (const Row* row : allRows()) {
    const std::string name = nameOf(*row);
    if (kNotRun.count(name)) continue;
    // What import makes other ops of is split as those.
    EXPECT_TRUE((row->expandOnImport || row->takenSubgraph ? named : split).count(name))
        << name << " has a row and no sample; see rule_samples.cc";
  }
}

// How many rows have a rule that can have the fault, at least.
size_t leastRows(RuleFault fault) {
  switch (fault) {
    case RuleFault::kClaimedFree:
      return 24;
    case RuleFault::kWrongCombiner:
      return 12;
    case RuleFault::kDroppedPartial:
      return 12;
    case RuleFault::kWrongDim:
      return 100;
    case RuleFault::kDroppedGranule:
      return 2;
  }
  return 0;
}

class WrongRules : public testing::TestWithParam<RuleFault> {};

TEST_P(WrongRules, are_found_out) {
  std::map<std::string, int> numFound;
  for (const RuleSample& sample : ruleSamples()) {
    const auto rules = validateFaults(sample, "a=2", GetParam());
    ASSERT_TRUE(rules.ok()) << rules.status().message();
    for (const FaultyRule& rule : *rules) {
      EXPECT_TRUE(rule.isFound) << rule.description;
      ++numFound[rule.op];
    }
  }
  int numRules = 0;
  for (const auto& [op, count] : numFound) numRules += count;
  std::printf("%d rules of %zu rows, %s\n", numRules, numFound.size(), text(GetParam()));
  // How many rows' rules can have the fault changes with the rows alone.
  EXPECT_GE(numFound.size(), leastRows(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Faults, WrongRules, testing::ValuesIn(kRuleFaults), [](const auto& info) {
  std::string name = text(info.param);
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

}  // namespace
}  // namespace shardwright
