#include "passes/lower/fusion_groups.h"

#include <algorithm>

#include "compiler/analysis/constant_values.h"
#include "compiler/ops/row.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace shardwright {
namespace {

// Beyond these a nest no longer fits in registers, or compiles slowly.
constexpr size_t kMaxOps = 64, kMaxOperands = 24;

bool sameDims(llvm::ArrayRef<Expr> a, llvm::ArrayRef<Expr> b, const Facts& facts) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && !facts.provablyEqual(a[i], b[i])) return false;
  return true;
}

// What grouping needs to know of an op: its loop dims, and, of a reduction, the dims it runs over.
struct Candidate {
  Exprs space;                 // the result's dims, of a reduction the operand's
  std::vector<int64_t> inner;  // of a reduction
  bool isReduction = false;
};

std::optional<Candidate> candidateOf(mlir::Operation* op, const Facts& facts) {
  const Row* row = rowOf(op);
  if (!row || op->getNumResults() == 0) return std::nullopt;
  for (mlir::Value operand : op->getOperands())
    if (dtypeOf(operand.getType()) == DType::kString) return std::nullopt;
  Candidate candidate;
  if (std::holds_alternative<ScalarBody>(row->lowering)) {
    candidate.space = dimsOf(op->getResult(0).getType());
    return candidate;
  }
  if (const auto* reduce = std::get_if<ReduceBody>(&row->lowering)) {
    candidate.isReduction = true;
    candidate.space = dimsOf(op->getOperand(0).getType());
    for (int axis : reduce->axes(OpView(op, facts))) candidate.inner.push_back(axis);
    std::sort(candidate.inner.begin(), candidate.inner.end());
    return candidate;
  }
  return std::nullopt;
}

class Grouping {
 public:
  Grouping(mlir::Block& block, const Facts& facts) : block_(block), facts_(facts), constants_(block) {}

  std::vector<FusionGroup> run() {
    int position = 0;
    for (mlir::Operation& op : block_) position_[&op] = position++;
    for (mlir::Operation& op : block_)
      if (std::optional<Candidate> candidate = candidateOf(&op, facts_)) place(&op, *candidate);
    std::vector<FusionGroup> result;
    for (FusionGroup& group : groups_)
      if (!group.ops.empty()) result.push_back(std::move(group));
    return result;
  }

 private:
  void place(mlir::Operation* op, const Candidate& candidate) {
    bool constant = constants_.contains(op);
    int chosen = -1;
    for (int g : producerGroups(op)) {
      if (chosen == -1 && groups_[g].constant == constant && canJoin(op, candidate, g)) {
        join(op, candidate, g);
        chosen = g;
      } else if (chosen != -1 && canMerge(chosen, g)) {
        merge(chosen, g);
      }
    }
    if (chosen != -1) return;
    groupOf_[op] = static_cast<int>(groups_.size());
    groups_.push_back({{op}, candidate.space, candidate.inner, constant});
  }

  // Groups of the operands' ops, the latest first.
  std::vector<int> producerGroups(mlir::Operation* op) const {
    std::vector<int> found;
    for (mlir::Value operand : op->getOperands()) {
      auto it = groupOf_.find(operand.getDefiningOp());
      if (it != groupOf_.end() && std::find(found.begin(), found.end(), it->second) == found.end())
        found.push_back(it->second);
    }
    std::sort(found.begin(), found.end(), [&](int a, int b) { return last(a) > last(b); });
    return found;
  }

  int first(int g) const { return position_.lookup(groups_[g].ops.front()); }
  int last(int g) const { return position_.lookup(groups_[g].ops.back()); }

  bool isRowShape(llvm::ArrayRef<Expr> dims, const FusionGroup& group) const {
    if (group.inner.empty() || dims.size() != group.space.size()) return false;
    for (size_t i = 0; i < dims.size(); ++i) {
      bool isInner = std::find(group.inner.begin(), group.inner.end(), static_cast<int64_t>(i)) != group.inner.end();
      if (isInner ? dims[i] != Expr(1) : dims[i] != group.space[i] && !facts_.provablyEqual(dims[i], group.space[i]))
        return false;
    }
    return true;
  }

  bool canJoin(mlir::Operation* op, const Candidate& candidate, int g) const {
    const FusionGroup& group = groups_[g];
    if (group.ops.size() >= kMaxOps || numOperands(group) + op->getNumOperands() > kMaxOperands) return false;
    bool isFull = sameDims(candidate.space, group.space, facts_);
    if (candidate.isReduction) {
      if (!isFull || (!group.inner.empty() && group.inner != candidate.inner)) return false;
    } else if (!isFull && !isRowShape(candidate.space, group)) {
      return false;
    }
    for (mlir::Value operand : op->getOperands()) {
      mlir::Operation* producer = operand.getDefiningOp();
      auto it = producer ? groupOf_.find(producer) : groupOf_.end();
      if (it != groupOf_.end() && it->second == g) {
        // A reduction that dropped its dims lines up with other dims; its readers stay outside.
        if (dimsOf(operand.getType()).size() != group.space.size()) return false;
      } else if (producer && reaches(producer, g)) {
        return false;
      }
    }
    return true;
  }

