#include "runtime/session/trace.h"

#include <algorithm>

#include "runtime/exec/plan_image.h"
#include "runtime/plan/plan_io.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

void describe(const plan::Plan& plan, const plan::Program& program, const plan::Step& step, TracedEvent& traced) {
  if (step.has_kernel()) traced.op = step.kernel().kernel();
  if (step.has_transfer()) traced.op = step.transfer().send() ? "send" : "receive";
  if (step.has_collective()) {
    const plan::CollectiveStep& collective = step.collective();
    traced.op = collectiveKindName(collective.kind());
    traced.axes = describeGroup(plan.mesh(), plan.groups(static_cast<int>(collective.group())));
  }
  if (step.has_wait()) describe(plan, program, program.steps(static_cast<int>(step.wait().step())), traced);
}

TracedEvent traced(const plan::Plan& plan, const TraceEvent& event, int64_t origin) {
  TracedEvent result;
  result.run = event.run, result.microbatch = event.microbatch, result.chunk = event.chunk;
  result.begin = event.begin - origin, result.end = event.end - origin;
  result.bytes = event.bytes;
  if (!event.step) {
    result.kind = event.program->sub_program() ? "program" : "chunk";
    result.name = event.program->name() + " of microbatch " + std::to_string(event.microbatch);
    return result;
  }
  result.kind = stepKindName(*event.step);
  result.name = event.step->name();
  result.nodes.assign(event.step->nodes().begin(), event.step->nodes().end());
  describe(plan, *event.program, *event.step, result);
  return result;
}

}  // namespace

Trace traceOf(const plan::Plan& plan, const std::vector<const RankTrace*>& ranks, int64_t clockError) {
  Trace trace;
  trace.fingerprint = planFingerprint(plan);
  trace.clockError = clockError;
  int64_t origin = INT64_MAX;
  for (const RankTrace* rank : ranks)
    for (const TraceEvent& event : rank->events()) origin = std::min(origin, event.begin);
  for (const RankTrace* rank : ranks) {
    std::vector<TracedEvent>& events = trace.ranks.emplace_back();
    events.reserve(rank->events().size());
    // They were noted as they ended, what lies in another before it.
    for (auto event = rank->events().rbegin(); event != rank->events().rend(); ++event)
      events.push_back(traced(plan, *event, origin));
    std::stable_sort(events.begin(), events.end(), [](const TracedEvent& a, const TracedEvent& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
    });
  }
  return trace;
}

}  // namespace shardwright
