#include "compiler/dist/module_symbols.h"

#include <algorithm>

#include "compiler/dist/sharding.h"
#include "compiler/dist/tensor_type.h"
#include "mlir/IR/Builders.h"

namespace shardwright {
namespace {

constexpr llvm::StringLiteral kSymbols = "dist.symbols", kEqualities = "dist.equalities", kMesh = "dist.mesh",
                              kBatch = "dist.batch", kFollowsParts = "dist.batch_follows_parts";

int64_t intOf(mlir::DictionaryAttr dictionary, llvm::StringRef name, int64_t otherwise) {
  auto attr = dictionary.getAs<mlir::IntegerAttr>(name);
  return attr ? attr.getInt() : otherwise;
}

}  // namespace

void setSymbols(mlir::ModuleOp module, const std::vector<SymbolInfo>& symbols) {
  mlir::Builder builder(module.getContext());
  llvm::SmallVector<mlir::NamedAttribute> entries;
  for (const SymbolInfo& symbol : symbols) {
    llvm::SmallVector<mlir::NamedAttribute> fields;
    fields.push_back(builder.getNamedAttr("assumed", builder.getI64IntegerAttr(symbol.assumed)));
    fields.push_back(builder.getNamedAttr("divisor", builder.getI64IntegerAttr(symbol.range.divisor)));
    fields.push_back(builder.getNamedAttr("max", builder.getI64IntegerAttr(symbol.range.max)));
    fields.push_back(builder.getNamedAttr("min", builder.getI64IntegerAttr(symbol.range.min)));
    entries.push_back(builder.getNamedAttr(symbol.name, builder.getDictionaryAttr(fields)));
  }
  module->setAttr(kSymbols, builder.getDictionaryAttr(entries));
}

std::vector<SymbolInfo> symbolsOf(mlir::ModuleOp module) {
  std::vector<SymbolInfo> symbols;
  auto entries = module->getAttrOfType<mlir::DictionaryAttr>(kSymbols);
  if (!entries) return symbols;
  for (mlir::NamedAttribute entry : entries) {
    auto fields = mlir::dyn_cast<mlir::DictionaryAttr>(entry.getValue());
    if (!fields) continue;
    SymbolInfo symbol;
    symbol.name = entry.getName().str();
    symbol.range.min = intOf(fields, "min", symbol.range.min);
    symbol.range.max = intOf(fields, "max", symbol.range.max);
    symbol.range.divisor = intOf(fields, "divisor", symbol.range.divisor);
    symbol.assumed = intOf(fields, "assumed", symbol.assumed);
    symbols.push_back(std::move(symbol));
  }
  return symbols;
}

void setBatch(mlir::ModuleOp module, const std::string& symbol, bool followsParts) {
  module->setAttr(kBatch, mlir::StringAttr::get(module.getContext(), symbol));
  if (followsParts) module->setAttr(kFollowsParts, mlir::UnitAttr::get(module.getContext()));
}

void cutAssumedBatch(mlir::ModuleOp module, int64_t parts) {
  if (!module->hasAttr(kFollowsParts)) return;
  std::vector<SymbolInfo> symbols = symbolsOf(module);
  for (SymbolInfo& symbol : symbols)
    if (symbol.name == batchOf(module)) symbol.assumed = std::min(symbol.assumed * parts, symbol.range.max);
  setSymbols(module, symbols);
}

std::string batchOf(mlir::ModuleOp module) {
  auto batch = module->getAttrOfType<mlir::StringAttr>(kBatch);
  return batch ? batch.str() : "";
}

void addEquality(mlir::ModuleOp module, const std::string& symbol, Expr e) {
  llvm::SmallVector<mlir::Attribute> all;
  if (auto existing = module->getAttrOfType<mlir::ArrayAttr>(kEqualities)) all.append(existing.begin(), existing.end());
  mlir::Attribute added = exprsAttr(module.getContext(), {Expr::symbol(symbol), e});
  for (mlir::Attribute attr : all)
    if (attr == added) return;
  all.push_back(added);
  module->setAttr(kEqualities, mlir::ArrayAttr::get(module.getContext(), all));
}

std::vector<std::pair<std::string, Expr>> equalitiesOf(mlir::ModuleOp module) {
  std::vector<std::pair<std::string, Expr>> equalities;
  auto all = module->getAttrOfType<mlir::ArrayAttr>(kEqualities);
  if (!all) return equalities;
  for (mlir::Attribute attr : all) {
    if (!isExprsAttr(attr)) continue;
    llvm::ArrayRef<Expr> sides = exprsOf(attr);
    if (sides.size() == 2 && sides[0].isSymbol()) equalities.emplace_back(sides[0].symbolName(), sides[1]);
  }
  return equalities;
}

Mesh meshOf(mlir::ModuleOp module) {
  mlir::Attribute attr = module->getAttr(kMesh);
  return attr ? meshOf(attr) : Mesh();
}

Facts factsOf(mlir::ModuleOp module) {
  Facts facts;
  for (const SymbolInfo& symbol : symbolsOf(module)) facts.setRange(symbol.name, symbol.range);
  const Mesh mesh = meshOf(module);
  for (const MeshAxis& axis : mesh.axes()) facts.setRange("@" + axis.name, {0, axis.size - 1, 1});
  for (const auto& [symbol, e] : equalitiesOf(module)) facts.define(symbol, e);
  return facts;
}

Bindings assumedSizes(mlir::ModuleOp module) {
  Bindings sizes;
  for (const SymbolInfo& symbol : symbolsOf(module)) sizes[symbol.name] = symbol.assumed;
  const Mesh mesh = meshOf(module);
  for (const MeshAxis& axis : mesh.axes()) sizes["@" + axis.name] = axis.size - 1;
  return sizes;
}

}  // namespace shardwright
