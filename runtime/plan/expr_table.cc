#include "runtime/plan/expr_table.h"

#include <algorithm>
#include <unordered_map>

#include "runtime/base/expr_node.h"
#include "runtime/plan/mesh_ranks.h"

namespace shardwright {

class ExprTable::Compiler {
 public:
  explicit Compiler(ExprTable& table) : table_(table) {
    for (size_t i = 0; i < table.slotNames_.size(); ++i) slots_.emplace(table.slotNames_[i], static_cast<uint32_t>(i));
  }

  // The instruction that computes e; the name of an undeclared symbol is left in missing().
  uint32_t of(Expr e) {
    auto known = nodes_.find(e);
    if (known != nodes_.end()) return known->second;
    uint32_t sum = 0;
    bool isFirst = true;
    for (const Term& t : e.node()->terms) {
      uint32_t term = ofTerm(t);
      sum = isFirst ? term : emit({Op::kAdd, sum, term});
      isFirst = false;
    }
    if (isFirst) sum = emit({Op::kConstant, 0, 0, 0});
    // A poisoned expression fails when it is evaluated: 1 divided by 0.
    if (e.node()->poisoned) sum = emit({Op::kFloorDiv, sum, sum});
    nodes_.emplace(e, sum);
    return sum;
  }

  const std::string& missing() const { return missing_; }

 private:
  uint32_t emit(Instruction instruction) {
    table_.code_.push_back(instruction);
    return static_cast<uint32_t>(table_.code_.size() - 1);
  }

  uint32_t ofTerm(const Term& term) {
    uint32_t result = 0;
    bool isFirst = true;
    if (term.coefficient != 1 || term.monomial->factors.empty()) {
      result = emit({Op::kConstant, 0, 0, term.coefficient});
      isFirst = false;
    }
    for (const AtomPower& f : term.monomial->factors) {
      uint32_t base = ofAtom(f.atom);
      for (int i = 0; i < f.power; ++i) {
        result = isFirst ? base : emit({Op::kMul, result, base});
        isFirst = false;
      }
    }
    return result;
  }

  uint32_t ofAtom(const Atom* atom) {
    auto known = atoms_.find(atom);
    if (known != atoms_.end()) return known->second;
    uint32_t result;
    if (atom->kind == Atom::Kind::kSymbol) {
      auto slot = slots_.find(atom->name);
      if (slot == slots_.end()) missing_ = atom->name;
      result = emit({Op::kSlot, slot == slots_.end() ? 0 : slot->second});
    } else {
      Op op = atom->kind == Atom::Kind::kFloorDiv ? Op::kFloorDiv
              : atom->kind == Atom::Kind::kMin    ? Op::kMin
                                                  : Op::kMax;
      result = of(atom->args[0]);
      for (size_t i = 1; i < atom->args.size(); ++i) {
        uint32_t next = of(atom->args[i]);
        result = emit({op, result, next});
      }
    }
    atoms_.emplace(atom, result);
    return result;
  }

