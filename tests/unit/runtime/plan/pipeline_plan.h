// Owns a plan of a pipeline made for tests: dp x pp x tp ranks, any schedule, forward only or with backward programs. Every stage
// receives, computes, combines over tp while it computes on, and sends.
#pragma once

#include <string>

#include "runtime/base/dtype.h"
#include "runtime/base/expr.h"
#include "runtime/plan/schedule.h"

namespace shardwright {

struct PipelineShape {
  int dp = 1, pp = 2, tp = 2, microbatches = 4;
  const char* schedule = "1f1b";
  ScheduleForm form = ScheduleForm::kForward;
};

class PipelinePlan {
 public:
  explicit PipelinePlan(const PipelineShape& shape) : shape_(shape) {
    addHeader();
    for (int s = 0; s < shape_.pp; ++s) addForward(s);
    if (isTraining())
      for (int s = 0; s < shape_.pp; ++s) addBackward(s);
    addEntry();
  }

  plan::Plan plan;

  // The index of the text's canonical form.
  uint32_t expr(const std::string& text) {
    std::string canonical = Expr::parse(text)->str();
    for (int i = 0; i < plan.exprs_size(); ++i)
      if (plan.exprs(i) == canonical) return static_cast<uint32_t>(i);
    plan.add_exprs(canonical);
    return static_cast<uint32_t>(plan.exprs_size() - 1);
  }

  plan::View view(uint32_t buffer, const std::string& count = "7*batch.part") {
    plan::View view;
    view.set_buffer(buffer);
    view.add_dims(expr(count));
    view.add_strides(expr("1"));
    view.set_dtype(static_cast<int32_t>(DType::kFloat32));
    return view;
  }

  static plan::Step& addStep(plan::Program& program, const std::string& name) {
    plan::Step& step = *program.add_steps();
    step.set_name(name);
    step.add_nodes("/" + program.name() + "/" + name);
    return step;
  }

  plan::Step& addKernel(plan::Program& program, const std::string& name, std::vector<uint32_t> inputs,
                        uint32_t output) {
    plan::Step& step = addStep(program, name);
    step.mutable_kernel()->set_kernel("copy");
    for (uint32_t input : inputs) *step.mutable_kernel()->add_inputs() = view(input);
    *step.mutable_kernel()->add_outputs() = view(output);
    return step;
  }

  uint32_t addBuffer(plan::Program& program, const std::string& name, int first, int last) {
    plan::Buffer& buffer = *program.add_buffers();
    buffer.set_name(program.name() + "." + name);
    buffer.set_dtype(static_cast<int32_t>(DType::kFloat32));
    buffer.set_count(expr("7*batch.part"));
    buffer.set_first_step(static_cast<uint32_t>(first));
    buffer.set_last_step(static_cast<uint32_t>(last));
    return static_cast<uint32_t>(program.buffers_size() - 1);
  }

 private:
  bool isTraining() const { return shape_.form == ScheduleForm::kTraining; }

  void addHeader() {
    plan.set_version(1);
    plan.set_model("pipeline.onnx");
    expr("0"), expr("1");
    addSymbol("batch", "", 2 * shape_.microbatches);
    addSymbol("batch.part", "batch", 2);
    for (auto [name, size] : {std::pair{"dp", shape_.dp}, {"pp", shape_.pp}, {"tp", shape_.tp}}) {
      plan.mutable_mesh()->add_axes()->set_name(name);
      plan.mutable_mesh()->mutable_axes(plan.mesh().axes_size() - 1)->set_size(size);
    }
    plan::SubAxis* tp = plan.add_groups()->add_axes();
    tp->set_axis(2), tp->set_pre(1), tp->set_size(shape_.tp);
    addPort(*plan.add_inputs(), "x");
    addPort(*plan.add_outputs(), "y");
    if (isTraining()) addPort(*plan.add_outputs(), "dx");
    plan.mutable_target()->set_kind("cpu");
  }

  void addSymbol(const std::string& name, const std::string& partOf, int64_t assumed) {
    plan::Symbol& symbol = *plan.add_symbols();
    symbol.set_name(name), symbol.set_part_of(partOf);
    symbol.set_min(1), symbol.set_max(1 << 20), symbol.set_divisor(1), symbol.set_assumed(assumed);
  }

