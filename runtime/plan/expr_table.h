// Owns the evaluation of a plan's expressions: the table is compiled once to a flat list of instructions, in which equal
// subexpressions are one, and run once per rank and set of sizes. It does not own what the values mean.
//
//   SW_ASSIGN_OR_RETURN(ExprTable table, ExprTable::make(plan));
//   ExprTable::Symbols symbols = table.noSymbols();
//   table.bindCoordinates(rank, symbols);
//   symbols[table.slot("batch")] = 8;
//   std::vector<int64_t> values;
//   SW_RETURN_IF_ERROR(table.evaluate(symbols, values));   // values[i] belongs to plan.exprs(i)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/expr.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

class ExprTable {
 public:
  // The value of what depends on a symbol that is not bound yet.
  static constexpr int64_t kUnknown = INT64_MIN;

  // A value per slot: Plan.symbols in their order, then the coordinates of Mesh.axes; kUnknown where unbound.
  using Symbols = std::vector<int64_t>;

  // kUserError if an expression cannot be parsed or names a symbol that the plan does not declare.
  static StatusOr<ExprTable> make(const plan::Plan& plan);

  size_t size() const { return roots_.size(); }
  Expr expr(uint32_t index) const { return exprs_[index]; }

  Symbols noSymbols() const { return Symbols(slotNames_.size(), kUnknown); }
  // -1 if there is none of the name.
  int slot(std::string_view name) const;
  const std::string& slotName(int slot) const { return slotNames_[static_cast<size_t>(slot)]; }
  void bindCoordinates(int rank, Symbols& symbols) const;
  // The symbols' assumed values; run-time symbols too, at theirs.
  void bindAssumed(Symbols& symbols) const;

  // values[i] := expression i, kUnknown where a symbol of it is unbound (behind size() values lie those of the
  // instructions). The first expression that overflows or divides by less than 1 is the failure returned. Allocates
  // nothing once `values` has been through it.
  Status evaluate(const Symbols& symbols, std::vector<int64_t>& values) const;

  // One expression under other symbols, e.g. a peer's coordinates; allocates. kUnknown as above.
  StatusOr<int64_t> evaluateOne(uint32_t index, const Symbols& symbols) const;

  // After a run-time symbol was bound: recomputes what depends on it, in values that evaluate() has filled.
  Status update(int slot, const Symbols& symbols, std::vector<int64_t>& values) const;

  // Whether expression `index` depends on the slot.
  bool dependsOn(uint32_t index, int slot) const;

 private:
  enum class Op : uint8_t { kConstant, kSlot, kAdd, kMul, kFloorDiv, kMin, kMax };
  struct Instruction {
    Op op;
    uint32_t a = 0, b = 0;  // earlier instructions; a: the slot of kSlot
    int64_t constant = 0;
  };
  class Compiler;

  int64_t step(const Instruction& instruction, const Symbols& symbols, const int64_t* registers, bool& failed) const;
  using Registers = std::unordered_map<uint32_t, int64_t>;
  int64_t evaluateInto(uint32_t at, const Symbols& symbols, Registers& registers, bool& failed) const;
  Status failure(const Symbols& symbols) const;
  Status failure(Expr e, const Symbols& symbols) const;

  plan::Mesh mesh_;
  std::vector<int64_t> assumed_;
  std::vector<std::string> slotNames_;
  std::vector<Expr> exprs_;
  std::vector<Instruction> code_;
  std::vector<uint32_t> roots_;                    // per expression: its instruction
  std::vector<std::vector<uint32_t>> dependents_;  // per slot: instructions that depend on it, ascending
};

}  // namespace shardwright
