// Every kind of step, run by an executor per rank, against what it must leave in the outputs.
#include <numeric>

#include "runtime/plan/checker.h"
#include "tests/unit/runtime/exec/plan_builder.h"
#include "tests/unit/runtime/exec/run_ranks.h"

namespace shardwright {
namespace {

using Values = std::vector<int64_t>;

// A plan of int64 values over axis tp; output k is written by rank k alone, so that each rank's result can be seen.
class StepsPlan : public PlanBuilder {
 public:
  explicit StepsPlan(int64_t tp, const std::string& axisName = "tp") : tp_(tp), axis_(axisName) {
    axis(axisName, tp);
    group({0});
    main = program("main");
  }

  uint32_t in(const std::string& name, const Texts& dims, const std::string& count) {
    return buffer(main, name, plan::Buffer::INPUT, DType::kInt64, count, input(name, DType::kInt64, dims));
  }
  uint32_t temporary(const std::string& name, const std::string& count) {
    return buffer(main, name, plan::Buffer::TEMPORARY, DType::kInt64, count, 0, 0, 30);
  }
  // Rank k copies the view to output k of these dims.
  void show(const plan::View& view, const Texts& dims, const std::string& count) {
    for (int64_t k = 0; k < tp_; ++k) {
      std::string name = "out" + std::to_string(k);
      uint32_t out = buffer(main, name, plan::Buffer::OUTPUT, DType::kInt64, count, output(name, DType::kInt64, dims));
      auto* copy = kernel(main, "copy", "show " + std::to_string(k), {view}, {this->view(main, out, dims)});
      guardRank(copy, k);
    }
  }
  void guardRank(plan::Step* step, int64_t rank) {
    std::string c = "@" + axis_, k = std::to_string(rank);
    step->set_guard(expr("max(0, 1 - max(" + c + " - " + k + ", " + k + " - " + c + "))") + 1);
  }

  // Runs all ranks once and returns the outputs.
  std::vector<Values> run(const std::vector<Values>& inputs, const std::vector<int64_t>& symbols, size_t resultCount,
                          int runs = 1) {
    entryAndLifetimes();
    Status checked = checkPlan(plan);
    EXPECT_TRUE(checked.ok()) << checked.message();
    std::vector<Values> outputs(static_cast<size_t>(plan.outputs_size()), Values(resultCount, -77));
    std::vector<const void*> in;
    std::vector<void*> out;
    for (const Values& values : inputs) in.push_back(values.data());
    for (Values& values : outputs) out.push_back(values.data());
    auto loaded = runRanks(plan, folder, [&](Executor& executor, World& world) {
      world.setDeadline(std::chrono::seconds(20));
      for (int i = 0; i < runs; ++i) {
        Status run = executor.run(plan.entries_size() - 1, symbols, in.data(), out.data());
        EXPECT_TRUE(run.ok()) << run.message();
      }
    });
    for (const Status& status : loaded) EXPECT_TRUE(status.ok()) << status.message();
    return outputs;
  }

  plan::Program* main;
  std::string folder = ".";

 private:
  void entryAndLifetimes() {
    bool hasMain = false;
    for (const auto& e : plan.entries()) hasMain = hasMain || e.name() == "main";
    if (!hasMain) entry("main", 0);
    for (auto& p : *plan.mutable_programs()) {
      for (auto& b : *p.mutable_buffers()) b.set_last_step(static_cast<uint32_t>(p.steps_size() - 1));
    }
  }
  int64_t tp_;
  std::string axis_;
};

Values iota(int64_t count, int64_t from = 1) {
  Values values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), from);
  return values;
}

// The part of 7 that a rank of three holds: 2, 2, 3.
constexpr char kBegin[] = "floordiv(7*@tp, 3)";
constexpr char kPart[] = "floordiv(7*@tp + 7, 3) - floordiv(7*@tp, 3)";

