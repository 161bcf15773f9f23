#include "runtime/plan/checker.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/base/file.h"
#include "runtime/plan/plan_io.h"

namespace shardwright {
namespace {

plan::Plan planFrom(const std::string& name) {
  StatusOr<std::string> text =
      readWholeFile(SHARDWRIGHT_SOURCE_DIR "/tests/unit/runtime/plan/plans/" + name + ".textproto");
  EXPECT_TRUE(text.ok()) << text.status().message();
  StatusOr<plan::Plan> plan = parsePlanText(*text);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return std::move(*plan);
}

class GoodPlan : public testing::TestWithParam<const char*> {};

TEST_P(GoodPlan, passes_prints_and_round_trips) {
  plan::Plan plan = planFrom(GetParam());
  EXPECT_EQ(planViolations(plan), std::vector<std::string>());
  CheckOptions proof;
  proof.depth = CheckDepth::kProof;
  EXPECT_EQ(planViolations(plan, proof), std::vector<std::string>());
  std::string bytes = serializePlan(plan);
  EXPECT_EQ(serializePlan(*deserializePlan(bytes, "p")), bytes);
  EXPECT_EQ(serializePlan(*parsePlanText(printPlan(plan))), bytes);
}

INSTANTIATE_TEST_SUITE_P(checker, GoodPlan, testing::Values("decoder", "pipeline"),
                         [](const auto& info) { return std::string(info.param); });

// A good plan with one thing wrong.
struct Mutation {
  int number;  // of the constraint that must refuse it
  const char* situation;
  const char* plan;
  void (*mutate)(plan::Plan&);
};

plan::Program& program(plan::Plan& p, int i) { return *p.mutable_programs(i); }
plan::Step& step(plan::Plan& p, int i, int s) { return *p.mutable_programs(i)->mutable_steps(s); }
plan::Buffer& buffer(plan::Plan& p, int i, int b) { return *p.mutable_programs(i)->mutable_buffers(b); }
plan::View& input(plan::Plan& p, int i, int s, int v) { return *step(p, i, s).mutable_kernel()->mutable_inputs(v); }
plan::View& output(plan::Plan& p, int i, int s, int v) { return *step(p, i, s).mutable_kernel()->mutable_outputs(v); }
plan::CollectiveStep& collective(plan::Plan& p, int i, int s) { return *step(p, i, s).mutable_collective(); }

const Mutation kMutations[] = {
    {1, "another_version", "decoder", [](plan::Plan& p) { p.set_version(2); }},

    {2, "expression_0_is_not_0", "decoder", [](plan::Plan& p) { p.set_exprs(0, "1"); }},
    {2, "text_that_cannot_be_parsed", "decoder", [](plan::Plan& p) { p.set_exprs(4, "6 +"); }},
    {2, "form_that_is_not_canonical", "decoder", [](plan::Plan& p) { p.set_exprs(17, "seq + past"); }},
    {2, "poisoned_expression", "decoder", [](plan::Plan& p) { p.set_exprs(4, "floordiv(1, 0)"); }},

    {3, "undeclared_symbol", "decoder", [](plan::Plan& p) { p.set_exprs(3, "sequence"); }},
    {3, "unknown_axis", "decoder", [](plan::Plan& p) { p.set_exprs(14, "@ep"); }},
    {3, "one_name_twice", "decoder", [](plan::Plan& p) { p.mutable_symbols(1)->set_name("batch"); }},
    {3, "assumed_value_out_of_range", "decoder", [](plan::Plan& p) { p.mutable_symbols(0)->set_assumed(18); }},
    {3, "assumed_value_no_multiple", "decoder", [](plan::Plan& p) { p.mutable_symbols(0)->set_assumed(5); }},
    {3, "divisor_0", "decoder", [](plan::Plan& p) { p.mutable_symbols(1)->set_divisor(0); }},
    {3, "run_time_without_percent", "decoder", [](plan::Plan& p) { p.mutable_symbols(1)->set_run_time(true); }},

    {4, "axis_of_size_0", "decoder", [](plan::Plan& p) { p.mutable_mesh()->mutable_axes(0)->set_size(0); }},
    {4, "one_axis_name_twice", "pipeline", [](plan::Plan& p) { p.mutable_mesh()->add_axes()->set_name("tp"); }},

    {5, "digit_that_does_not_divide", "decoder",
     [](plan::Plan& p) { p.mutable_groups(0)->mutable_axes(0)->set_size(3); }},
    {5, "axis_out_of_range", "decoder", [](plan::Plan& p) { p.mutable_groups(0)->mutable_axes(0)->set_axis(2); }},
    {5, "digits_that_overlap", "decoder",
     [](plan::Plan& p) { *p.mutable_groups(0)->add_axes() = p.groups(0).axes(0); }},
    {5, "group_without_axes", "decoder", [](plan::Plan& p) { p.mutable_groups(0)->clear_axes(); }},
    {5, "sharding_that_uses_an_axis_twice", "decoder",
     [](plan::Plan& p) {
       *p.mutable_inputs(0)->mutable_sharding()->mutable_dims(1) = p.inputs(0).sharding().dims(0);
     }},

    {6, "expression_out_of_range", "decoder", [](plan::Plan& p) { input(p, 0, 0, 0).set_offset(99); }},
    {6, "buffer_out_of_range", "decoder", [](plan::Plan& p) { input(p, 0, 0, 0).set_buffer(99); }},
    {6, "constant_out_of_range", "decoder", [](plan::Plan& p) { buffer(p, 0, 1).set_source(9); }},
    {6, "group_out_of_range", "decoder", [](plan::Plan& p) { collective(p, 0, 2).set_group(1); }},
    {6, "guard_out_of_range", "decoder", [](plan::Plan& p) { step(p, 0, 5).set_guard(1000); }},
    {6, "chunk_out_of_range", "pipeline",
     [](plan::Plan& p) { p.mutable_entries(0)->mutable_stages(0)->mutable_actions(0)->set_chunk(2); }},
    {6, "attribute_expression_out_of_range", "decoder",
     [](plan::Plan& p) { step(p, 0, 0).mutable_kernel()->mutable_attrs(1)->set_expr(77); }},
    {6, "state_port_out_of_range", "decoder", [](plan::Plan& p) { p.mutable_states(0)->set_input(2); }},

    {7, "two_steps_of_one_name", "decoder", [](plan::Plan& p) { step(p, 0, 1).set_name("up"); }},
    {7, "step_without_a_name", "decoder", [](plan::Plan& p) { step(p, 0, 1).clear_name(); }},
    {7, "two_entries_of_one_name", "decoder", [](plan::Plan& p) { p.mutable_entries(1)->set_name("prefill"); }},
    {7, "two_constants_of_one_name", "decoder", [](plan::Plan& p) { p.mutable_constants(1)->set_name("w1"); }},

    {8, "port_of_strings", "decoder", [](plan::Plan& p) { p.mutable_inputs(0)->set_dtype(8); }},
    {8, "sharding_of_too_few_dims", "decoder",
     [](plan::Plan& p) { p.mutable_inputs(0)->mutable_sharding()->mutable_dims()->RemoveLast(); }},
    {8, "input_size_known_only_at_run_time", "decoder", [](plan::Plan& p) { p.mutable_inputs(0)->set_dims(1, 26); }},
    {8, "input_size_that_differs_between_ranks", "decoder", [](plan::Plan& p) { p.mutable_inputs(0)->set_dims(1, 14); }},
    {8, "partial_output", "decoder",
     [](plan::Plan& p) {
       *p.mutable_outputs(0)->mutable_sharding()->add_partial() = p.groups(0).axes(0);
       p.mutable_outputs(0)->mutable_sharding()->set_combiner("sum");
     }},
    {8, "combiner_of_a_whole_value", "decoder",
     [](plan::Plan& p) { p.mutable_inputs(0)->mutable_sharding()->set_combiner("sum"); }},

    {9, "file_number_beyond_the_count", "decoder", [](plan::Plan& p) { p.mutable_weight_sets(0)->set_count(1); }},
    {9, "more_files_than_ranks", "decoder", [](plan::Plan& p) { p.mutable_weight_sets(0)->set_count(INT64_MAX); }},
    {9, "file_number_that_depends_on_sizes", "decoder", [](plan::Plan& p) { p.mutable_weight_sets(0)->set_index(3); }},
    {9, "checksum_missing", "decoder", [](plan::Plan& p) { p.mutable_constants(0)->mutable_crc32c()->RemoveLast(); }},
    {9, "inline_data_of_another_size", "decoder", [](plan::Plan& p) { p.mutable_constants(2)->set_inline_data("abc"); }},
    {9, "constant_sized_by_a_symbol", "decoder", [](plan::Plan& p) { p.mutable_constants(0)->set_dims(0, 3); }},

    {10, "section_outside_the_folder", "decoder", [](plan::Plan& p) { p.mutable_sections(0)->set_file("a/../../b"); }},
    {10, "section_at_an_absolute_path", "decoder", [](plan::Plan& p) { p.mutable_sections(0)->set_file("/etc/passwd"); }},
    {10, "one_section_twice", "decoder",
     [](plan::Plan& p) { p.mutable_sections(1)->set_file("weights/tp-1.safetensors"); }},
    {10, "weight_file_that_is_no_section", "decoder", [](plan::Plan& p) { p.mutable_sections()->RemoveLast(); }},

    {11, "state_of_another_type_than_its_ports", "decoder", [](plan::Plan& p) { p.mutable_states(0)->set_dtype(10); }},
    {11, "capacity_without_a_maximum", "decoder", [](plan::Plan& p) { p.mutable_symbols(2)->set_max(INT64_MAX); }},
    {11, "capacity_of_an_unknown_symbol", "decoder", [](plan::Plan& p) { p.mutable_states(0)->set_capacity_symbol("c"); }},
    {11, "capacity_of_too_few_dims", "decoder",
     [](plan::Plan& p) { p.mutable_states(0)->mutable_capacity_dims()->RemoveLast(); }},
    {11, "two_states_on_one_input", "decoder",
     [](plan::Plan& p) {
       *p.add_states() = p.states(0);
       p.mutable_states(1)->set_name("second");
     }},

    {12, "lifetime_beyond_the_program", "decoder", [](plan::Plan& p) { buffer(p, 0, 2).set_last_step(7); }},
    {12, "lifetime_that_ends_first", "decoder",
     [](plan::Plan& p) {
       buffer(p, 0, 2).set_first_step(4);
       buffer(p, 0, 2).set_last_step(3);
     }},
    {12, "buffer_of_another_type_than_its_constant", "decoder", [](plan::Plan& p) { buffer(p, 0, 1).set_dtype(6); }},
    {12, "buffer_of_another_count_than_its_input", "decoder", [](plan::Plan& p) { buffer(p, 0, 0).set_count(3); }},
    {12, "capture_outside_a_sub_program", "decoder",
     [](plan::Plan& p) { buffer(p, 0, 2).set_kind(plan::Buffer::CAPTURE); }},
    {12, "temporary_sized_at_run_time", "decoder", [](plan::Plan& p) { buffer(p, 1, 2).set_count(26); }},

    {13, "fewer_strides_than_dims", "decoder", [](plan::Plan& p) { input(p, 0, 0, 0).mutable_strides()->RemoveLast(); }},
    {13, "view_of_another_width", "decoder", [](plan::Plan& p) { input(p, 0, 0, 0).set_dtype(7); }},

    {14, "window_beyond_its_buffer", "decoder", [](plan::Plan& p) { input(p, 0, 0, 1).set_offset(1); }},
    {14, "window_before_its_buffer", "pipeline",
     [](plan::Plan& p) {
       p.add_exprs("-1");
       output(p, 3, 1, 0).set_offset(static_cast<uint32_t>(p.exprs_size() - 1));
     }},
    {14, "window_beyond_its_buffer_on_the_last_rank_only", "pipeline",
     [](plan::Plan& p) { output(p, 3, 1, 0).set_offset(6); }},

    {15, "use_after_the_end_of_the_lifetime", "decoder", [](plan::Plan& p) { buffer(p, 0, 2).set_last_step(0); }},
    {15, "use_before_the_beginning", "decoder", [](plan::Plan& p) { buffer(p, 0, 3).set_first_step(2); }},

    {16, "read_before_any_write", "decoder", [](plan::Plan& p) { input(p, 0, 0, 1) = input(p, 0, 1, 0); }},
    {16, "write_to_an_input", "decoder",
     [](plan::Plan& p) { *step(p, 0, 3).mutable_kernel()->add_outputs() = input(p, 0, 0, 0); }},
    {16, "write_to_a_constant_in_a_run", "decoder",
     [](plan::Plan& p) { *step(p, 0, 3).mutable_kernel()->add_outputs() = input(p, 0, 0, 1); }},
    {16, "init_reads_a_constant_that_it_has_not_computed", "decoder",
     [](plan::Plan& p) { input(p, 2, 0, 0).set_buffer(1); }},

    {17, "output_that_nobody_writes", "decoder",
     [](plan::Plan& p) {
       *p.add_outputs() = p.outputs(0);
       p.mutable_outputs(2)->set_name("z");
     }},

    {18, "step_without_a_kind", "decoder", [](plan::Plan& p) { step(p, 0, 6).clear_kind(); }},
    {18, "kernel_without_a_name", "decoder", [](plan::Plan& p) { step(p, 0, 0).mutable_kernel()->clear_kernel(); }},
    {18, "attribute_without_a_value", "decoder",
     [](plan::Plan& p) { step(p, 0, 0).mutable_kernel()->mutable_attrs(0)->clear_value(); }},
    {18, "one_attribute_twice", "decoder",
     [](plan::Plan& p) { step(p, 0, 0).mutable_kernel()->mutable_attrs(1)->set_name("transposed"); }},
    {18, "post_op_on_a_missing_operand", "decoder",
     [](plan::Plan& p) { step(p, 0, 5).mutable_kernel()->mutable_post_ops(0)->set_operand(3); }},
    {18, "kernel_without_outputs", "decoder", [](plan::Plan& p) { step(p, 4, 0).mutable_kernel()->clear_outputs(); }},

    {20, "combiner_unknown", "decoder", [](plan::Plan& p) { collective(p, 0, 2).set_combiner("mean"); }},
    {20, "combiner_of_a_gather", "pipeline", [](plan::Plan& p) { collective(p, 0, 2).set_combiner("sum"); }},
    {20, "parts_that_do_not_add_up", "pipeline", [](plan::Plan& p) { collective(p, 0, 2).set_part(1); }},
    {20, "gather_along_another_dim", "pipeline", [](plan::Plan& p) { collective(p, 0, 2).set_dim(0); }},
    {20, "scatter_to_parts_of_another_size", "pipeline", [](plan::Plan& p) { collective(p, 1, 4).set_part(2); }},
    {20, "all_to_all_along_one_dim", "pipeline", [](plan::Plan& p) { collective(p, 1, 5).set_split_dim(0); }},
    {20, "two_members_with_one_peer", "pipeline", [](plan::Plan& p) { collective(p, 1, 2).set_peer(0); }},
    {20, "operands_of_two_types", "pipeline",
     [](plan::Plan& p) { collective(p, 1, 3).mutable_input()->set_dtype(6); }},

    {21, "guard_that_half_a_group_passes", "pipeline", [](plan::Plan& p) { step(p, 1, 3).set_guard(13); }},

    {22, "start_that_is_never_awaited", "pipeline", [](plan::Plan& p) { step(p, 3, 0).set_async(true); }},
    {22, "wait_for_a_step_that_was_not_started", "decoder", [](plan::Plan& p) { step(p, 0, 2).set_async(false); }},
    {22, "wait_for_a_later_step", "pipeline", [](plan::Plan& p) { step(p, 1, 1).mutable_wait()->set_step(3); }},
    {22, "two_waits_for_one_step", "pipeline",
     [](plan::Plan& p) { step(p, 0, 1).mutable_wait()->set_step(0), step(p, 1, 3) = step(p, 1, 1), step(p, 1, 3).set_name("again"); }},
    {22, "too_many_under_way", "decoder",
     [](plan::Plan& p) {  // nine starts in a row, then their waits
       plan::Step start = step(p, 0, 2);
       for (int i = 0; i < 9; ++i) {
         start.set_name("start" + std::to_string(i));
         start.mutable_collective()->mutable_input()->set_dims(0, 0);
         start.mutable_collective()->mutable_output()->set_dims(0, 0);
         *program(p, 0).add_steps() = start;
       }
       for (int i = 0; i < 9; ++i) {
         plan::Step* wait = program(p, 0).add_steps();
         wait->set_name("wait" + std::to_string(i));
         wait->mutable_wait()->set_step(static_cast<uint32_t>(7 + i));
       }
       buffer(p, 0, 3).set_last_step(24);
     }},
    {22, "waits_in_another_order", "decoder",
     [](plan::Plan& p) {
       plan::Step start = step(p, 0, 2);
       start.mutable_collective()->mutable_input()->set_dims(0, 0);
       start.mutable_collective()->mutable_output()->set_dims(0, 0);
       for (int i = 0; i < 2; ++i) start.set_name("start" + std::to_string(i)), *program(p, 0).add_steps() = start;
       for (int i = 0; i < 2; ++i) {
         plan::Step* wait = program(p, 0).add_steps();
         wait->set_name("wait" + std::to_string(i));
         wait->mutable_wait()->set_step(static_cast<uint32_t>(8 - i));
       }
       buffer(p, 0, 3).set_last_step(10);
     }},
    {22, "kernel_started_early", "decoder", [](plan::Plan& p) { step(p, 0, 3).set_async(true); }},
    {22, "read_before_the_wait", "decoder",
     [](plan::Plan& p) { *step(p, 0, 3).mutable_kernel()->add_inputs() = input(p, 0, 5, 0); }},
    {22, "write_before_the_wait", "decoder",
     [](plan::Plan& p) { *step(p, 0, 3).mutable_kernel()->add_outputs() = input(p, 0, 5, 0); }},
    {22, "buffer_that_ends_before_the_wait", "pipeline",
     [](plan::Plan& p) {
       plan::Program& second = program(p, 1);
       for (int i = second.steps_size(); i-- > 2;) second.mutable_steps()->RemoveLast();
       *second.add_steps() = p.programs(2).steps(0);
       second.mutable_steps(2)->mutable_kernel()->mutable_outputs(0)->set_buffer(3);
       for (int b = 0; b < 3; ++b) buffer(p, 1, b).set_last_step(0), buffer(p, 1, b).set_first_step(0);
     }},

    {23, "send_that_nobody_receives", "pipeline",
     [](plan::Plan& p) { step(p, 3, 0) = p.programs(2).steps(0), step(p, 3, 0).set_name("seed"); }},
    {23, "receive_that_nobody_sends", "pipeline", [](plan::Plan& p) { step(p, 1, 0).mutable_transfer()->set_channel(7); }},
    {23, "ends_of_different_sizes", "pipeline",
     [](plan::Plan& p) { step(p, 1, 0).mutable_transfer()->mutable_view()->set_dims(0, 2); }},
    {23, "peer_in_the_same_stage", "pipeline", [](plan::Plan& p) { step(p, 0, 3).mutable_transfer()->set_peer(6); }},
    {23, "microbatches_in_another_order", "pipeline",
     [](plan::Plan& p) { p.mutable_entries(0)->mutable_stages(0)->mutable_actions()->SwapElements(0, 1); }},
    {23, "stages_that_wait_for_each_other", "pipeline",
     [](plan::Plan& p) {
       auto* actions = p.mutable_entries(0)->mutable_stages(0)->mutable_actions();
       actions->SwapElements(0, 2), actions->SwapElements(1, 3);
     }},
    {23, "collective_across_stages_that_one_stage_lacks", "pipeline",
     [](plan::Plan& p) {
       *p.add_groups() = p.groups(0);
       p.mutable_groups(1)->mutable_axes(0)->set_axis(0);
       collective(p, 1, 3).set_group(1);
     }},

    {24, "call_that_leads_back", "decoder",
     [](plan::Plan& p) {
       plan::Step* again = program(p, 4).add_steps();
       again->set_name("again");
       again->mutable_call()->set_kind(plan::CallStep::CALL);
       again->mutable_call()->add_programs(4);
     }},
    {24, "if_with_one_branch", "decoder",
     [](plan::Plan& p) { step(p, 1, 3).mutable_call()->mutable_programs()->RemoveLast(); }},
    {24, "if_without_a_condition", "decoder", [](plan::Plan& p) { step(p, 1, 3).mutable_call()->clear_condition(); }},
    {24, "loop_without_an_end", "decoder", [](plan::Plan& p) { step(p, 1, 4).mutable_call()->clear_trip_count(); }},
    {24, "capture_that_the_call_does_not_give", "decoder", [](plan::Plan& p) { buffer(p, 5, 2).set_source(3); }},
    {24, "capture_of_another_type", "decoder", [](plan::Plan& p) { buffer(p, 5, 0).set_dtype(6); }},
    {24, "capture_larger_than_its_window", "decoder", [](plan::Plan& p) { buffer(p, 3, 1).set_count(8); }},
    {24, "call_of_a_program_that_is_no_sub_program", "decoder",
     [](plan::Plan& p) { step(p, 1, 3).mutable_call()->set_programs(1, 2); }},
    {24, "carried_value_of_other_dims", "decoder",
     [](plan::Plan& p) { step(p, 1, 4).mutable_call()->mutable_carried(0)->set_dims(0, 1); }},

    {25, "size_used_before_it_is_bound", "decoder",
     [](plan::Plan& p) {
       program(p, 1).mutable_steps()->SwapElements(1, 2);
       buffer(p, 1, 2).set_first_step(1);
     }},
    {25, "one_symbol_bound_twice", "decoder", [](plan::Plan& p) { step(p, 1, 4).mutable_call()->set_iteration_symbol(4); }},
    {25, "binding_a_symbol_of_the_inputs", "decoder", [](plan::Plan& p) { step(p, 1, 1).mutable_bind()->set_symbol(1); }},
    {25, "binding_from_several_elements", "decoder",
     [](plan::Plan& p) {
       plan::View* view = step(p, 1, 1).mutable_bind()->mutable_view();
       view->add_dims(29), view->add_strides(0);
     }},

    {26, "stages_unlike_the_mesh", "decoder",
     [](plan::Plan& p) { *p.mutable_entries(0)->add_stages() = p.entries(0).stages(0); }},
    {26, "chunk_that_is_a_sub_program", "decoder",
     [](plan::Plan& p) { program(p, 1).set_sub_program(true); }},
    {26, "guard_that_nothing_passes", "decoder",
     [](plan::Plan& p) { p.mutable_entries(1)->mutable_guards(0)->set_upper(0); }},
    {26, "guard_on_a_coordinate", "decoder", [](plan::Plan& p) { p.mutable_entries(1)->mutable_guards(0)->set_expr(14); }},
    {26, "nothing_to_run", "pipeline", [](plan::Plan& p) { p.clear_entries(); }},

    {27, "too_many_microbatches", "pipeline", [](plan::Plan& p) { p.mutable_entries(0)->set_microbatches(1 << 20); }},
    {27, "microbatch_beyond_their_number", "pipeline",
     [](plan::Plan& p) { p.mutable_entries(0)->mutable_stages(0)->mutable_actions(1)->set_microbatch(2); }},
    {27, "action_missing", "pipeline",
     [](plan::Plan& p) { p.mutable_entries(0)->mutable_stages(1)->mutable_actions()->RemoveLast(); }},
    {3, "part_of_an_unknown_symbol", "pipeline", [](plan::Plan& p) { p.mutable_symbols(1)->set_part_of("b"); }},
    {8, "microbatch_stride_that_differs_between_ranks", "pipeline",
     [](plan::Plan& p) { p.mutable_inputs(0)->set_microbatch_stride(6); }},
    {14, "last_microbatch_beyond_the_input", "pipeline",
     [](plan::Plan& p) { p.mutable_inputs(0)->set_microbatch_stride(15); }},
    {27, "microbatches_without_a_part", "pipeline",
     [](plan::Plan& p) { p.mutable_symbols(1)->clear_part_of(); }},
    {27, "microbatches_of_no_symbol", "pipeline", [](plan::Plan& p) { p.mutable_entries(0)->clear_microbatch_symbol(); }},

    {28, "constant_without_data", "decoder",
     [](plan::Plan& p) {
       plan::Buffer* elsewhere = program(p, 2).add_buffers();
       elsewhere->set_name("elsewhere"), elsewhere->set_dtype(1), elsewhere->set_count(4);
       output(p, 2, 0, 0).set_buffer(2);
     }},
    {28, "init_that_reads_an_input", "decoder",
     [](plan::Plan& p) { *program(p, 2).add_buffers() = p.programs(0).buffers(0); }},
    {28, "init_sized_by_an_input", "decoder",
     [](plan::Plan& p) {
       *program(p, 2).add_buffers() = p.programs(0).buffers(2);
       buffer(p, 2, 2).set_last_step(0);
     }},

    {29, "target_unknown", "decoder", [](plan::Plan& p) { p.mutable_target()->set_kind("tpu"); }},
    {29, "time_below_0", "pipeline", [](plan::Plan& p) { p.mutable_expected(1)->set_seconds(-1); }},

    {29, "memory_limit_below_0", "pipeline", [](plan::Plan& p) { p.set_memory_limit_bytes(-1); }},

    {30, "more_than_the_memory_limit", "pipeline", [](plan::Plan& p) { p.set_memory_limit_bytes(128 + 128 + 64 - 1); }},
    {30, "states_beyond_the_memory_limit", "decoder", [](plan::Plan& p) { p.set_memory_limit_bytes(144 + 6144 + 640 - 1); }},
};

class BadPlan : public testing::TestWithParam<Mutation> {};

TEST_P(BadPlan, is_refused_by_its_label) {
  plan::Plan plan = planFrom(GetParam().plan);
  GetParam().mutate(plan);
  CheckOptions options;
  options.depth = CheckDepth::kProof;
  std::vector<std::string> violations = planViolations(plan, options);
  ASSERT_FALSE(violations.empty());
  std::string label = "P" + std::to_string(GetParam().number) + ": ";
  bool labelled = std::any_of(violations.begin(), violations.end(),
                              [&](const std::string& m) { return m.compare(0, label.size(), label) == 0; });
  std::string all;
  for (const std::string& m : violations) all += m + "\n";
  EXPECT_TRUE(labelled) << all;
  EXPECT_NE(violations[0].find("found "), std::string::npos) << all;
  EXPECT_NE(violations[0].find("allowed "), std::string::npos) << all;
}

INSTANTIATE_TEST_SUITE_P(checker, BadPlan, testing::ValuesIn(kMutations), [](const auto& info) {
  return "P" + std::to_string(info.param.number) + "_" + info.param.situation;
});

TEST(Checker, P19_kernel_that_refuses_its_step) {
  CheckOptions options;
  options.verifyKernel = [](const plan::Plan&, const plan::Program&, const plan::Step& step) {
    return step.name() == "down" ? userError("needs two operands") : Status();
  };
  std::vector<std::string> violations = planViolations(planFrom("decoder"), options);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].find("P19: program 'prefill' step 'down' (node 'MatMul_3'): found 'needs two operands'"), 0u)
      << violations[0];
}

TEST(Checker, every_constraint_has_a_plan_that_breaks_it) {
  std::vector<bool> covered(31, false);
  covered[0] = covered[19] = true;
  for (const Mutation& m : kMutations) covered[static_cast<size_t>(m.number)] = true;
  EXPECT_EQ(std::find(covered.begin(), covered.end(), false) - covered.begin(), 31);
}

TEST(Checker, all_violations_are_told_up_to_a_limit) {
  plan::Plan plan = planFrom("decoder");
  for (int i = 0; i < 5; ++i) step(plan, 0, i).set_name("same");
  CheckOptions options;
  options.maxMessages = 2;
  std::vector<std::string> violations = planViolations(plan, options);
  ASSERT_EQ(violations.size(), 3u);
  EXPECT_EQ(violations[2], "and 2 more");
  EXPECT_NE(checkPlan(plan, options).message().find("P7: "), std::string::npos);
}

}  // namespace
}  // namespace shardwright
