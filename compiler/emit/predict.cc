#include "compiler/emit/predict.h"

#include <algorithm>
#include <map>

#include "compiler/target/cost_model.h"
#include "runtime/plan/expr_table.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

class Prediction {
 public:
  Prediction(plan::Plan& plan, ExprTable table, const Machine& machine)
      : plan_(plan), table_(std::move(table)), machine_(machine) {}

  Status run(const std::vector<std::vector<double>>& flops) {
    for (int stage = 0; stage < numStages(plan_.mesh()); ++stage) {
      SW_RETURN_IF_ERROR(evaluate(stage));
      plan::Expected* expected = plan_.add_expected();
      expected->set_stage(static_cast<uint32_t>(stage));
      for (const plan::Entry& entry : plan_.entries()) {
        double seconds = 0;
        for (uint32_t p : entry.stages(stage).chunks()) seconds += programSeconds(p, flops[p]);
        if (entry.name() != "init") expected->set_seconds(seconds * std::max(entry.microbatches(), 1u));
      }
    }
    return Status();
  }

 private:
  Status evaluate(int stage) {
    ExprTable::Symbols symbols = table_.noSymbols();
    table_.bindAssumed(symbols);
    table_.bindCoordinates(lastRankOf(plan_.mesh(), stage), symbols);
    return table_.evaluate(symbols, values_);
  }

  double programSeconds(uint32_t index, const std::vector<double>& flops) {
    plan::Program& program = *plan_.mutable_programs(static_cast<int>(index));
    double now = 0, linkFree = 0;
    std::map<uint32_t, double> done;  // when started collectives are there, by step
    for (int i = 0; i < program.steps_size(); ++i) {
      plan::Step& step = *program.mutable_steps(i);
      bool runs = step.guard() == 0 || values_[step.guard() - 1] != 0;
      double seconds = 0;
      if (runs && step.async() && step.has_collective()) {
        linkFree = std::max(linkFree, now) + timeOf(step.collective()).backgroundSeconds;
        done[static_cast<uint32_t>(i)] = linkFree;
      } else if (runs && step.has_wait() && done.count(step.wait().step()) > 0) {
        const plan::Step& started = program.steps(static_cast<int>(step.wait().step()));
        seconds = std::max(done[step.wait().step()] - now, 0.0) + timeOf(started.collective()).threadSeconds;
      } else if (runs) {
        seconds = secondsOf(step, flops[static_cast<size_t>(i)]);
      }
      step.set_predicted_seconds(seconds);
      now += seconds;
    }
    return now;
  }

  CollectiveTime timeOf(const plan::CollectiveStep& collective) const {
    return collectiveTime(machine_, static_cast<CollectiveCost>(collective.kind()),
                          groupSize(plan_.groups(static_cast<int>(collective.group()))),
                          std::max(bytesOf(collective.input()), bytesOf(collective.output())));
  }

  double bytesOf(const plan::View& view) const {
    if (view.absent()) return 0;
    double count = 1;
    for (int i = 0; i < view.dims_size(); ++i)
      if (values_[view.strides(i)] != 0) count *= static_cast<double>(std::max<int64_t>(values_[view.dims(i)], 0));
    return count * bitWidth(static_cast<DType>(view.dtype())) / 8;
  }

  double secondsOf(const plan::Step& step, double flops) const {
    if (step.has_collective()) {
      CollectiveTime time = timeOf(step.collective());
      return time.backgroundSeconds + time.threadSeconds;
    }
    // A transfer is over for its sender when it is copied out, for its receiver when it is copied in.
    if (step.has_transfer())
      return collectiveSeconds(machine_, CollectiveCost::kPermute, 2, bytesOf(step.transfer().view())) / 2;
    if (!step.has_kernel()) return 0;
    double bytes = 0;
    for (const StepView& view : viewsOf(step)) bytes += bytesOf(*view.view);
    DType dtype = DType::kFloat32;
    if (step.kernel().outputs_size() > 0) dtype = static_cast<DType>(step.kernel().outputs(0).dtype());
    return kernelSeconds(machine_, dtype, flops, bytes);
  }

  plan::Plan& plan_;
  ExprTable table_;
  const Machine& machine_;
  std::vector<int64_t> values_;
};

}  // namespace

Status predictTimes(plan::Plan& plan, const std::vector<std::vector<double>>& flops, const Machine& machine) {
  SW_ASSIGN_OR_RETURN(ExprTable table, ExprTable::make(plan));
  return Prediction(plan, std::move(table), machine).run(flops);
}

}  // namespace shardwright