  ExprTable& table_;
  std::unordered_map<std::string, uint32_t> slots_;
  std::unordered_map<Expr, uint32_t> nodes_;         // looked up only
  std::unordered_map<const Atom*, uint32_t> atoms_;  // looked up only
  std::string missing_;
};

StatusOr<ExprTable> ExprTable::make(const plan::Plan& plan) {
  ExprTable table;
  table.mesh_ = plan.mesh();
  for (const plan::Symbol& symbol : plan.symbols()) {
    table.slotNames_.push_back(symbol.name());
    table.assumed_.push_back(symbol.assumed());
  }
  for (const plan::Mesh::Axis& axis : plan.mesh().axes()) table.slotNames_.push_back("@" + axis.name());
  Compiler compiler(table);
  for (int i = 0; i < plan.exprs_size(); ++i) {
    SW_ASSIGN_OR_RETURN(Expr e, Expr::parse(plan.exprs(i)));
    table.exprs_.push_back(e);
    table.roots_.push_back(compiler.of(e));
    if (compiler.missing().empty()) continue;
    return userError("expression " + std::to_string(i) + ", " + plan.exprs(i) + ": found symbol \"" +
                     compiler.missing() + "\"; the plan declares no symbol or mesh axis of that name");
  }
  table.dependents_.resize(table.slotNames_.size());
  std::vector<std::vector<bool>> depends(table.slotNames_.size(), std::vector<bool>(table.code_.size(), false));
  for (size_t slot = 0; slot < table.slotNames_.size(); ++slot) {
    for (size_t i = 0; i < table.code_.size(); ++i) {
      const Instruction& in = table.code_[i];
      bool itself = in.op == Op::kSlot && in.a == slot;
      bool through = in.op != Op::kSlot && in.op != Op::kConstant && (depends[slot][in.a] || depends[slot][in.b]);
      if (!itself && !through) continue;
      depends[slot][i] = true;
      table.dependents_[slot].push_back(static_cast<uint32_t>(i));
    }
  }
  return table;
}

int ExprTable::slot(std::string_view name) const {
  auto found = std::find(slotNames_.begin(), slotNames_.end(), name);
  return found == slotNames_.end() ? -1 : static_cast<int>(found - slotNames_.begin());
}

void ExprTable::bindCoordinates(int rank, Symbols& symbols) const {
  std::vector<int64_t> coordinates = coordinatesOf(mesh_, rank);
  std::copy(coordinates.begin(), coordinates.end(), symbols.end() - static_cast<std::ptrdiff_t>(coordinates.size()));
}

void ExprTable::bindAssumed(Symbols& symbols) const { std::copy(assumed_.begin(), assumed_.end(), symbols.begin()); }

bool ExprTable::dependsOn(uint32_t index, int slot) const {
  const std::vector<uint32_t>& list = dependents_[static_cast<size_t>(slot)];
  return std::binary_search(list.begin(), list.end(), roots_[index]);
}

inline int64_t ExprTable::step(const Instruction& in, const Symbols& symbols, const int64_t* registers,
                               bool& failed) const {
  if (in.op == Op::kConstant) return in.constant;
  if (in.op == Op::kSlot) return symbols[in.a];
  int64_t a = registers[in.a], b = registers[in.b], result = kUnknown;
  if (a == kUnknown || b == kUnknown) return kUnknown;
  bool bad = false;
  switch (in.op) {
    case Op::kAdd:
      bad = __builtin_add_overflow(a, b, &result);
      break;
    case Op::kMul:
      bad = __builtin_mul_overflow(a, b, &result);
      break;
    case Op::kFloorDiv:
      bad = b < 1;
      if (!bad) result = floorDivide(a, b);
      break;
    case Op::kMin:
      result = std::min(a, b);
      break;
    default:
      result = std::max(a, b);
      break;
  }
  failed = failed || bad;
  return bad ? kUnknown : result;
}

// `values` holds the expressions' values, then every instruction's.
Status ExprTable::evaluate(const Symbols& symbols, std::vector<int64_t>& values) const {
  values.resize(roots_.size() + code_.size());
  int64_t* registers = values.data() + roots_.size();
  bool failed = false;
  for (size_t i = 0; i < code_.size(); ++i) registers[i] = step(code_[i], symbols, registers, failed);
  for (size_t i = 0; i < roots_.size(); ++i) values[i] = registers[roots_[i]];
  return failed ? failure(symbols) : Status();
}

Status ExprTable::update(int slot, const Symbols& symbols, std::vector<int64_t>& values) const {
  int64_t* registers = values.data() + roots_.size();
  bool failed = false;
  for (uint32_t i : dependents_[static_cast<size_t>(slot)]) registers[i] = step(code_[i], symbols, registers, failed);
  for (size_t i = 0; i < roots_.size(); ++i) values[i] = registers[roots_[i]];
  return failed ? failure(symbols) : Status();
}

// Computes only what the expression needs.
int64_t ExprTable::evaluateInto(uint32_t at, const Symbols& symbols, Registers& registers, bool& failed) const {
  auto known = registers.find(at);
  if (known != registers.end()) return known->second;
  const Instruction& in = code_[at];
  int64_t operands[2] = {0, 0};
  if (in.op != Op::kConstant && in.op != Op::kSlot) {
    operands[0] = evaluateInto(in.a, symbols, registers, failed);
    operands[1] = evaluateInto(in.b, symbols, registers, failed);
  }
  Instruction local = in;
  if (in.op != Op::kSlot) local.a = 0, local.b = 1;
  return registers[at] = step(local, symbols, operands, failed);
}

StatusOr<int64_t> ExprTable::evaluateOne(uint32_t index, const Symbols& symbols) const {
  Registers registers;
  bool failed = false;
  int64_t value = evaluateInto(roots_[index], symbols, registers, failed);
  return failed ? StatusOr<int64_t>(failure(exprs_[index], symbols)) : value;
}

namespace {
Status overflowIn(const std::string& what) {
  return userError(what + ": a value on the way does not fit in 64 bits, or a divisor is below 1; use other sizes");
}
}  // namespace

Status ExprTable::failure(Expr e, const Symbols& symbols) const {
  Bindings bindings;
  for (size_t i = 0; i < symbols.size(); ++i)
    if (symbols[i] != kUnknown) bindings[slotNames_[i]] = symbols[i];
  for (const std::string& name : e.symbols())
    if (bindings.find(name) == bindings.end()) return overflowIn(e.str());
  StatusOr<int64_t> value = e.evaluate(bindings);
  return value.ok() ? overflowIn(e.str()) : value.status();
}

// Names the first expression that fails.
Status ExprTable::failure(const Symbols& symbols) const {
  for (uint32_t i = 0; i < exprs_.size(); ++i) {
    StatusOr<int64_t> value = evaluateOne(i, symbols);
    if (!value.ok()) return value.status();
  }
  return overflowIn("an expression of the plan");
}

}  // namespace shardwright
