#include "compiler/ops/list_ops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shardwright {
namespace {

TEST(ListOps, every_way_to_lower_is_named) {
  const std::string text = listOps();
  for (const char* line :
       {"Add                             loop                    ..., ... -> ...\n",
        "MatMul                          kernel                  by shapes and attributes\n",
        "Gemm                            other ops, on import\n", "Shape                           a size, on import\n",
        "Transpose                       view                    by shapes and attributes\n",
        "ReduceSum                       reduction loop          by shapes and attributes\n"})
    EXPECT_THAT(text, testing::HasSubstr(line));
}

}  // namespace
}  // namespace shardwright
