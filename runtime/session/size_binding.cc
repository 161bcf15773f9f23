#include "runtime/session/size_binding.h"

#include <algorithm>

namespace shardwright {
namespace {

constexpr int64_t kUnknown = ExprTable::kUnknown;

class Binder {
 public:
  Binder(const plan::Plan& plan, const ExprTable& table, const std::vector<GivenTensor>& inputs)
      : plan_(plan), table_(table), inputs_(inputs), symbols_(table.noSymbols()), origins_(symbols_.size()) {}

  StatusOr<std::vector<int64_t>> run() {
    if (inputs_.size() != static_cast<size_t>(plan_.inputs_size())) {
      return userError("found " + std::to_string(inputs_.size()) + " inputs; the model takes " +
                       std::to_string(plan_.inputs_size()));
    }
    for (int i = 0; i < plan_.inputs_size(); ++i) checkType(i);
    if (!errors_.empty()) return userError(errors_);
    forEachDim([&](int port, int dim, uint32_t expr, int64_t value) { bindSymbol(port, dim, expr, value); });
    // Sizes like past + seq bind the one symbol in them that is left, and then perhaps another one its own.
    for (bool progress = true; progress;) {
      progress = false;
      forEachDim([&](int port, int dim, uint32_t expr, int64_t value) {
        progress = solve(port, dim, expr, value) || progress;
      });
    }
    forEachDim([&](int port, int dim, uint32_t expr, int64_t value) { compare(port, dim, expr, value); });
    for (int i = 0; i < plan_.symbols_size(); ++i) checkRange(plan_.symbols(i), symbols_[static_cast<size_t>(i)]);
    if (!errors_.empty()) return userError(errors_);
    symbols_.resize(static_cast<size_t>(plan_.symbols_size()));
    return symbols_;
  }

 private:
  const plan::Port& port(int index) const { return plan_.inputs(index); }
  std::string where(int index) const { return "input '" + port(index).name() + "'"; }
  std::string where(int index, int dim) const { return where(index) + ", dim " + std::to_string(dim); }
  void fail(const std::string& message) { errors_ += (errors_.empty() ? "" : "\n") + message; }

  template <typename Visit>
  void forEachDim(Visit visit) {
    for (int i = 0; i < plan_.inputs_size(); ++i) {
      const GivenTensor& given = inputs_[static_cast<size_t>(i)];
      if (given.dtype == DType::kUndefined) continue;
      for (int d = 0; d < port(i).dims_size(); ++d) visit(i, d, port(i).dims(d), given.dims[static_cast<size_t>(d)]);
    }
  }

  void checkType(int index) {
    const GivenTensor& given = inputs_[static_cast<size_t>(index)];
    auto dtype = static_cast<DType>(port(index).dtype());
    if (given.dtype == DType::kUndefined) {
      if (!port(index).optional()) fail(where(index) + " is missing; it is " + typeText(index));
      return;
    }
    if (given.dtype != dtype) {
      fail(where(index) + ": found " + std::string(dtypeName(given.dtype)) + "; the model takes " + typeText(index));
    }
    if (given.dims.size() != static_cast<size_t>(port(index).dims_size())) {
      fail(where(index) + ": found dims " + dimsText(given.dims) + "; the model takes " + typeText(index));
    }
  }

  std::string typeText(int index) const {
    return std::string(dtypeName(static_cast<DType>(port(index).dtype()))) + " " + dimsText(plan_, port(index));
  }

  void bindSymbol(int index, int dim, uint32_t expr, int64_t value) {
    Expr e = table_.expr(expr);
    if (!e.isSymbol()) return;
    bind(table_.slot(e.symbolName()), value, where(index, dim));
  }

  void bind(int slot, int64_t value, const std::string& origin) {
    size_t at = static_cast<size_t>(slot);
    if (symbols_[at] == kUnknown) {
      symbols_[at] = value;
      origins_[at] = origin;
    } else if (symbols_[at] != value) {
      fail(origin + ": found " + std::to_string(value) + "; '" + table_.slotName(slot) + "' is " +
           std::to_string(symbols_[at]) + " at " + origins_[at] + ", and one size must have one value");
    }
  }

  // Binds the only unbound symbol of a size that grows evenly with it.
  bool solve(int index, int dim, uint32_t expr, int64_t value) {
    int free = -1;
    for (const std::string& name : table_.expr(expr).symbols()) {
      int slot = table_.slot(name);
      if (symbols_[static_cast<size_t>(slot)] != kUnknown) continue;
      if (free >= 0) return false;
      free = slot;
    }
    if (free < 0) return false;
    auto at = [&](int64_t tried) {
      ExprTable::Symbols symbols = symbols_;
      symbols[static_cast<size_t>(free)] = tried;
      auto result = table_.evaluateOne(expr, symbols);
      return result.ok() ? *result : kUnknown;
    };
    int64_t zero = at(0), one = at(1);
    if (zero == kUnknown || one == kUnknown || one == zero) return false;
    int64_t solution = (value - zero) / (one - zero);
    if (at(solution) != value) return false;
    bind(free, solution, where(index, dim));
    return true;
  }

