#include "compiler/dist/dist_dialect.h"

#include "compiler/dist/dist_attrs.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

#include "compiler/dist/dist_dialect.cpp.inc"
#include "compiler/dist/dist_enums.cpp.inc"

namespace shardwright {
namespace {

// Meshes are printed once per module, as #mesh.
struct Aliases : public mlir::OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;
  AliasResult getAlias(mlir::Attribute attr, llvm::raw_ostream& os) const override {
    if (!llvm::isa<MeshAttr>(attr)) return AliasResult::NoAlias;
    os << "mesh";
    return AliasResult::FinalAlias;
  }
};

}  // namespace

namespace dist {

void DistDialect::initialize() {
  registerAttributes();
  registerOps();
  addInterfaces<Aliases>();
}

mlir::Attribute DistDialect::parseAttribute(mlir::DialectAsmParser& parser, mlir::Type) const {
  llvm::SMLoc at = parser.getCurrentLocation();
  llvm::StringRef keyword;
  if (parser.parseKeyword(&keyword)) return {};
  if (keyword == "exprs") return ExprsAttr::parse(parser);
  if (keyword == "mesh") return MeshAttr::parse(parser);
  if (keyword == "axes") return AxesAttr::parse(parser);
  if (keyword == "sharding") return ShardingAttr::parse(parser);
  parser.emitError(at, "unknown attribute of dist: ") << keyword << "; there are axes, exprs, mesh and sharding";
  return {};
}

void DistDialect::printAttribute(mlir::Attribute attribute, mlir::DialectAsmPrinter& printer) const {
  llvm::TypeSwitch<mlir::Attribute>(attribute).Case<ExprsAttr, MeshAttr, AxesAttr, ShardingAttr>([&](auto attr) {
    printer << attr.name.drop_front(sizeof("dist.") - 1);
    attr.print(printer);
  });
}

}  // namespace dist

void registerDistDialect(mlir::DialectRegistry& registry) { registry.insert<dist::DistDialect>(); }

}  // namespace shardwright
