// Owns the C++ classes of the dialect's attributes: their storage, and that equal contents are one attribute. Everybody but
// the dialect itself goes through the functions of tensor_type.h and sharding.h.
#pragma once

#include "compiler/dist/sharding.h"
#include "mlir/IR/Attributes.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TensorEncoding.h"

namespace shardwright {

// parse() and print() are of what follows the name, so that ops print only that: over <#mesh, "tp">.

struct ExprsAttrStorage;
struct MeshAttrStorage;
struct ShardingAttrStorage;
struct AxesAttrStorage;

// #dist.exprs<["batch*2", 3]>
class ExprsAttr : public mlir::Attribute::AttrBase<ExprsAttr, mlir::Attribute, ExprsAttrStorage,
                                                   mlir::VerifiableTensorEncoding::Trait> {
 public:
  using Base::Base;
  static constexpr llvm::StringLiteral name = "dist.exprs";
  static mlir::Attribute parse(mlir::AsmParser& parser, mlir::Type type = {});
  using Attribute::print;
  void print(mlir::AsmPrinter& printer) const;
  static ExprsAttr get(mlir::MLIRContext* context, llvm::ArrayRef<Expr> exprs);
  llvm::ArrayRef<Expr> exprs() const;
  // As a tensor's encoding: one expression per dim, and exactly the constant ones are static sizes.
  mlir::LogicalResult verifyEncoding(llvm::ArrayRef<int64_t> shape, mlir::Type element,
                                     llvm::function_ref<mlir::InFlightDiagnostic()> emitError) const;
};

// #dist.mesh<"dp=2,tp=4">
class MeshAttr : public mlir::Attribute::AttrBase<MeshAttr, mlir::Attribute, MeshAttrStorage> {
 public:
  using Base::Base;
  static constexpr llvm::StringLiteral name = "dist.mesh";
  static mlir::Attribute parse(mlir::AsmParser& parser, mlir::Type type = {});
  using Attribute::print;
  void print(mlir::AsmPrinter& printer) const;
  static MeshAttr get(mlir::MLIRContext* context, const Mesh& mesh);
  const Mesh& mesh() const;
};

// #dist.sharding<#dist.mesh<"dp=2,tp=4">, "[_, 768{tp}]">; the mesh says what the names are.
class ShardingAttr : public mlir::Attribute::AttrBase<ShardingAttr, mlir::Attribute, ShardingAttrStorage> {
 public:
  using Base::Base;
  static constexpr llvm::StringLiteral name = "dist.sharding";
  static mlir::Attribute parse(mlir::AsmParser& parser, mlir::Type type = {});
  using Attribute::print;
  void print(mlir::AsmPrinter& printer) const;
  static ShardingAttr get(mlir::MLIRContext* context, const Sharding& sharding, MeshAttr mesh);
  const Sharding& sharding() const;
  MeshAttr mesh() const;
};

// #dist.axes<#dist.mesh<"dp=2,tp=4">, "dp,tp:(2)2">: a group's axes, major first.
class AxesAttr : public mlir::Attribute::AttrBase<AxesAttr, mlir::Attribute, AxesAttrStorage> {
 public:
  using Base::Base;
  static constexpr llvm::StringLiteral name = "dist.axes";
  static mlir::Attribute parse(mlir::AsmParser& parser, mlir::Type type = {});
  using Attribute::print;
  void print(mlir::AsmPrinter& printer) const;
  static AxesAttr get(mlir::MLIRContext* context, llvm::ArrayRef<SubAxis> axes, MeshAttr mesh);
  llvm::ArrayRef<SubAxis> axes() const;
  MeshAttr mesh() const;
};

}  // namespace shardwright