  void compare(int index, int dim, uint32_t expr, int64_t value) {
    if (table_.expr(expr).isSymbol()) return;
    auto expected = table_.evaluateOne(expr, symbols_);
    if (!expected.ok()) return fail(where(index, dim) + ": " + expected.status().message());
    if (*expected == kUnknown) {
      return fail(where(index, dim) + ": found " + std::to_string(value) + ", from which no value of " +
                  table_.expr(expr).str() + " follows");
    }
    if (*expected == value) return;
    std::string text = table_.expr(expr).str();
    std::string reason = text == std::to_string(*expected) ? "" : " (" + text + ")";
    fail(where(index, dim) + ": found " + std::to_string(value) + "; the plan takes " + std::to_string(*expected) +
         reason);
  }

  void checkRange(const plan::Symbol& symbol, int64_t value) {
    if (symbol.run_time() || value == kUnknown) return;
    const std::string& origin = origins_[static_cast<size_t>(table_.slot(symbol.name()))];
    std::string found = origin + ": '" + symbol.name() + "' is " + std::to_string(value) + "; this plan takes ";
    if (value > symbol.max()) {
      fail(found + "at most " + std::to_string(symbol.max()) + "; compile with --max " + symbol.name() + "=" +
           std::to_string(value));
    } else if (value < symbol.min()) {
      fail(found + "at least " + std::to_string(symbol.min()));
    } else if (symbol.divisor() > 1 && value % symbol.divisor() != 0) {
      fail(found + "multiples of " + std::to_string(symbol.divisor()));
    }
  }

  const plan::Plan& plan_;
  const ExprTable& table_;
  const std::vector<GivenTensor>& inputs_;
  ExprTable::Symbols symbols_;
  std::vector<std::string> origins_;  // by slot: where its value is from
  std::string errors_;
};

ExprTable::Symbols slotsOf(const ExprTable& table, const std::vector<int64_t>& symbolValues) {
  ExprTable::Symbols symbols = table.noSymbols();
  std::copy(symbolValues.begin(), symbolValues.end(), symbols.begin());
  return symbols;
}

}  // namespace

StatusOr<std::vector<int64_t>> bindSymbols(const plan::Plan& plan, const ExprTable& table,
                                           const std::vector<GivenTensor>& inputs) {
  return Binder(plan, table, inputs).run();
}

StatusOr<std::vector<std::vector<int64_t>>> portDims(const plan::Plan& plan, const ExprTable& table,
                                                     const google::protobuf::RepeatedPtrField<plan::Port>& ports,
                                                     const std::vector<int64_t>& symbolValues, bool runTimeAtMaximum) {
  ExprTable::Symbols symbols = slotsOf(table, symbolValues);
  for (int i = 0; runTimeAtMaximum && i < plan.symbols_size(); ++i) {
    if (plan.symbols(i).run_time() && symbols[static_cast<size_t>(i)] == kUnknown) {
      symbols[static_cast<size_t>(i)] = plan.symbols(i).max();
    }
  }
  std::vector<std::vector<int64_t>> all;
  for (const plan::Port& port : ports) {
    all.emplace_back();
    for (uint32_t dim : port.dims()) {
      auto value = table.evaluateOne(dim, symbols);
      if (!value.ok()) return value.status().within("'" + port.name() + "'");
      all.back().push_back(*value);
    }
  }
  return all;
}

StatusOr<int> entryFor(const plan::Plan& plan, const ExprTable& table, const std::vector<int64_t>& symbolValues) {
  ExprTable::Symbols symbols = slotsOf(table, symbolValues);
  std::string refused;
  for (int i = 0; i < plan.entries_size(); ++i) {
    const plan::Entry& entry = plan.entries(i);
    if (entry.name() == "init") continue;
    std::string broken;
    for (const plan::Entry::Guard& guard : entry.guards()) {
      SW_ASSIGN_OR_RETURN(int64_t value, table.evaluateOne(guard.expr(), symbols));
      if (value >= guard.lower() && value <= guard.upper()) continue;
      broken = table.expr(guard.expr()).str() + " is " + std::to_string(value) + " and must be " +
               std::to_string(guard.lower()) + " to " + std::to_string(guard.upper());
      break;
    }
    if (broken.empty()) return i;
    refused += "; for entry '" + entry.name() + "' " + broken;
  }
  return userError("the plan has no entry for these sizes" + refused);
}

std::string dimsText(const plan::Plan& plan, const plan::Port& port) {
  std::string text;
  for (uint32_t dim : port.dims()) text += (text.empty() ? "" : ", ") + plan.exprs(static_cast<int>(dim));
  return "[" + text + "]";
}

std::string dimsText(const std::vector<int64_t>& dims) {
  std::string text;
  for (int64_t dim : dims) text += (text.empty() ? "" : ", ") + std::to_string(dim);
  return "[" + text + "]";
}

}  // namespace shardwright
