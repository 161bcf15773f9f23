#include "runtime/plan/report.h"

#include <algorithm>
#include <set>

#include "runtime/base/dtype.h"
#include "runtime/plan/expr_table.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/packer.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

class Reporter {
 public:
  Reporter(const plan::Plan& plan, ExprTable table) : plan_(plan), table_(std::move(table)) {}

  StatusOr<PlanReport> run(const std::string& entryName) {
    report_.producer = plan_.producer();
    report_.model = plan_.model();
    report_.target = plan_.target().kind() + (plan_.target().cpu().empty() ? "" : ":" + plan_.target().cpu());
    for (const plan::Mesh::Axis& axis : plan_.mesh().axes()) report_.mesh.emplace_back(axis.name(), axis.size());
    for (const plan::Symbol& s : plan_.symbols())
      if (!s.run_time()) report_.assumed.emplace_back(s.name(), s.assumed());
    for (const plan::Port& p : plan_.inputs()) report_.inputs.push_back(port(p));
    for (const plan::Port& p : plan_.outputs()) report_.outputs.push_back(port(p));
    report_.memoryLimitBytes = plan_.memory_limit_bytes();
    SW_RETURN_IF_ERROR(chooseEntry(entryName));
    for (int rank = 0; rank < numRanks(plan_.mesh()); ++rank) SW_RETURN_IF_ERROR(addRank(rank));
    for (int stage = 0; stage < numStages(plan_.mesh()); ++stage) SW_RETURN_IF_ERROR(addStage(stage));
    for (const plan::Expected& e : plan_.expected())
      report_.predictedSeconds = std::max(report_.predictedSeconds, e.seconds());
    addSchedule();
    return std::move(report_);
  }

 private:
  Status chooseEntry(const std::string& name) {
    for (const plan::Entry& e : plan_.entries()) {
      report_.entries.push_back(e.name());
      bool wanted = name.empty() ? e.name() != "init" : e.name() == name;
      if (wanted && !entry_) entry_ = &e;
    }
    if (!entry_) {
      std::string known;
      for (const std::string& e : report_.entries) known += (known.empty() ? "" : ", ") + e;
      return userError("found no entry '" + name + "'; the plan has " + known);
    }
    report_.entry = entry_->name();
    return Status();
  }

  std::vector<std::string> axesOf(const google::protobuf::RepeatedPtrField<plan::SubAxis>& axes) const {
    std::vector<std::string> names;
    for (const plan::SubAxis& a : axes) names.push_back(subAxisText(plan_.mesh(), a));
    return names;
  }

  PortReport port(const plan::Port& p) const {
    PortReport result{p.name(), std::string(dtypeName(static_cast<DType>(p.dtype()))), {}, {}};
    for (int i = 0; i < p.dims_size(); ++i) {
      result.shape.push_back(plan_.exprs(static_cast<int>(p.dims(i))));
      std::vector<std::string>& axes = result.sharding.emplace_back();
      if (i >= p.sharding().dims_size()) continue;
      for (const plan::DimSplit& split : p.sharding().dims(i).factors())
        for (std::string& axis : axesOf(split.axes())) axes.push_back(std::move(axis));
    }
    return result;
  }

  Status evaluate(int rank) {
    ExprTable::Symbols symbols = table_.noSymbols();
    table_.bindAssumed(symbols);
    table_.bindCoordinates(rank, symbols);
    return table_.evaluate(symbols, values_);
  }

  Status addRank(int rank) {
    SW_RETURN_IF_ERROR(evaluate(rank));
    RankReport r;
    r.rank = rank;
    r.stage = stageOf(plan_.mesh(), rank);
    std::vector<int64_t> at = coordinatesOf(plan_.mesh(), rank);
    for (int i = 0; i < plan_.mesh().axes_size(); ++i)
      r.coordinates[plan_.mesh().axes(i).name()] = at[static_cast<size_t>(i)];
    r.memory = memoryOfRank(plan_, {entry_}, r.stage, values_);
    report_.ranks.push_back(std::move(r));
    return Status();
  }