TEST(ExecutorSteps, all_gather_of_ragged_columns) {
  StepsPlan p(3);
  uint32_t x = p.in("x", {"2", "7"}, "14"), whole = p.temporary("whole", "14"), mine = p.temporary("mine", "6");
  plan::View local = p.view(p.main, mine, {"2", kPart});
  p.kernel(p.main, "copy", "read", {p.view(p.main, x, {"2", kPart}, kBegin, {"7", "1"})}, {local});
  auto* step =
      p.collective(p.main, plan::CollectiveStep::ALL_GATHER, "gather", 0, local, p.view(p.main, whole, {"2", "7"}));
  step->mutable_collective()->set_combiner("");
  step->mutable_collective()->set_dim(1);
  step->mutable_collective()->set_part(p.expr(kPart));
  p.show(p.view(p.main, whole, {"2", "7"}), {"2", "7"}, "14");
  for (const Values& output : p.run({iota(14)}, {}, 14)) EXPECT_EQ(output, iota(14));
}

TEST(ExecutorSteps, reduce_scatter_of_ragged_rows) {
  StepsPlan p(3);
  uint32_t x = p.in("x", {"7", "2"}, "14"), mine = p.temporary("mine", "6");
  plan::View part = p.view(p.main, mine, {kPart, "2"});
  auto* step =
      p.collective(p.main, plan::CollectiveStep::REDUCE_SCATTER, "scatter", 0, p.view(p.main, x, {"7", "2"}), part);
  step->mutable_collective()->set_part(p.expr(kPart));
  // All ranks write their rows of one output.
  uint32_t out =
      p.buffer(p.main, "out", plan::Buffer::OUTPUT, DType::kInt64, "14", p.output("out", DType::kInt64, {"7", "2"}));
  p.kernel(p.main, "copy", "write", {part}, {p.view(p.main, out, {kPart, "2"}, std::string("2*") + kBegin)});
  Values tripled = iota(14);
  for (int64_t& value : tripled) value *= 3;
  EXPECT_EQ(p.run({iota(14)}, {}, 14)[0], tripled);
}

TEST(ExecutorSteps, all_to_all_moves_a_split_from_rows_to_columns) {
  StepsPlan p(3);
  std::string columnPart = "floordiv(5*@tp + 5, 3) - floordiv(5*@tp, 3)";  // 1, 2, 2
  uint32_t x = p.in("x", {"7", "5"}, "35"), out = p.temporary("columns", "14");
  auto* step =
      p.collective(p.main, plan::CollectiveStep::ALL_TO_ALL, "swap", 0,
                   p.view(p.main, x, {kPart, "5"}, std::string("5*") + kBegin), p.view(p.main, out, {"7", columnPart}));
  step->mutable_collective()->set_combiner("");
  step->mutable_collective()->set_dim(0);
  step->mutable_collective()->set_part(p.expr(kPart));
  step->mutable_collective()->set_split_dim(1);
  step->mutable_collective()->set_split_part(p.expr(columnPart));
  uint32_t y =
      p.buffer(p.main, "y", plan::Buffer::OUTPUT, DType::kInt64, "35", p.output("y", DType::kInt64, {"7", "5"}));
  p.kernel(p.main, "copy", "write", {p.view(p.main, out, {"7", columnPart})},
           {p.view(p.main, y, {"7", columnPart}, "floordiv(5*@tp, 3)", {"5", "1"})});
  EXPECT_EQ(p.run({iota(35)}, {}, 35)[0], iota(35));
}

TEST(ExecutorSteps, broadcast_and_permute) {
  StepsPlan p(3);
  uint32_t x = p.in("x", {"3", "2"}, "6"), a = p.temporary("a", "2"), b = p.temporary("b", "2");
  plan::View row = p.view(p.main, x, {"2"}, "2*@tp");
  auto* permute = p.collective(p.main, plan::CollectiveStep::PERMUTE, "next", 0, row, p.view(p.main, a, {"2"}));
  permute->mutable_collective()->set_combiner("");
  permute->mutable_collective()->set_peer(p.expr("mod(@tp + 1, 3)"));
  auto* broadcast = p.collective(p.main, plan::CollectiveStep::BROADCAST, "first", 0, p.view(p.main, a, {"2"}),
                                 p.view(p.main, b, {"2"}));
  broadcast->mutable_collective()->set_combiner("");
  uint32_t both = p.temporary("both", "4");
  p.kernel(p.main, "copy", "keep a", {p.view(p.main, a, {"2"})}, {p.view(p.main, both, {"2"})});
  p.kernel(p.main, "copy", "keep b", {p.view(p.main, b, {"2"})}, {p.view(p.main, both, {"2"}, "2")});
  p.show(p.view(p.main, both, {"4"}), {"4"}, "4");
  auto outputs = p.run({{1, 2, 3, 4, 5, 6}}, {}, 4);
  EXPECT_EQ(outputs[0], (Values{3, 4, 3, 4}));
  EXPECT_EQ(outputs[1], (Values{5, 6, 3, 4}));
  EXPECT_EQ(outputs[2], (Values{1, 2, 3, 4}));
}

