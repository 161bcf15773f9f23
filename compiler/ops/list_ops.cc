#include "compiler/ops/list_ops.h"

#include "compiler/ops/row.h"

#include <algorithm>

namespace shardwright {
namespace {

std::string lowered(const Row& row) {
  if (row.expandOnImport && std::holds_alternative<ExpandBody>(row.lowering)) return "other ops, on import";
  struct Name {
    std::string operator()(std::monostate) const { return "a size, on import"; }
    std::string operator()(const ScalarBody&) const { return "loop"; }
    std::string operator()(const ReduceBody&) const { return "reduction loop"; }
    std::string operator()(const ViewBody&) const { return "view"; }
    std::string operator()(const KernelBody&) const { return "kernel"; }
    std::string operator()(const ExpandBody&) const { return "other ops"; }
  };
  return std::visit(Name(), row.lowering);
}

std::string ruleOfRow(const Row& row) {
  const bool isGoneAfterImport = (row.expandOnImport && std::holds_alternative<ExpandBody>(row.lowering)) ||
                                 std::holds_alternative<std::monostate>(row.lowering);
  if (isGoneAfterImport) return "";
  return row.rule ? row.rule : row.ruleFor ? "by shapes and attributes" : "whole";
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size() + 2, width), ' ');
  return text;
}

}  // namespace

std::string listOps() {
  std::vector<std::string> lines;
  for (const Row* row : allRows()) {
    const std::string domain = row->domain;
    const std::string name = domain + (domain.empty() ? "" : ".") + row->name;
    std::string line = padded(name, 32) + padded(lowered(*row), 24) + ruleOfRow(*row);
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(line + "\n");
  }
  std::sort(lines.begin(), lines.end());
  std::string text = padded("op", 32) + padded("becomes", 24) + "sharding rule\n";
  for (const std::string& line : lines) text += line;
  return text;
}

}  // namespace shardwright
