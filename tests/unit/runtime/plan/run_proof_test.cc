// Plans of pipelines: good ones pass the proof, and each planted fault is found, with ranks, step, node and tensor in the message.
#include <gtest/gtest.h>

#include <chrono>

#include "runtime/plan/checker.h"
#include "tests/unit/runtime/plan/pipeline_plan.h"

namespace shardwright {
namespace {

std::vector<std::string> proof(const plan::Plan& plan) {
  CheckOptions options;
  options.depth = CheckDepth::kProof;
  return planViolations(plan, options);
}

TEST(RunProof, pipelines_of_every_shape_and_schedule_pass) {
  for (int pp : {1, 2, 3, 4})
    for (int tp : {1, 2, 3})
      for (int dp : {1, 2})
        for (int microbatches : {1, 4, 7})
          for (const char* schedule : {"gpipe", "1f1b"})
            for (ScheduleForm form : {ScheduleForm::kForward, ScheduleForm::kTraining})
              EXPECT_EQ(proof(PipelinePlan({dp, pp, tp, microbatches, schedule, form}).plan),
                        std::vector<std::string>())
                  << "dp " << dp << " pp " << pp << " tp " << tp << " microbatches " << microbatches << " " << schedule;
}

// dp=2, pp=3, tp=2 with four microbatches, forward and backward: rank = 6 · dp + 2 · pp + tp. Programs 0 to 2 are forward, 3 to 5
// backward.
struct Fault {
  const char* situation;
  const char* found;  // the beginning of the first message
  void (*plant)(PipelinePlan&);
};

plan::Step& step(PipelinePlan& p, int program, int step) {
  return *p.plan.mutable_programs(program)->mutable_steps(step);
}
plan::TransferStep& transfer(PipelinePlan& p, int program, int at) { return *step(p, program, at).mutable_transfer(); }
google::protobuf::RepeatedPtrField<plan::Entry::Action>& actions(PipelinePlan& p, int stage) {
  return *p.plan.mutable_entries(0)->mutable_stages(stage)->mutable_actions();
}
void useKernel(PipelinePlan& p, int program, int at, uint32_t buffer) {  // instead of the step
  step(p, program, at).mutable_kernel()->set_kernel("copy");
  *step(p, program, at).mutable_kernel()->add_outputs() = p.view(buffer);
}

// A transfer to the same peer, right after the step.
plan::TransferStep& addTransferBeside(PipelinePlan& p, int program, int at, const std::string& name, uint32_t channel) {
  plan::Program& to = *p.plan.mutable_programs(program);
  plan::Step added = to.steps(at);
  added.set_name(name), added.set_nodes(0, "/" + to.name() + "/" + name);
  added.mutable_transfer()->set_channel(channel);
  *to.add_steps() = added;
  for (int i = to.steps_size() - 1; i > at + 1; --i) to.mutable_steps()->SwapElements(i, i - 1);
  for (plan::Step& s : *to.mutable_steps())
    if (s.has_wait() && static_cast<int>(s.wait().step()) > at) s.mutable_wait()->set_step(s.wait().step() + 1);
  for (plan::Buffer& b : *to.mutable_buffers())
    b.set_first_step(0), b.set_last_step(static_cast<uint32_t>(to.steps_size() - 1));
  return *to.mutable_steps(at + 1)->mutable_transfer();
}

const Fault kFaults[] = {
    {"receive_that_is_missing",
     "P23: entry 'main' rank 0 program 'forward0' step 'send' (node '/forward0/send') of 'forward0.h': found 4 sends "
     "to rank 2 "
     "on channel 0 that nobody receives, allowed a receive for each",
     [](PipelinePlan& p) { useKernel(p, 1, 0, 0); }},
    {"send_that_is_missing",
     "P23: entry 'main' rank 0 program 'backward0' step 'receive' (node '/backward0/receive') of 'backward0.d' of "
     "microbatch 0: "
     "found a wait that never ends: it waits for rank 2 program 'backward1' step 'receive' (node '/backward1/receive') "
     "of "
     "'backward1.d' of microbatch 0, which waits for rank 4 program 'forward2' step 'receive' (node "
     "'/forward2/receive') of "
     "'forward2.h' of microbatch 0, which waits for rank 2 program 'backward1'",
     [](PipelinePlan& p) { useKernel(p, 1, 6, 0); }},
    {"stages_that_wait_for_each_other",
     "P23: entry 'main' rank 0 program 'backward0' step 'receive' (node '/backward0/receive') of 'backward0.d' of "
     "microbatch 0: "
     "found a wait that never ends: it waits for rank 2 program 'forward1' step 'receive' (node '/forward1/receive') "
     "of "
     "'forward1.h' of microbatch 0, which waits for rank 0 program 'backward0'",
     [](PipelinePlan& p) { actions(p, 0).SwapElements(0, 4); }},  // B0 before any forward action
    {"microbatches_in_another_order",
     "P23: entry 'main' rank 3 program 'forward1' step 'receive' (node '/forward1/receive') of 'forward1.h' of "
     "microbatch 0: "
     "found from rank 1 program 'forward0' step 'send' (node '/forward0/send') 14xfloat32 of microbatch 1, allowed "
     "14xfloat32 of "
     "microbatch 0",
     [](PipelinePlan& p) { actions(p, 0).SwapElements(0, 1); }},
    {"counts_that_differ",
     "P23: entry 'main' rank 3 program 'forward1' step 'receive' (node '/forward1/receive') of 'forward1.h' of "
     "microbatch 0: "
     "found from rank 1 program 'forward0' step 'send' (node '/forward0/send') 12xfloat32",
     [](PipelinePlan& p) { *transfer(p, 0, 6).mutable_view() = p.view(0, "6*batch.part"); }},
    {"counts_that_differ_at_other_sizes_only",
     "P23: entry 'main' rank 3 program 'forward1' step 'receive' (node '/forward1/receive') of 'forward1.h' of "
     "microbatch 0 at "
     "batch=1, batch.part=1: found from rank 1 program 'forward0' step 'send' (node '/forward0/send') 3xfloat32",
     [](PipelinePlan& p) { *transfer(p, 0, 6).mutable_view() = p.view(0, "11*batch.part - 8"); }},
    {"types_that_differ",
     "P23: entry 'main' rank 3 program 'forward1' step 'receive' (node '/forward1/receive') of 'forward1.h' of "
     "microbatch 0: "
     "found from rank 1 program 'forward0' step 'send' (node '/forward0/send') 14xint32",
     [](PipelinePlan& p) { transfer(p, 0, 6).mutable_view()->set_dtype(static_cast<int32_t>(DType::kInt32)); }},
    {"wrong_peer_on_one_rank_of_many",
     "P23: entry 'main' rank 6 program 'backward0' step 'receive' (node '/backward0/receive') of 'backward0.d' of "
     "microbatch 0: "
     "found a wait that never ends: it waits for rank 8 program 'forward1' step 'receive' (node '/forward1/receive') "
     "of "
     "'forward1.h' of microbatch 0, which waits for rank 6",
     [](PipelinePlan& p) {  // stage 0 of the second replica, tp 0, sends to its neighbour's peer
       transfer(p, 0, 6).set_peer(p.expr("6*@dp + @tp + 2 + @dp*(1 - @tp)"));
     }},
    {"peer_in_the_same_stage",
     "P23: entry 'main' rank 1 program 'forward0' step 'send' (node '/forward0/send') of 'forward0.h' of microbatch 0: "
     "found peer "
     "0, allowed a rank of another stage, or this one for another chunk",
     [](PipelinePlan& p) { transfer(p, 0, 6).set_peer(p.expr("6*@dp - @tp + 1")); }},
    {"collective_that_one_member_skips",
     "P21: program 'forward1' step 'reduce' (node '/forward1/reduce') on rank 3 (and 1 alike): found a guard that only "
     "some "
     "members of the group pass",
     [](PipelinePlan& p) {
       step(p, 1, 2).set_guard(p.expr("@tp") + 1);
       step(p, 1, 4).set_guard(p.expr("@tp") + 1);
     }},
    {"collectives_swapped_on_one_rank",
     "P21: program 'forward1' step 'early' (node '/forward1/early') on rank 3 (and 1 alike): found a guard",
     [](PipelinePlan& p) {  // rank 3 joins 'again' first and 'reduce' second; its peer the other way round
       plan::Program& program = *p.plan.mutable_programs(1);
       plan::Step again = step(p, 1, 2);
       again.set_async(false);
       *again.mutable_collective()->mutable_output() = p.view(0),
       *again.mutable_collective()->mutable_input() = p.view(0);
       again.set_guard(p.expr("-@tp + 1") + 1);
       again.set_name("again"), again.set_nodes(0, "/forward1/again");
       *program.add_steps() = again;
       again.set_guard(p.expr("@tp") + 1);
       again.set_name("early"), again.set_nodes(0, "/forward1/early");
       *program.add_steps() = again;
       for (int i = 8; i > 2; --i) program.mutable_steps()->SwapElements(i, i - 1);
       program.mutable_steps(5)->mutable_wait()->set_step(3);
       for (plan::Buffer& b : *program.mutable_buffers()) b.set_first_step(0), b.set_last_step(8);
     }},
    {"group_that_goes_across_stages",
     "P23: entry 'main' rank 0 program 'forward0' step 'reduce' (node '/forward0/reduce') of 'forward0.sum' of "
     "microbatch 0: "
     "found a wait that never ends: it waits for rank 2 program 'forward1' step 'receive' (node '/forward1/receive') "
     "of "
     "'forward1.h' of microbatch 0, which waits for rank 0 program 'forward0' step 'reduce'",
     [](PipelinePlan& p) {
       p.plan.mutable_groups(0)->mutable_axes(0)->set_axis(1);
       p.plan.mutable_groups(0)->mutable_axes(0)->set_size(3);
     }},
    {"parts_that_do_not_add_up_on_one_replica",
     "P20: program 'forward1' step 'reduce' (node '/forward1/reduce') on rank 8: found all-gather from [15] to [28] "
     "with parts "
     "[14, 14]",
     [](PipelinePlan& p) {
       plan::CollectiveStep& c = *step(p, 1, 2).mutable_collective();
       c.set_kind(plan::CollectiveStep::ALL_GATHER), c.clear_combiner();
       c.set_part(p.expr("7*batch.part"));
       *c.mutable_input() = p.view(1, "7*batch.part + @dp*(1 - @tp)");
       *c.mutable_output() = p.view(2, "14*batch.part");
       for (plan::Buffer& b : *p.plan.mutable_programs(1)->mutable_buffers()) b.set_count(p.expr("14*batch.part + 1"));
     }},
    {"buffer_written_while_it_is_under_way",
     "P22: program 'forward0' step 'norm' (node '/forward0/norm') output 1: found buffer 'forward0.part' before the "
     "wait for "
     "'reduce', allowed what is under way is left alone",
     [](PipelinePlan& p) { *step(p, 0, 3).mutable_kernel()->add_outputs() = p.view(1); }},
    {"buffer_reused_too_early",
     "P15: program 'forward0' step 'add' (node '/forward0/add') input 1: found buffer 'forward0.norm' used at step 5, "
     "allowed its "
     "lifetime, 3 to 4",
     [](PipelinePlan& p) { p.plan.mutable_programs(0)->mutable_buffers(3)->set_last_step(4); }},
    {"read_of_what_one_rank_has_not_written",
     "P16: program 'forward0' step 'add' (node '/forward0/add') input 1 on rank 0 (and 1 alike): found elements from 0 "
     "on of "
     "buffer 'forward0.norm' that no step has written there",
     [](PipelinePlan& p) { step(p, 0, 3).set_guard(p.expr("@tp") + 1); }},
    {"read_of_more_than_was_written",
     "P16: program 'forward1' step 'columns' (node '/forward1/columns') input 0 on rank 2 (and 3 alike): found "
     "elements from 0 on",
     [](PipelinePlan& p) {
       *transfer(p, 0, 6).mutable_view() = p.view(0, "5*batch.part");
       *transfer(p, 1, 0).mutable_view() = p.view(0, "5*batch.part");
     }},
    {"window_beyond_its_buffer_at_other_sizes",
     "P14: program 'backward1' step 'gradient' (node '/backward1/gradient') output 0 on rank 2 (and 3 alike) at "
     "batch=9, "
     "batch.part=2",
     [](PipelinePlan& p) { p.plan.mutable_programs(4)->mutable_buffers(1)->set_count(p.expr("14 - batch + 8")); }},
    {"two_values_on_one_channel",  // of equal dims and type, taken in the other order
     "P23: entry 'main' rank 1 program 'forward0' step 'second' (node '/forward0/second') of 'forward0.h' of "
     "microbatch "
     "0: found channel 0, which program 'forward0' step 'send' (node '/forward0/send') uses for the same peer",
     [](PipelinePlan& p) {
       addTransferBeside(p, 0, 6, "second", 0);
       addTransferBeside(p, 1, 0, "second", 0);
     }},
    {"transfers_of_one_channel_in_another_order",
     "P23: entry 'main' rank 1 program 'forward0' step 'second' (node '/forward0/second') of 'forward0.h' of "
     "microbatch "
     "0: found channel 0, which",
     [](PipelinePlan& p) {  // the second value is another part of the first one's buffer
       *addTransferBeside(p, 0, 6, "second", 0).mutable_view() = p.view(0, "3*batch.part");
       *addTransferBeside(p, 1, 0, "second", 0).mutable_view() = p.view(0, "3*batch.part");
       p.plan.mutable_programs(1)->mutable_steps()->SwapElements(0, 1);
     }},
    {"members_that_list_different_groups",
     "P21: program 'forward1' step 'reduce' (node '/forward1/reduce') on rank 3 (and 1 alike): found a guard that only "
     "some members of the group pass",
     [](PipelinePlan& p) {  // at one place tp 0 reduces over tp and tp 1 over dp
       plan::SubAxis* dp = p.plan.add_groups()->add_axes();
       dp->set_axis(0), dp->set_pre(1), dp->set_size(2);
       plan::Program& program = *p.plan.mutable_programs(1);
       plan::Step over = step(p, 1, 2);
       over.set_name("over_dp"), over.set_nodes(0, "/forward1/over_dp"), over.set_async(false);
       over.mutable_collective()->set_group(1), over.set_guard(p.expr("@tp") + 1);
       *over.mutable_collective()->mutable_output() = p.view(0),
       *over.mutable_collective()->mutable_input() = p.view(0);
       step(p, 1, 2).set_guard(p.expr("-@tp + 1") + 1), step(p, 1, 4).set_guard(p.expr("-@tp + 1") + 1);
       *program.add_steps() = over;
       for (int i = 7; i > 3; --i) program.mutable_steps()->SwapElements(i, i - 1);
       for (plan::Buffer& b : *program.mutable_buffers()) b.set_first_step(0), b.set_last_step(7);
     }},
    {"types_that_differ_within_a_collective", "P20: program 'forward1' step 'reduce' (node '/forward1/reduce'): found",
     [](PipelinePlan& p) {
       step(p, 1, 2).mutable_collective()->mutable_input()->set_dtype(static_cast<int32_t>(DType::kInt32));
     }},
    {"dims_that_differ_between_members",
     "P20: program 'forward1' step 'reduce' (node '/forward1/reduce') on rank 3 (and 1 alike): found all-reduce from "
     "[13] to [13]",
     [](PipelinePlan& p) {
       plan::CollectiveStep& c = *step(p, 1, 2).mutable_collective();
       *c.mutable_input() = p.view(1, "7*batch.part - @tp"), *c.mutable_output() = p.view(2, "7*batch.part - @tp");
       *step(p, 1, 5).mutable_kernel()->mutable_inputs(0) = *c.mutable_output();
     }},
    {"microbatch_that_one_stage_leaves_out", "P27: entry 'main' stage 1",
     [](PipelinePlan& p) { actions(p, 1).RemoveLast(); }},
    {"microbatch_that_one_stage_does_twice", "P27: entry 'main' stage 1",
     [](PipelinePlan& p) { *actions(p, 1).Add() = actions(p, 1).Get(0); }},
    {"microbatch_done_twice_instead_of_another", "P27: entry 'main' stage 2",
     [](PipelinePlan& p) { actions(p, 2).Mutable(1)->set_microbatch(0); }},
    {"memory_beyond_the_limit_on_one_stage",
     "P30: stage 1 on rank 2 (and 3 alike): found 1024 bytes: 0 of weights, 0 of states, 1024 of temporaries, allowed "
     "the "
     "stated 1023",
     [](PipelinePlan& p) {
       p.plan.mutable_programs(1)->mutable_buffers(0)->set_count(p.expr("100*batch.part"));
       p.plan.set_memory_limit_bytes(1023);
     }},
};

class PlantedFault : public testing::TestWithParam<Fault> {};

TEST_P(PlantedFault, is_found) {
  PipelinePlan p({2, 3, 2, 4, "gpipe", ScheduleForm::kTraining});
  ASSERT_EQ(proof(p.plan), std::vector<std::string>());
  GetParam().plant(p);
  std::vector<std::string> violations = proof(p.plan);
  ASSERT_FALSE(violations.empty());
  EXPECT_EQ(violations[0].substr(0, std::string(GetParam().found).size()), GetParam().found) << violations[0];
}

INSTANTIATE_TEST_SUITE_P(RunProof, PlantedFault, testing::ValuesIn(kFaults),
                         [](const auto& info) { return std::string(info.param.situation); });

TEST(RunProof, three_thousand_ranks) {
  PipelinePlan p({6, 64, 8, 96, "1f1b", ScheduleForm::kTraining});
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(proof(p.plan), std::vector<std::string>());
  std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  std::printf("dp=6, pp=64, tp=8, 96 microbatches forward and backward: %.2f s\n", taken.count());
  transfer(p, 62, 6).set_channel(7);  // the last but one stage's send
  std::vector<std::string> violations = proof(p.plan);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].find("P23: entry 'main' rank 0 program 'backward0' step 'receive'"), 0u) << violations[0];
}

}  // namespace
}  // namespace shardwright