TEST(ExecutorSteps, asynchronous_collectives_complete_where_they_are_waited_for) {
  StepsPlan p(2);
  uint32_t x = p.in("x", {"4"}, "4"), a = p.temporary("a", "4"), b = p.temporary("b", "4");
  for (uint32_t target : {a, b}) {
    auto* step = p.collective(p.main, plan::CollectiveStep::ALL_REDUCE, "sum" + std::to_string(target), 0,
                              p.view(p.main, x, {"4"}), p.view(p.main, target, {"4"}));
    step->set_async(true);
    if (target == b) step->mutable_collective()->set_combiner("prod");
  }
  p.step(p.main, "wait a")->mutable_wait()->set_step(0);
  p.step(p.main, "wait b")->mutable_wait()->set_step(1);
  uint32_t both = p.temporary("both", "8");
  p.kernel(p.main, "copy", "keep b", {p.view(p.main, b, {"4"})}, {p.view(p.main, both, {"4"})});
  p.kernel(p.main, "copy", "keep a", {p.view(p.main, a, {"4"})}, {p.view(p.main, both, {"4"}, "4")});
  p.show(p.view(p.main, both, {"8"}), {"8"}, "8");
  for (const Values& output : p.run({{2, 3, 5, 7}}, {}, 8, 3)) {
    EXPECT_EQ(output, (Values{4, 9, 25, 49, 4, 6, 10, 14}));
  }
}

// Stage 0 passes x on to stage 1, which passes it back.
TEST(ExecutorSteps, two_stages_pass_messages) {
  StepsPlan p(2, "pp");
  uint32_t x = p.in("x", {"3"}, "3"), a = p.temporary("a", "3");
  auto transfer = [&](plan::Program* program, const std::string& name, bool send, uint32_t channel, int64_t peer,
                      const plan::View& view) {
    auto* what = p.step(program, name)->mutable_transfer();
    what->set_send(send);
    what->set_channel(channel);
    what->set_peer(p.expr(std::to_string(peer)));
    *what->mutable_view() = view;
    return program->mutable_steps(program->steps_size() - 1);
  };
  transfer(p.main, "down", true, 4, 1, p.view(p.main, x, {"3"}));
  transfer(p.main, "up", false, 5, 1, p.view(p.main, a, {"3"}))->set_async(true);
  p.step(p.main, "wait up")->mutable_wait()->set_step(1);
  uint32_t out = p.buffer(p.main, "out", plan::Buffer::OUTPUT, DType::kInt64, "3", p.output("y", DType::kInt64, {"3"}));
  p.kernel(p.main, "copy", "write", {p.view(p.main, a, {"3"})}, {p.view(p.main, out, {"3"})});
  auto* second = p.program("second");
  uint32_t b = p.buffer(second, "b", plan::Buffer::TEMPORARY, DType::kInt64, "3");
  transfer(second, "from above", false, 4, 0, p.view(second, b, {"3"}));
  transfer(second, "back", true, 5, 0, p.view(second, b, {"3"}));
  auto* entry = p.plan.add_entries();
  entry->set_name("main");
  entry->add_stages()->add_chunks(0);
  entry->add_stages()->add_chunks(1);
  EXPECT_EQ(p.run({{8, 6, 4}}, {}, 3, 2)[0], (Values{8, 6, 4}));
}