  static size_t numOperands(const FusionGroup& group) {
    llvm::DenseSet<mlir::Value> values;
    for (mlir::Operation* op : group.ops) values.insert(op->operand_begin(), op->operand_end());
    return values.size();
  }

  void join(mlir::Operation* op, const Candidate& candidate, int g) {
    groups_[g].ops.push_back(op);
    if (candidate.isReduction) groups_[g].inner = candidate.inner;
    groupOf_[op] = g;
  }

  bool canMerge(int a, int b) const {
    const FusionGroup &ga = groups_[a], &gb = groups_[b];
    if (ga.constant != gb.constant || ga.ops.size() + gb.ops.size() > kMaxOps) return false;
    if (numOperands(ga) + numOperands(gb) > kMaxOperands || !sameDims(ga.space, gb.space, facts_)) return false;
    if (!ga.inner.empty() && !gb.inner.empty() && ga.inner != gb.inner) return false;
    if (dropsDims(ga) || dropsDims(gb)) return false;
    return !reachesThroughOthers(a, b) && !reachesThroughOthers(b, a);
  }

  bool dropsDims(const FusionGroup& group) const {
    return std::any_of(group.ops.begin(), group.ops.end(), [&](mlir::Operation* op) {
      return dimsOf(op->getResult(0).getType()).size() != group.space.size();
    });
  }

  void merge(int into, int from) {
    FusionGroup &target = groups_[into], &source = groups_[from];
    for (mlir::Operation* op : source.ops) groupOf_[op] = into;
    target.ops.insert(target.ops.end(), source.ops.begin(), source.ops.end());
    std::sort(target.ops.begin(), target.ops.end(),
              [&](auto* a, auto* b) { return position_.lookup(a) < position_.lookup(b); });
    if (target.inner.empty()) target.inner = source.inner;
    source.ops.clear();
  }

  // Whether `op`, which is not in group g, depends on it, seeing every other group as one node.
  bool reaches(mlir::Operation* op, int g) const {
    llvm::DenseSet<mlir::Operation*> seen;
    std::vector<mlir::Operation*> stack{op};
    return search(stack, seen, g);
  }

  // Whether group `to` depends on group `from` by a path that leaves both.
  bool reachesThroughOthers(int from, int to) const {
    llvm::DenseSet<mlir::Operation*> seen;
    std::vector<mlir::Operation*> stack;
    for (mlir::Operation* op : groups_[to].ops) {
      seen.insert(op);
      for (mlir::Value operand : op->getOperands())
        if (mlir::Operation* producer = operand.getDefiningOp()) {
          auto it = groupOf_.find(producer);
          if (it == groupOf_.end() || (it->second != from && it->second != to)) stack.push_back(producer);
        }
    }
    return search(stack, seen, from);
  }

  bool search(std::vector<mlir::Operation*>& stack, llvm::DenseSet<mlir::Operation*>& seen, int g) const {
    while (!stack.empty()) {
      mlir::Operation* op = stack.back();
      stack.pop_back();
      auto it = groupOf_.find(op);
      if (it != groupOf_.end() && it->second == g) return true;
      if (!seen.insert(op).second) continue;
      // What lies wholly before the group's first op cannot depend on it.
      int latest = it != groupOf_.end() ? last(it->second) : position_.lookup(op);
      if (latest < first(g)) continue;
      if (it == groupOf_.end()) {
        pushProducers(op, stack);
      } else {
        for (mlir::Operation* member : groups_[it->second].ops) {
          seen.insert(member);
          pushProducers(member, stack);
        }
      }
    }
    return false;
  }

  static void pushProducers(mlir::Operation* op, std::vector<mlir::Operation*>& stack) {
    for (mlir::Value operand : op->getOperands())
      if (mlir::Operation* producer = operand.getDefiningOp()) stack.push_back(producer);
  }

  mlir::Block& block_;
  const Facts& facts_;
  ConstantValues constants_;
  std::vector<FusionGroup> groups_;
  llvm::DenseMap<mlir::Operation*, int> groupOf_, position_;
};

}  // namespace

std::vector<FusionGroup> findFusionGroups(mlir::Block& block, const Facts& facts) {
  return Grouping(block, facts).run();
}

}  // namespace shardwright
