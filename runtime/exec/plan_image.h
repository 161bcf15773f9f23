// Owns what all ranks of a process share of one plan: its message, its expression table, its generated code. It checks
// nothing (runtime/plan does) and holds nothing that differs between ranks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/kernels/kernel.h"
#include "runtime/plan/expr_table.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

class PlanImage {
 public:
  // Compiles the expressions and loads "code.so", where the plan has one.
  static StatusOr<std::shared_ptr<const PlanImage>> make(plan::Plan plan, std::string folder);
  ~PlanImage();
  PlanImage(const PlanImage&) = delete;

  const plan::Plan& plan() const { return plan_; }
  const std::string& folder() const { return folder_; }
  const ExprTable& table() const { return table_; }

  // kUserError if the plan's code has no such function.
  StatusOr<LoopFunction> function(const std::string& name) const;

  // Index into plan().entries, or -1.
  int entryNamed(const std::string& name) const;

 private:
  PlanImage(plan::Plan plan, std::string folder, ExprTable table)
      : plan_(std::move(plan)), folder_(std::move(folder)), table_(std::move(table)) {}
  Status openCode();

  plan::Plan plan_;
  std::string folder_;
  ExprTable table_;
  void* code_ = nullptr;
};

// "step MatMul_3 (nodes /h.0/fc, /h.0/add)".
std::string describeStep(const plan::Step& step);
// "rank 3 (dp=1, tp=0)"; "rank 0" on a mesh without axes.
std::string describeRank(const plan::Mesh& mesh, int rank);
// "dp,tp", with digits as "tp:(2)2".
std::string describeGroup(const plan::Mesh& mesh, const plan::Group& group);

}  // namespace shardwright
