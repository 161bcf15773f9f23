#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ops/rule_validator.h"

namespace shardwright {
namespace {

class Rules : public testing::TestWithParam<RuleSample> {};

TEST_P(Rules, every_split_computes_what_the_whole_does) {
  for (const char* mesh : {"a=2", "a=3", "a=4", "a=2,b=2"}) {
    const StatusOr<RuleValidation> validation = validateRules(GetParam(), mesh);
    ASSERT_TRUE(validation.ok()) << validation.status().message();
    EXPECT_THAT(validation->failures, testing::IsEmpty());
    EXPECT_GT(validation->numVariants, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Samples, Rules, testing::ValuesIn(ruleSamples()),
                         [](const auto& info) { return std::string(info.param.name); });

const RuleSample& sampleOf(const std::string& name) {
  for (const RuleSample& sample : ruleSamples())
    if (name == sample.name) return sample;
  ADD_FAILURE() << "no sample " << name;
  return ruleSamples().front();
}

struct Mutation {
  const char* sample;
  std::string from, to;
};

void PrintTo(const Mutation& mutation, std::ostream* stream) { *stream << mutation.from << " => " << mutation.to; }

class WrongRules : public testing::TestWithParam<Mutation> {};

TEST_P(WrongRules, are_found_out) {
  const Mutation& mutation = GetParam();
  bool applied = false;
  auto mutate = [&](const std::string& rule) {
    const size_t at = rule.find(mutation.from);
    if (at == std::string::npos) return rule;
    applied = true;
    return rule.substr(0, at) + mutation.to + rule.substr(at + mutation.from.size());
  };
  const StatusOr<RuleValidation> validation = validateRules(sampleOf(mutation.sample), "a=2", mutate);
  EXPECT_TRUE(applied);
  EXPECT_TRUE(!validation.ok() || !validation->failures.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Mutations, WrongRules,
    testing::Values(Mutation{"order", " d0 !v,", " d0 v,"}, Mutation{"order", " d0 !k1 ->", " d0 k1:max ->"},
                    Mutation{"reductions", "k1:max", "k1"},
                    Mutation{"concat", "d0 !a0 d2, d0 !a1 d2 -> d0 !b d2", "d0 v d2, d0 w d2 -> d0 x d2"},
                    Mutation{"softmax", " d0 @v d2 -> d0 @v d2", " d0 v d2 -> d0 v d2"}));

}  // namespace
}  // namespace shardwright