// if flag: out := x else: out := y
TEST(ExecutorSteps, a_branch_is_chosen_by_its_condition) {
  for (bool flag : {true, false}) {
    StepsPlan p(1);
    uint32_t x = p.in("x", {"4"}, "4"), y = p.in("y", {"4"}, "4");
    uint32_t c = p.buffer(p.main, "c", plan::Buffer::CONSTANT, DType::kBool, "1", p.constant("c", DType::kBool, {}));
    p.plan.mutable_constants(0)->set_inline_data(std::string(1, flag ? 1 : 0));
    p.plan.mutable_constants(0)->add_crc32c(crc32c(p.plan.constants(0).inline_data()));
    uint32_t a = p.temporary("a", "4");
    auto* call = p.step(p.main, "if")->mutable_call();
    call->set_kind(plan::CallStep::IF);
    *call->mutable_condition() = p.view(p.main, c, {});
    *call->add_captures() = p.view(p.main, x, {"4"});
    *call->add_captures() = p.view(p.main, y, {"4"});
    *call->add_outputs() = p.view(p.main, a, {"4"});
    for (uint32_t branch : {0u, 1u}) {
      auto* sub = p.program("branch " + std::to_string(branch), true);
      uint32_t from = p.buffer(sub, "from", plan::Buffer::CAPTURE, DType::kInt64, "4", branch);
      uint32_t middle = p.buffer(sub, "middle", plan::Buffer::TEMPORARY, DType::kInt64, "4");
      uint32_t to = p.buffer(sub, "to", plan::Buffer::CAPTURE, DType::kInt64, "4", 2);
      p.kernel(sub, "copy", "copy", {p.view(sub, from, {"4"})}, {p.view(sub, middle, {"4"})});
      p.kernel(sub, "copy", "copy on", {p.view(sub, middle, {"4"})}, {p.view(sub, to, {"4"})});
      call->add_programs(branch + 1);
    }
    p.show(p.view(p.main, a, {"4"}), {"4"}, "4");
    EXPECT_EQ(p.run({{1, 2, 3, 4}, {5, 6, 7, 8}}, {}, 4)[0], flag ? (Values{1, 2, 3, 4}) : (Values{5, 6, 7, 8}));
  }
}

// carried c := x; n times: trace[i] := c[0], c := c rotated by one
TEST(ExecutorSteps, a_loop_carries_values_and_numbers_its_iterations) {
  StepsPlan p(1);
  uint32_t i = p.symbol("%i", 100, true);
  uint32_t x = p.in("x", {"3"}, "3");
  uint32_t n = p.buffer(p.main, "n", plan::Buffer::INPUT, DType::kInt64, "1", p.input("n", DType::kInt64, {}));
  uint32_t both = p.temporary("both", "8");
  auto* call = p.step(p.main, "loop")->mutable_call();
  call->set_kind(plan::CallStep::LOOP);
  call->set_iteration_symbol(i + 1);
  *call->mutable_trip_count() = p.view(p.main, n, {});
  *call->add_carried() = p.view(p.main, x, {"3"});
  *call->add_outputs() = p.view(p.main, both, {"3"});
  *call->add_outputs() = p.view(p.main, both, {"5"}, "3");
  call->add_programs(1);
  auto* body = p.program("body", true);
  uint32_t c = p.buffer(body, "c", plan::Buffer::CAPTURE, DType::kInt64, "3", 0);
  uint32_t trace = p.buffer(body, "trace", plan::Buffer::CAPTURE, DType::kInt64, "5", 1);
  uint32_t t = p.buffer(body, "t", plan::Buffer::TEMPORARY, DType::kInt64, "3");
  p.kernel(body, "copy", "trace", {p.view(body, c, {"1"})}, {p.view(body, trace, {"1"}, "%i")});
  p.kernel(body, "copy", "rotate a", {p.view(body, c, {"2"}, "1")}, {p.view(body, t, {"2"})});
  p.kernel(body, "copy", "rotate b", {p.view(body, c, {"1"})}, {p.view(body, t, {"1"}, "2")});
  p.kernel(body, "copy", "keep", {p.view(body, t, {"3"})}, {p.view(body, c, {"3"})});
  p.show(p.view(p.main, both, {"8"}), {"8"}, "8");
  EXPECT_EQ(p.run({{4, 6, 9}, {5}}, {ExprTable::kUnknown}, 8, 2)[0], (Values{9, 4, 6, 4, 6, 9, 4, 6}));
}

