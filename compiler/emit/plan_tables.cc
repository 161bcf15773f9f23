#include "compiler/emit/plan_tables.h"

#include <algorithm>
#include <cctype>

namespace shardwright {
namespace {

std::string joined(llvm::ArrayRef<SubAxis> axes, const Mesh& mesh) {
  std::string text;
  for (const SubAxis& sub : axes) text += (text.empty() ? "" : ",") + mesh.str(sub);
  return text;
}

// "tp:(2)4" as part of a file's name: "tp-2-4".
std::string fileName(std::string text) {
  for (char& c : text)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '-';
  text.erase(std::unique(text.begin(), text.end(), [](char a, char b) { return a == '-' && b == '-'; }), text.end());
  return text;
}

}  // namespace

PlanTables::PlanTables(plan::Plan& plan, const Mesh& mesh, const Pipeline& pipeline,
                       std::map<std::string, Expr> renamed)
    : plan_(plan), mesh_(mesh), pipeline_(pipeline), renamed_(std::move(renamed)) {
  expr(0);
  expr(1);
  for (const MeshAxis& axis : pipeline_.mesh.axes()) {
    plan::Mesh::Axis* added = plan_.mutable_mesh()->add_axes();
    added->set_name(axis.name);
    added->set_size(axis.size);
  }
}

// The plan's mesh has the axis pp, the shardings' mesh has not.
void PlanTables::writeAxes(llvm::ArrayRef<SubAxis> axes, google::protobuf::RepeatedPtrField<plan::SubAxis>* to) const {
  for (const SubAxis& sub : axes) {
    plan::SubAxis* added = to->Add();
    added->set_axis(static_cast<uint32_t>(pipeline_.mesh.axisIndex(mesh_.axes()[sub.axis].name)));
    added->set_pre(sub.pre);
    added->set_size(sub.size);
  }
}

Expr PlanTables::rankInStageOf(int64_t chunk) const {
  Expr rank = 0;
  for (const MeshAxis& axis : pipeline_.mesh.axes())
    rank =
        rank * Expr(axis.size) + (axis.name == "pp" ? Expr(chunk % pipeline_.stages) : Expr::symbol("@" + axis.name));
  return rank;
}

uint32_t PlanTables::expr(Expr e) {
  if (!renamed_.empty()) e = e.substitute(renamed_);
  auto [it, isNew] = exprs_.try_emplace(e, plan_.exprs_size());
  if (isNew) plan_.add_exprs(e.str());
  return it->second;
}

uint32_t PlanTables::group(llvm::ArrayRef<SubAxis> axes) {
  auto [it, isNew] = groups_.try_emplace(joined(axes, mesh_), plan_.groups_size());
  if (isNew) writeAxes(axes, plan_.add_groups()->mutable_axes());
  return it->second;
}

uint32_t PlanTables::weightSet(llvm::ArrayRef<SubAxis> axes, int64_t chunk) {
  std::string name = axes.empty() ? "all" : fileName(joined(axes, mesh_));
  std::string stage = pipeline_.stages > 1 ? "stage" + std::to_string(chunk % pipeline_.stages) + "-" : "";
  auto [it, isNew] = weightSets_.try_emplace(stage + joined(axes, mesh_), plan_.weight_sets_size());
  if (isNew) {
    plan::WeightSet* set = plan_.add_weight_sets();
    set->set_name(stage + name);
    set->set_index(expr(mesh_.coordinate(axes)));
    set->set_count(sizeOf(axes));
  }
  return it->second;
}

void PlanTables::write(const Sharding& sharding, plan::Sharding& to) {
  for (const DimSharding& dim : sharding.dims) {
    plan::DimSharding* addedDim = to.add_dims();
    for (const DimSplit& split : dim.factors) {
      plan::DimSplit* added = addedDim->add_factors();
      added->set_extent(expr(split.extent));
      writeAxes(split.axes, added->mutable_axes());
      if (!split.axes.empty()) added->set_granules(expr(split.granules));
    }
  }
  if (sharding.combiner == PartialKind::kNone) return;
  writeAxes(sharding.partial, to.mutable_partial());
  static const std::map<PartialKind, const char*> kNames = {
      {PartialKind::kSum, "sum"}, {PartialKind::kMax, "max"}, {PartialKind::kMin, "min"}, {PartialKind::kProd, "prod"}};
  to.set_combiner(kNames.at(sharding.combiner));
}

}  // namespace shardwright
