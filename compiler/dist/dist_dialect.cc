#include "compiler/dist/dist_dialect.h"

#include "compiler/dist/dist_attrs.h"
#include "mlir/IR/DialectImplementation.h"

#include "compiler/dist/dist_dialect.cpp.inc"

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

mlir::Attribute parseExprs(mlir::DialectAsmParser& parser) {
  std::vector<Expr> exprs;
  auto element = [&]() -> mlir::ParseResult {
    int64_t number;
    mlir::OptionalParseResult isNumber = parser.parseOptionalInteger(number);
    if (isNumber.has_value()) {
      exprs.push_back(number);
      return *isNumber;
    }
    llvm::SMLoc at = parser.getCurrentLocation();
    std::string text;
    if (failed(parser.parseString(&text))) return mlir::failure();
    StatusOr<Expr> e = Expr::parse(text);
    if (!e.ok()) return parser.emitError(at, e.status().message());
    exprs.push_back(*e);
    return mlir::success();
  };
  if (parser.parseLess() || parser.parseCommaSeparatedList(mlir::AsmParser::Delimiter::Square, element) ||
      parser.parseGreater())
    return {};
  return ExprsAttr::get(parser.getContext(), exprs);
}

mlir::Attribute parseMesh(mlir::DialectAsmParser& parser) {
  llvm::SMLoc at = parser.getCurrentLocation();
  std::string text;
  if (parser.parseLess() || parser.parseString(&text) || parser.parseGreater()) return {};
  StatusOr<Mesh> mesh = Mesh::parse(text);
  if (!mesh.ok()) return parser.emitError(at, mesh.status().message()), mlir::Attribute();
  return MeshAttr::get(parser.getContext(), *mesh);
}

mlir::Attribute parseShardingAttr(mlir::DialectAsmParser& parser) {
  llvm::SMLoc at = parser.getCurrentLocation();
  MeshAttr mesh;
  std::string text;
  if (parser.parseLess() || parser.parseAttribute(mesh) || parser.parseComma() || parser.parseString(&text) ||
      parser.parseGreater())
    return {};
  StatusOr<Sharding> sharding = parseSharding(text, mesh.mesh());
  if (!sharding.ok()) return parser.emitError(at, sharding.status().message()), mlir::Attribute();
  return ShardingAttr::get(parser.getContext(), *sharding, mesh);
}

}  // namespace

namespace dist {

void DistDialect::initialize() {
  registerAttributes();
  addInterfaces<Aliases>();
}

mlir::Attribute DistDialect::parseAttribute(mlir::DialectAsmParser& parser, mlir::Type) const {
  llvm::SMLoc at = parser.getCurrentLocation();
  llvm::StringRef keyword;
  if (parser.parseKeyword(&keyword)) return {};
  if (keyword == "exprs") return parseExprs(parser);
  if (keyword == "mesh") return parseMesh(parser);
  if (keyword == "sharding") return parseShardingAttr(parser);
  parser.emitError(at, "unknown attribute of dist: ") << keyword << "; there are exprs, mesh and sharding";
  return {};
}

void DistDialect::printAttribute(mlir::Attribute attribute, mlir::DialectAsmPrinter& printer) const {
  if (auto exprs = llvm::dyn_cast<ExprsAttr>(attribute)) {
    printer << "exprs<[";
    llvm::interleaveComma(exprs.exprs(), printer.getStream(), [&](Expr e) {
      if (auto number = e.constant()) {
        printer << *number;
      } else {
        printer.printString(e.str());
      }
    });
    printer << "]>";
  } else if (auto mesh = llvm::dyn_cast<MeshAttr>(attribute)) {
    printer << "mesh<";
    printer.printString(mesh.mesh().str());
    printer << ">";
  } else {
    auto sharding = llvm::cast<ShardingAttr>(attribute);
    printer << "sharding<";
    printer.printAttribute(sharding.mesh());
    printer << ", ";
    printer.printString(str(sharding.sharding(), sharding.mesh().mesh()));
    printer << ">";
  }
}

}  // namespace dist

void registerDistDialect(mlir::DialectRegistry& registry) { registry.insert<dist::DistDialect>(); }

}  // namespace shardwright
