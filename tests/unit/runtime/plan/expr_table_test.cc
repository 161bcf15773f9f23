#include "runtime/plan/expr_table.h"

#include <gtest/gtest.h>

#include <random>

namespace shardwright {
namespace {

plan::Plan planWith(const std::vector<std::string>& exprs) {
  plan::Plan plan;
  for (const char* name : {"batch", "seq", "%count"}) {
    plan::Symbol* symbol = plan.add_symbols();
    symbol->set_name(name);
    symbol->set_assumed(7);
  }
  for (auto [name, size] : {std::pair("dp", 2), std::pair("tp", 3)}) {
    plan::Mesh::Axis* axis = plan.mutable_mesh()->add_axes();
    axis->set_name(name);
    axis->set_size(size);
  }
  for (const std::string& e : exprs) plan.add_exprs(Expr::parse(e).value().str());
  return plan;
}

TEST(ExprTable, values_follow_the_plans_order_and_equal_the_expressions_own) {
  std::vector<std::string> texts = {"0",
                                    "1",
                                    "batch*seq*seq - 3*batch",
                                    "floordiv(5*@tp + 5, 3) - floordiv(5*@tp, 3)",
                                    "max(batch, seq, 2*@dp) + min(seq, 4)",
                                    "floordiv(batch*seq + 3, seq + 1)"};
  plan::Plan plan = planWith(texts);
  StatusOr<ExprTable> table = ExprTable::make(plan);
  ASSERT_TRUE(table.ok()) << table.status().message();
  std::mt19937 random(11);
  std::vector<int64_t> values;
  for (int rank = 0; rank < 6; ++rank) {
    ExprTable::Symbols symbols = table->noSymbols();
    table->bindCoordinates(rank, symbols);
    symbols[0] = 1 + random() % 9, symbols[1] = 1 + random() % 9, symbols[2] = 5;
    Bindings bindings{{"batch", symbols[0]}, {"seq", symbols[1]}, {"@dp", rank / 3}, {"@tp", rank % 3}};
    ASSERT_TRUE(table->evaluate(symbols, values).ok());
    for (uint32_t i = 0; i < table->size(); ++i) {
      EXPECT_EQ(values[i], *table->expr(i).evaluate(bindings)) << plan.exprs(static_cast<int>(i));
      EXPECT_EQ(*table->evaluateOne(i, symbols), values[i]);
    }
  }
}

TEST(ExprTable, a_run_time_symbol_is_bound_later) {
  plan::Plan plan = planWith({"0", "1", "2*%count + batch", "batch", "3*batch + %count"});
  StatusOr<ExprTable> table = ExprTable::make(plan);
  ASSERT_TRUE(table.ok());
  ExprTable::Symbols symbols = table->noSymbols();
  table->bindCoordinates(4, symbols);
  symbols[0] = 3, symbols[1] = 4;
  std::vector<int64_t> values;
  ASSERT_TRUE(table->evaluate(symbols, values).ok());
  EXPECT_EQ(values[2], ExprTable::kUnknown);
  EXPECT_EQ(values[3], 3);
  EXPECT_TRUE(table->dependsOn(2, 2));
  EXPECT_FALSE(table->dependsOn(3, 2));
  symbols[2] = 10;
  ASSERT_TRUE(table->update(2, symbols, values).ok());
  EXPECT_EQ(values[2], 23);
  EXPECT_EQ(values[4], 19);
}

TEST(ExprTable, failures_name_the_expression) {
  plan::Plan plan = planWith({"0", "1", "floordiv(7, batch)", "seq*seq"});
  StatusOr<ExprTable> table = ExprTable::make(plan);
  ExprTable::Symbols symbols = table->noSymbols();
  table->bindAssumed(symbols);
  table->bindCoordinates(0, symbols);
  std::vector<int64_t> values;
  EXPECT_TRUE(table->evaluate(symbols, values).ok());
  symbols[0] = 0;
  EXPECT_NE(table->evaluate(symbols, values).message().find("floordiv(7, batch)"), std::string::npos);
  EXPECT_EQ(values[3], 49);
  symbols[0] = 1, symbols[1] = int64_t{1} << 40;
  EXPECT_NE(table->evaluate(symbols, values).message().find("seq*seq"), std::string::npos);
}

TEST(ExprTable, refuses_undeclared_symbols_and_bad_text) {
  plan::Plan plan = planWith({"0", "1"});
  plan.add_exprs("batch + width");
  EXPECT_NE(ExprTable::make(plan).status().message().find("\"width\""), std::string::npos);
  plan.set_exprs(2, "batch +");
  EXPECT_EQ(ExprTable::make(plan).status().code(), StatusCode::kUserError);
}

}  // namespace
}  // namespace shardwright