  Status addStage(int stage) {
    SW_RETURN_IF_ERROR(evaluate(lastRankOf(plan_.mesh(), stage)));
    StageReport result;
    result.stage = stage;
    int64_t runs = std::max<int64_t>(entry_->microbatches(), 1);
    std::set<std::string> nodes;
    for (const RankReport& rank : report_.ranks) {
      if (rank.stage != stage) continue;
      result.weightBytes = std::max(result.weightBytes, rank.memory.weightBytes);
      result.temporaryBytes = std::max(result.temporaryBytes, rank.memory.peakBytes);
    }
    for (uint32_t program : programsOfStage(plan_, {entry_}, stage)) {
      const plan::Program& p = plan_.programs(static_cast<int>(program));
      result.programs.push_back(p.name());
      for (const plan::Step& s : p.steps()) {
        StepReport reported = step(p, s);
        nodes.insert(reported.nodes.begin(), reported.nodes.end());
        result.predictedSeconds += static_cast<double>(runs) * s.predicted_seconds();
        if (s.has_transfer()) {
          CollectiveTotal& total = result.transfers[reported.op];
          total.count += runs;
          total.bytes += runs * reported.bytes;
          addValue(result.values[{reported.op, reported.peerStage}], reported.value, runs * reported.bytes);
        }
        if (s.has_collective()) {
          CollectiveTotal& total = result.collectives[reported.op];
          total.count += runs;
          total.bytes += runs * reported.bytes;
        }
        result.steps.push_back(std::move(reported));
      }
    }
    result.numNodes = static_cast<int64_t>(nodes.size());
    report_.stages.push_back(std::move(result));
    return Status();
  }

  static void addValue(std::vector<MovedValue>& values, const std::string& name, int64_t bytes) {
    auto known = std::find_if(values.begin(), values.end(), [&](const MovedValue& v) { return v.name == name; });
    if (known == values.end()) known = values.insert(values.end(), {name, 0});
    known->bytes += bytes;
  }

  // How the stages' actions follow one another, if each step takes as long as it is expected to; nothing for lists of
  // another form than the schedules' own.
  void addSchedule() {
    report_.schedule = entry_->schedule();
    report_.microbatches = std::max(entry_->microbatches(), 1u);
    std::vector<ActionList> actions;
    for (const plan::Entry::StagePrograms& stage : entry_->stages())
      actions.emplace_back(stage.actions().begin(), stage.actions().end());
    bool isScheduled =
        std::any_of(actions.begin(), actions.end(), [](const ActionList& list) { return !list.empty(); });
    if (!isScheduled || actions.size() == 1) return;
    ScheduleCosts costs;
    costs.seconds = [&](int stage, const plan::Entry::Action& action) {
      double seconds = 0;
      const plan::Entry::StagePrograms& programs = entry_->stages(stage);
      for (uint32_t program : programsBelow(plan_, programs.chunks(static_cast<int>(action.chunk()))))
        for (const plan::Step& s : plan_.programs(static_cast<int>(program)).steps()) seconds += s.predicted_seconds();
      return seconds;
    };
    StatusOr<SimulatedSchedule> simulated = simulate(actions, costs);
    if (!simulated.ok() || simulated->seconds <= 0) return;
    report_.predictedSeconds = simulated->seconds;
    report_.timeline = std::move(simulated->timeline);
    report_.idleFraction = simulated->idleFraction;
  }

  int64_t bytesOf(const plan::View& v) const {
    int64_t count = 1;
    for (uint32_t dim : v.dims()) count *= std::max<int64_t>(values_[dim], 0);
    return byteSize(static_cast<DType>(v.dtype()), count);
  }

  StepReport step(const plan::Program& program, const plan::Step& s) const {
    StepReport result;
    result.kind = stepKindName(s), result.name = s.name();
    result.nodes.assign(s.nodes().begin(), s.nodes().end());
    if (s.has_kernel()) result.op = s.kernel().kernel();
    if (s.has_transfer()) {
      result.op = s.transfer().send() ? "send" : "receive";
      result.bytes = bytesOf(s.transfer().view());
      result.value = program.buffers(static_cast<int>(s.transfer().view().buffer())).name();
      // Of a rank that the step's guard keeps out, it may be no rank.
      int64_t peer = values_[s.transfer().peer()];
      if (peer >= 0 && peer < numRanks(plan_.mesh())) result.peerStage = stageOf(plan_.mesh(), static_cast<int>(peer));
    }
    if (s.has_collective()) {
      result.op = collectiveKindName(s.collective().kind());
      result.axes = axesOf(plan_.groups(static_cast<int>(s.collective().group())).axes());
      result.bytes = std::max(bytesOf(s.collective().input()), bytesOf(s.collective().output()));
    }
    return result;
  }

  const plan::Plan& plan_;
  ExprTable table_;
  const plan::Entry* entry_ = nullptr;
  std::vector<int64_t> values_;
  PlanReport report_;
};

}  // namespace

StatusOr<PlanReport> reportPlan(const plan::Plan& plan, const std::string& entry) {
  SW_ASSIGN_OR_RETURN(ExprTable table, ExprTable::make(plan));
  return Reporter(plan, std::move(table)).run(entry);
}

}  // namespace shardwright
