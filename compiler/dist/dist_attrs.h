// Owns the C++ classes of the dialect's attributes: their storage, and that equal contents are one attribute. Everybody but
// the dialect itself goes through the functions of tensor_type.h and sharding.h.
#pragma once

#include "compiler/dist/sharding.h"
#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinAttributeInterfaces.h"
#include "mlir/IR/TensorEncoding.h"

namespace shardwright {

struct ExprsAttrStorage;
struct MeshAttrStorage;
struct ShardingAttrStorage;

// #dist.exprs<["batch*2", 3]>
class ExprsAttr : public mlir::Attribute::AttrBase<ExprsAttr, mlir::Attribute, ExprsAttrStorage,
                                                   mlir::VerifiableTensorEncoding::Trait> {
 public:
  using Base::Base;
  static constexpr llvm::StringLiteral name = "dist.exprs";
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
  static MeshAttr get(mlir::MLIRContext* context, const Mesh& mesh);
  const Mesh& mesh() const;
};

// #dist.sharding<#dist.mesh<"dp=2,tp=4">, "[_, 768{tp}]">; the mesh says what the names are.
class ShardingAttr : public mlir::Attribute::AttrBase<ShardingAttr, mlir::Attribute, ShardingAttrStorage> {
 public:
  using Base::Base;
  static constexpr llvm::StringLiteral name = "dist.sharding";
  static ShardingAttr get(mlir::MLIRContext* context, const Sharding& sharding, MeshAttr mesh);
  const Sharding& sharding() const;
  MeshAttr mesh() const;
};

}  // namespace shardwright
