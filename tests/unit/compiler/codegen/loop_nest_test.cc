#include "compiler/codegen/loop_nest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/compiler/codegen/reference.h"

namespace shardwright::testing {
namespace {

using ::testing::HasSubstr;

std::string messageFor(const LoopNest& nest) {
  Status status = nest.verify();
  if (status.ok()) return "accepted";
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  return status.message();
}

TEST(LoopNest, prints_one_line_per_node) {
  EXPECT_EQ(softmaxNest().str(), R"(nest softmax: 1 outer, 1 inner, 0 parameters
  operand 0: float32 [? | 1]
  operand 1: float32 written [? | 1]
  phase 0
    %0 = load float32 operand 0
    reduction 0 = max %0
  phase 1
    %0 = load float32 operand 0
    %1 = reduced float32 reduction 0
    %2 = sub float32 %0 %1
    %3 = exp float32 %2
    reduction 1 = sum %3
  phase 2
    %0 = load float32 operand 0
    %1 = reduced float32 reduction 0
    %2 = sub float32 %0 %1
    %3 = exp float32 %2
    %4 = reduced float32 reduction 1
    %5 = div float32 %3 %4
    operand 1 := %5
)");
}

TEST(LoopNest, verifies_what_is_right) {
  EXPECT_EQ(messageFor(softmaxNest()), "accepted");
  EXPECT_EQ(messageFor(layerNormNest()), "accepted");
  EXPECT_EQ(messageFor(softmaxNest("half", DType::kFloat16)), "accepted") << "held as float32";
}

TEST(LoopNest, names_what_is_wrong) {
  LoopNest nest = softmaxNest("7up");
  EXPECT_THAT(messageFor(nest), HasSubstr("C identifier"));
  nest = softmaxNest();
  nest.phases.clear();
  EXPECT_THAT(messageFor(nest), HasSubstr("there is no phase"));
  nest = softmaxNest();
  nest.operands[0].strides.pop_back();
  EXPECT_THAT(messageFor(nest), HasSubstr("operand 0 has 1 strides; the nest has 2 dims"));
  nest = softmaxNest();
  nest.operands[0].dtype = DType::kInt4;
  EXPECT_THAT(messageFor(nest), HasSubstr("operand 0 is int4"));
  nest = softmaxNest();
  nest.phases[0].nodes[0].index = 2;
  EXPECT_THAT(messageFor(nest), HasSubstr("phase 0, node 0 (load): there is no operand 2"));
  nest = softmaxNest();
  nest.phases[1].nodes[2].inputs = {0, 2};
  EXPECT_THAT(messageFor(nest), HasSubstr("phase 1, node 2 (sub): input 2 is not an earlier node"));
  nest = softmaxNest();
  nest.phases[1].nodes[2].inputs = {0};
  EXPECT_THAT(messageFor(nest), HasSubstr("has 1 inputs; it takes 2"));
  nest = softmaxNest();
  nest.phases[1].nodes[1].index = 2;
  EXPECT_THAT(messageFor(nest), HasSubstr("reduction 2 does not come before"));
  nest = softmaxNest();
  nest.phases[1].nodes[1].index = 1;
  EXPECT_THAT(messageFor(nest), HasSubstr("depends on its own phase's reductions"));
  nest = softmaxNest();
  nest.phases[1].nodes[3].dtype = DType::kInt32;
  EXPECT_THAT(messageFor(nest), HasSubstr("(exp): does not take (float32) to int32"));
  nest = softmaxNest();
  nest.operands[1].written = false;
  EXPECT_THAT(messageFor(nest), HasSubstr("store to operand 1: it is not marked as written"));
  nest = softmaxNest();
  nest.operands[1].dtype = DType::kFloat64;
  EXPECT_THAT(messageFor(nest), HasSubstr("it is float64, the value float32"));
  nest = softmaxNest();
  nest.operands[1].strides[1] = StrideKind::kZero;
  EXPECT_THAT(messageFor(nest), HasSubstr("stands still over the inner dims, and the value varies"));
  nest = softmaxNest();
  nest.phases[0].reductions[0].kind = Reduction::Kind::kAnd;
  EXPECT_THAT(messageFor(nest), HasSubstr("reduction 0: does not take float32"));
  nest = unaryNest("cast", ScalarOp::kBitCast, DType::kInt32, DType::kFloat64);
  EXPECT_THAT(messageFor(nest), HasSubstr("(bit_cast): does not take (int32) to float64"));
}

TEST(LoopNest, index_and_parameter_are_int64_and_in_range) {
  LoopNest nest = unaryNest("iota", ScalarOp::kNeg, DType::kInt64, DType::kInt64);
  PhaseBuilder phase(nest.phases[0]);
  int index = phase.index(1);
  EXPECT_EQ(messageFor(nest), "accepted");
  nest.phases[0].nodes[index].index = 2;
  EXPECT_THAT(messageFor(nest), HasSubstr("there is no dim 2"));
  nest.phases[0].nodes[index] = {ScalarOp::kParam, DType::kInt64, {}, 0, 0, 0};
  EXPECT_THAT(messageFor(nest), HasSubstr("there is no parameter 0"));
}

}  // namespace
}  // namespace shardwright::testing
