#include "compiler/ops/row.h"

#include "compiler/ops/families.h"
#include "compiler/ops/row_op.h"
#include "llvm/ADT/StringMap.h"

namespace shardwright {
namespace {

using Family = llvm::ArrayRef<Row> (*)();
#define SHARDWRIGHT_FAMILY(name) name##Rows,
constexpr Family kFamilies[] = {SHARDWRIGHT_OP_FAMILIES(SHARDWRIGHT_FAMILY)};
#undef SHARDWRIGHT_FAMILY

// "… -> …" with every dim of every tensor whole: a factor of its own, marked "!".
std::string wholeRule(const OpView& op) {
  int next = 0;
  auto tensor = [&](const TensorShape& shape) {
    if (shape.dtype == DType::kUndefined) return std::string("-");
    std::string text;
    for (size_t i = 0; i < shape.dims.size(); ++i) text += (text.empty() ? "!f" : " !f") + std::to_string(next++);
    return text;
  };
  std::string rule;
  for (int i = 0; i < op.numOperands(); ++i) rule += (i ? ", " : "") + tensor(op.operand(i));
  rule += " -> ";
  for (int i = 0; i < op.numResults(); ++i) rule += (i ? ", " : "") + tensor(op.result(i));
  return rule;
}

}  // namespace

std::vector<const Row*> allRows() {
  std::vector<const Row*> rows;
  for (Family family : kFamilies)
    for (const Row& row : family()) rows.push_back(&row);
  return rows;
}

const Row* findRow(llvm::StringRef domain, llvm::StringRef name) {
  static const auto* kByName = [] {
    auto* rows = new llvm::StringMap<const Row*>;
    for (const Row* row : allRows()) {
      const bool isNew = rows->try_emplace(irName(row->domain, row->name), row).second;
      assert(isNew && "two rows for one op");
      (void)isNew;
    }
    return rows;
  }();
  return kByName->lookup(irName(domain == "ai.onnx" ? "" : domain, name));
}

std::string ruleText(const OpView& op, const Row& row) {
  return row.rule ? row.rule : row.ruleFor ? row.ruleFor(op) : wholeRule(op);
}

StatusOr<Rule> ruleOf(const OpView& op, const Row& row) {
  llvm::SmallVector<TensorShape> operands, results;
  for (int i = 0; i < op.numOperands(); ++i) operands.push_back(op.operand(i));
  for (int i = 0; i < op.numResults(); ++i) results.push_back(op.result(i));
  auto rule = parseRule(ruleText(op, row), operands, results, op.facts());
  if (!rule.ok()) return rule.status().within(op.nodeName() + " (" + irName(row.domain, row.name) + ")");
  return rule;
}

}  // namespace shardwright
