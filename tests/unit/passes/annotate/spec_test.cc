#include "passes/annotate/spec.h"

#include <gtest/gtest.h>

namespace shardwright {
namespace {

TEST(SpecTest, reads_everything_in_the_order_written) {
  auto spec = parseSpec(R"({"mesh": {"tp": 4, "dp": 2},
                            "tensors": {"w.*": [[], ["tp:(2)2", "dp"], null], "scalar": []},
                            "nodes": {"MatMul_?": {"stage": 0, "strategy": {"tp": "10.2"}}},
                            "state": {"past": "present"}})",
                        "s.json");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(Mesh(spec->mesh).str(), "tp=4,dp=2");
  ASSERT_EQ(spec->tensors.size(), 2u);
  EXPECT_EQ(spec->tensors[0].path, "/tensors/w.*");
  ASSERT_EQ(spec->tensors[0].dims.size(), 3u);
  EXPECT_TRUE(spec->tensors[0].dims[0]->empty());
  EXPECT_EQ(*spec->tensors[0].dims[1], (std::vector<std::string>{"tp:(2)2", "dp"}));
  EXPECT_FALSE(spec->tensors[0].dims[2].has_value());
  EXPECT_TRUE(spec->tensors[1].dims.empty());
  ASSERT_EQ(spec->nodes.size(), 1u);
  EXPECT_EQ(spec->nodes[0].stage, 0);
  EXPECT_EQ(spec->nodes[0].strategy[0].operand, 10u);
  EXPECT_EQ(spec->nodes[0].strategy[0].dim, 2u);
  EXPECT_EQ(spec->state[0].output, "present");
}

TEST(SpecTest, an_empty_object_says_nothing) {
  auto spec = parseSpec("{}", "s.json");
  ASSERT_TRUE(spec.ok());
  EXPECT_TRUE(spec->mesh.empty() && spec->tensors.empty() && spec->nodes.empty() && spec->state.empty());
}

TEST(SpecTest, refuses_with_place_and_all_at_once) {
  struct Case {
    const char* text;
    std::vector<const char*> says;
  };
  for (const Case& c : std::vector<Case>{
           {"", {"s.json: not JSON"}},
           {"{\"mesh\": {\"tp\": 2}", {"s.json: not JSON"}},
           {"[1]", {"s.json: is an array; give an object"}},
           {"null", {"s.json: is null"}},
           {R"({"mesh": {"tp": 1.5, "dp": "2"}})", {"/mesh/tp: is 1.5", "/mesh/dp: is \"2\""}},
           {R"({"tensors": {"a": [1, [null]]}})", {"/tensors/a/0: is 1", "/tensors/a/1: holds null"}},
           {R"({"nodes": {"n": {"strategy": {"tp": "0.-1", "dp": "1", "x": 3, "y": "1.2.3"}}}})",
            {"/strategy/tp: is \"0.-1\"", "/strategy/dp: is \"1\"", "/strategy/x: is 3", "/strategy/y: is \"1.2.3\""}},
           {R"({"nodes": {"n": {"stage": "0"}}, "state": {"a": 3}})",
            {"/nodes/n/stage: is \"0\"", "/state/a: is a number"}},
       }) {
    auto spec = parseSpec(c.text, "s.json");
    ASSERT_FALSE(spec.ok()) << c.text;
    EXPECT_EQ(spec.status().code(), StatusCode::kUserError);
    for (const char* what : c.says)
      EXPECT_NE(spec.status().message().find(what), std::string::npos) << spec.status().message();
  }
}

TEST(SpecTest, globs) {
  EXPECT_TRUE(globMatches("h.*.weight", "h.0.mlp.weight"));
  EXPECT_TRUE(globMatches("*", ""));
  EXPECT_TRUE(globMatches("a?c*", "abc"));
  EXPECT_TRUE(globMatches("*ab*ab", "xabyabzab"));
  EXPECT_FALSE(globMatches("h.*.weight", "h.0.mlp.bias"));
  EXPECT_FALSE(globMatches("a?c", "ac"));
  EXPECT_FALSE(globMatches("", "a"));
  EXPECT_FALSE(isGlob("h.0[1]"));
}

}  // namespace
}  // namespace shardwright