// The first n of x, n being a value of the data: other sizes each run, through one buffer of the maximum.
TEST(ExecutorSteps, a_size_found_in_the_data) {
  StepsPlan p(1);
  uint32_t slot = p.symbol("%n", 6, true);
  uint32_t x = p.in("x", {"6"}, "6");
  uint32_t n = p.buffer(p.main, "n", plan::Buffer::INPUT, DType::kInt64, "1", p.input("n", DType::kInt64, {}));
  uint32_t out = p.buffer(p.main, "out", plan::Buffer::OUTPUT, DType::kInt64, "6", p.output("y", DType::kInt64, {"6"}));
  auto* bind = p.step(p.main, "bind")->mutable_bind();
  bind->set_symbol(slot);
  *bind->mutable_view() = p.view(p.main, n, {});
  p.kernel(p.main, "copy", "zero", {p.view(p.main, x, {"6"}, "0", {"0"})}, {p.view(p.main, out, {"6"})});
  p.kernel(p.main, "copy", "part", {p.view(p.main, x, {"%n"})}, {p.view(p.main, out, {"%n"})});
  p.entry("main", 0);
  for (auto& b : *p.main->mutable_buffers()) b.set_last_step(2);
  Status checked = checkPlan(p.plan);
  ASSERT_TRUE(checked.ok()) << checked.message();
  Values values = {7, 5, 3, 2, 4, 6};
  auto loaded = runRanks(p.plan, ".", [&](Executor& executor, World&) {
    for (int64_t count : {2, 6, 0, 6, 3}) {
      Values y(6);
      const void* inputs[] = {values.data(), &count};
      void* outputs[] = {y.data()};
      Status run = executor.run(0, {ExprTable::kUnknown}, inputs, outputs);
      ASSERT_TRUE(run.ok()) << run.message();
      Values expected(6, 7);
      std::copy(values.begin(), values.begin() + count, expected.begin());
      EXPECT_EQ(y, expected);
      EXPECT_EQ(executor.lastSymbols()[0], count);
    }
    int64_t count = 7;
    Values y(6);
    const void* inputs[] = {values.data(), &count};
    void* outputs[] = {y.data()};
    Status run = executor.run(0, {ExprTable::kUnknown}, inputs, outputs);
    EXPECT_EQ(run.code(), StatusCode::kUserError);
    EXPECT_NE(run.message().find("step bind (node /node/bind): the size '%n' became 7; this plan allows 0 to 6"),
              std::string::npos)
        << run.message();
  });
  EXPECT_TRUE(loaded[0].ok()) << loaded[0].message();
}

// "init" doubles a stored constant's rows into one that main uses.
TEST(ExecutorSteps, init_computes_constants_once) {
  StepsPlan p(2);
  uint32_t stored = p.constant("stored", DType::kInt64, {"3"}), computed = p.constant("computed", DType::kInt64, {"6"});
  Values values = {4, 8, 5};
  p.plan.mutable_constants(0)->set_inline_data(reinterpret_cast<const char*>(values.data()), 24);
  p.plan.mutable_constants(0)->add_crc32c(crc32c(p.plan.constants(0).inline_data()));
  uint32_t c = p.buffer(p.main, "computed", plan::Buffer::CONSTANT, DType::kInt64, "6", computed);
  p.show(p.view(p.main, c, {"6"}), {"6"}, "6");
  auto* init = p.program("init");
  uint32_t from = p.buffer(init, "stored", plan::Buffer::CONSTANT, DType::kInt64, "3", stored);
  uint32_t to = p.buffer(init, "computed", plan::Buffer::CONSTANT, DType::kInt64, "6", computed);
  p.kernel(init, "copy", "repeat", {p.view(init, from, {"2", "3"}, "0", {"0", "1"})}, {p.view(init, to, {"2", "3"})});
  p.entry("init", 1);
  for (const Values& output : p.run({}, {}, 6)) EXPECT_EQ(output, (Values{4, 8, 5, 4, 8, 5}));
}

}  // namespace
}  // namespace shardwright
