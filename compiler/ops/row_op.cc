#include "compiler/ops/row_op.h"

#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/row.h"
#include "llvm/ADT/DenseMap.h"
#include "mlir/IR/MLIRContext.h"

namespace shardwright {
namespace {

// A row's address is its op's TypeID: unique, and the same in every context.
mlir::TypeID typeIdOf(const Row& row) { return mlir::TypeID::getFromOpaquePointer(&row); }

const llvm::DenseMap<const void*, const Row*>& rowsByTypeId() {
  static const auto* kRows = [] {
    auto* rows = new llvm::DenseMap<const void*, const Row*>;
    for (const Row* row : allRows()) (*rows)[typeIdOf(*row).getAsOpaquePointer()] = row;
    return rows;
  }();
  return *kRows;
}

struct RowModel : mlir::RegisteredOperationName::Model<RowOp> {
  RowModel(mlir::Dialect* dialect, const Row& row) : Model(dialect) {
    name = mlir::StringAttr::get(dialect->getContext(), irName(row.domain, row.name));
    typeID = typeIdOf(row);
  }
};

}  // namespace

std::string irName(llvm::StringRef domain, llvm::StringRef name) {
  return (llvm::Twine("onnx.") + domain + (domain.empty() ? "" : ".") + name).str();
}

bool RowOp::classof(mlir::Operation* op) { return rowOf(op) != nullptr; }

const Row* rowOf(mlir::Operation* op) {
  const auto info = op->getRegisteredInfo();
  return info ? rowsByTypeId().lookup(info->getTypeID().getAsOpaquePointer()) : nullptr;
}

void registerOnnxDialect(mlir::DialectRegistry& registry) {
  registry.insert<OnnxDialect>();
  registry.addExtension(+[](mlir::MLIRContext*, OnnxDialect* dialect) {
    for (const Row* row : allRows())
      mlir::RegisteredOperationName::insert(std::make_unique<RowModel>(dialect, *row), {});
  });
}

}  // namespace shardwright
