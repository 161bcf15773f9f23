// Owns the tables of a plan while it is made: expressions, groups, mesh and shardings, each entry once. It does not own
// programs; see program_emitter.h.
#pragma once

#include <map>
#include <unordered_map>

#include "compiler/dist/sharding.h"
#include "compiler/dist/stage_form.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

class PlanTables {
 public:
  // `mesh` is that of one stage of the pipeline, which all values are sharded over. With microbatches, `renamed` says what
  // the symbols of programs are in the plan.
  PlanTables(plan::Plan& plan, const Mesh& mesh, const Pipeline& pipeline, std::map<std::string, Expr> renamed);

  const Mesh& mesh() const { return mesh_; }
  plan::Plan& plan() { return plan_; }

  // Index into Plan.exprs; 0 and 1 are the numbers 0 and 1.
  uint32_t expr(Expr e);
  // Index into Plan.groups.
  uint32_t group(llvm::ArrayRef<SubAxis> axes);
  // Index into Plan.weight_sets of the files for a value of this chunk split over these axes.
  uint32_t weightSet(llvm::ArrayRef<SubAxis> axes, int64_t chunk);
  // The rank with this one's coordinates in the stage that runs a chunk.
  Expr rankInStageOf(int64_t chunk) const;

  void write(const Sharding& sharding, plan::Sharding& to);

 private:
  void writeAxes(llvm::ArrayRef<SubAxis> axes, google::protobuf::RepeatedPtrField<plan::SubAxis>* to) const;

  plan::Plan& plan_;
  Mesh mesh_;
  Pipeline pipeline_;
  std::map<std::string, Expr> renamed_;
  std::unordered_map<Expr, uint32_t> exprs_;
  std::map<std::string, uint32_t> groups_, weightSets_;
};

}  // namespace shardwright