  void addPort(plan::Port& port, const std::string& name) {
    port.set_name(name);
    port.set_dtype(static_cast<int32_t>(DType::kFloat32));
    port.add_dims(expr("batch")), port.add_dims(expr("7"));
    port.mutable_sharding()->add_dims(), port.mutable_sharding()->add_dims();
    port.set_microbatch_stride(expr("7"));
  }

  uint32_t addPortBuffer(plan::Program& program, plan::Buffer::Kind kind, uint32_t source) {
    uint32_t index = addBuffer(program, "port", 0, 0);
    program.mutable_buffers(static_cast<int>(index))->set_kind(kind);
    program.mutable_buffers(static_cast<int>(index))->set_source(source);
    program.mutable_buffers(static_cast<int>(index))->set_count(expr("7*batch"));
    return index;
  }

  void addTransfer(plan::Program& program, const std::string& name, bool isSend, int channel, int otherStage,
                   uint32_t buffer) {
    plan::TransferStep& transfer = *addStep(program, name).mutable_transfer();
    transfer.set_send(isSend), transfer.set_channel(static_cast<uint32_t>(channel));
    transfer.set_peer(
        expr(std::to_string(shape_.pp * shape_.tp) + "*@dp + @tp + " + std::to_string(otherStage * shape_.tp)));
    *transfer.mutable_view() = view(buffer);
  }

  void addForward(int stage) {
    plan::Program& p = *plan.add_programs();
    p.set_name("forward" + std::to_string(stage));
    uint32_t h = addBuffer(p, "h", 0, 6), part = addBuffer(p, "part", 1, 4), sum = addBuffer(p, "sum", 2, 5),
             norm = addBuffer(p, "norm", 3, 5);
    if (stage == 0)
      addKernel(p, "load", {addPortBuffer(p, plan::Buffer::INPUT, 0)}, h);
    else
      addTransfer(p, "receive", false, 0, stage - 1, h);
    addKernel(p, "columns", {h}, part);
    plan::Step& reduce = addStep(p, "reduce");
    reduce.set_async(true);
    reduce.mutable_collective()->set_combiner("sum");
    *reduce.mutable_collective()->mutable_input() = view(part);
    *reduce.mutable_collective()->mutable_output() = view(sum);
    addKernel(p, "norm", {h}, norm);
    addStep(p, "wait").mutable_wait()->set_step(2);
    addKernel(p, "add", {sum, norm}, h);
    if (stage + 1 == shape_.pp)
      addKernel(p, "store", {h}, addPortBuffer(p, plan::Buffer::OUTPUT, 0));
    else
      addTransfer(p, "send", true, 0, stage + 1, h);
  }

  void addBackward(int stage) {
    plan::Program& p = *plan.add_programs();
    p.set_name("backward" + std::to_string(stage));
    uint32_t d = addBuffer(p, "d", 0, 1), e = addBuffer(p, "e", 1, 2);
    if (stage + 1 == shape_.pp)
      addKernel(p, "seed", {}, d);
    else
      addTransfer(p, "receive", false, 1, stage + 1, d);
    addKernel(p, "gradient", {d}, e);
    if (stage == 0)
      addKernel(p, "store", {e}, addPortBuffer(p, plan::Buffer::OUTPUT, 1));
    else
      addTransfer(p, "send", true, 1, stage - 1, e);
  }

  void addEntry() {
    plan::Entry& entry = *plan.add_entries();
    entry.set_name("main");
    entry.set_microbatches(static_cast<uint32_t>(shape_.microbatches));
    entry.set_microbatch_symbol("batch");
    std::vector<ActionList> actions =
        std::move(*makeSchedule(shape_.schedule, {shape_.pp, shape_.microbatches, 1, shape_.form}));
    for (int s = 0; s < shape_.pp; ++s) {
      plan::Entry::StagePrograms& stage = *entry.add_stages();
      stage.add_chunks(static_cast<uint32_t>(s));
      if (isTraining()) stage.add_chunks(static_cast<uint32_t>(shape_.pp + s));
      for (plan::Entry::Action a : actions[static_cast<size_t>(s)]) {
        a.set_chunk(a.kind() == plan::Entry::Action::FORWARD ? 0 : 1);  // each program is a chunk of its own
        *stage.add_actions() = a;
      }
    }
  }

  PipelineShape shape_;
};

}  // namespace shardwright
