#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

using Views = google::protobuf::RepeatedPtrField<plan::View>;

void addAll(const Views& views, Access access, const char* role, std::vector<StepView>& to) {
  for (int i = 0; i < views.size(); ++i)
    if (!views[i].absent()) to.push_back({&views[i], access, role, i});
}

void addOne(bool present, const plan::View& view, Access access, const char* role, std::vector<StepView>& to) {
  if (present && !view.absent()) to.push_back({&view, access, role, 0});
}

void addCall(const plan::CallStep& call, std::vector<StepView>& to) {
  addOne(call.has_condition(), call.condition(), Access::kRead, "condition", to);
  addOne(call.has_trip_count(), call.trip_count(), Access::kRead, "trip count", to);
  addAll(call.carried(), Access::kRead, "carried value", to);
  addAll(call.captures(), Access::kReadWrite, "capture", to);
  addAll(call.outputs(), Access::kWrite, "output", to);
}

}  // namespace

std::vector<StepView> viewsOf(const plan::Step& step) {
  std::vector<StepView> views;
  switch (step.kind_case()) {
    case plan::Step::kKernel:
      addAll(step.kernel().inputs(), Access::kRead, "input", views);
      addAll(step.kernel().outputs(), Access::kWrite, "output", views);
      break;
    case plan::Step::kCollective:
      addOne(true, step.collective().input(), Access::kRead, "input", views);
      addOne(true, step.collective().output(), Access::kWrite, "output", views);
      break;
    case plan::Step::kTransfer: {
      Access access = step.transfer().send() ? Access::kRead : Access::kWrite;
      addOne(true, step.transfer().view(), access, "view", views);
      break;
    }
    case plan::Step::kBind:
      addOne(true, step.bind().view(), Access::kRead, "view", views);
      break;
    case plan::Step::kCall:
      addCall(step.call(), views);
      break;
    default:
      break;
  }
  return views;
}

std::vector<uint32_t> exprsOf(const plan::Step& step) {
  std::vector<uint32_t> exprs;
  for (const StepView& v : viewsOf(step)) {
    exprs.push_back(v.view->offset());
    exprs.insert(exprs.end(), v.view->dims().begin(), v.view->dims().end());
    exprs.insert(exprs.end(), v.view->strides().begin(), v.view->strides().end());
  }
  for (const plan::Attr& attr : step.kernel().attrs()) {
    if (attr.value_case() == plan::Attr::kExpr) exprs.push_back(attr.expr());
    exprs.insert(exprs.end(), attr.exprs().v().begin(), attr.exprs().v().end());
  }
  if (step.has_transfer()) exprs.push_back(step.transfer().peer());
  if (step.has_collective())
    exprs.insert(exprs.end(), {step.collective().part(), step.collective().split_part(), step.collective().peer()});
  return exprs;
}

const char* stepKindName(const plan::Step& step) {
  switch (step.kind_case()) {
    case plan::Step::kKernel:
      return "kernel";
    case plan::Step::kCollective:
      return "collective";
    case plan::Step::kTransfer:
      return "transfer";
    case plan::Step::kWait:
      return "wait";
    case plan::Step::kBind:
      return "bind";
    case plan::Step::kCall:
      return "call";
    default:
      return "none";
  }
}

const char* collectiveKindName(plan::CollectiveStep::Kind kind) {
  switch (kind) {
    case plan::CollectiveStep::ALL_REDUCE:
      return "all-reduce";
    case plan::CollectiveStep::ALL_GATHER:
      return "all-gather";
    case plan::CollectiveStep::REDUCE_SCATTER:
      return "reduce-scatter";
    case plan::CollectiveStep::ALL_TO_ALL:
      return "all-to-all";
    case plan::CollectiveStep::BROADCAST:
      return "broadcast";
    default:
      return "permute";
  }
}

}  // namespace shardwright
