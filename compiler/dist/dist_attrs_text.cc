// The text of the dialect's attributes.
#include "compiler/dist/dist_attrs.h"
#include "llvm/ADT/StringExtras.h"

namespace shardwright {

mlir::Attribute ExprsAttr::parse(mlir::AsmParser& parser, mlir::Type) {
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

void ExprsAttr::print(mlir::AsmPrinter& printer) const {
  printer << "<[";
  llvm::interleaveComma(exprs(), printer.getStream(), [&](Expr e) {
    if (auto number = e.constant()) {
      printer << *number;
    } else {
      printer.printString(e.str());
    }
  });
  printer << "]>";
}

mlir::Attribute MeshAttr::parse(mlir::AsmParser& parser, mlir::Type) {
  llvm::SMLoc at = parser.getCurrentLocation();
  std::string text;
  if (parser.parseLess() || parser.parseString(&text) || parser.parseGreater()) return {};
  StatusOr<Mesh> mesh = Mesh::parse(text);
  if (!mesh.ok()) return parser.emitError(at, mesh.status().message()), mlir::Attribute();
  return MeshAttr::get(parser.getContext(), *mesh);
}

void MeshAttr::print(mlir::AsmPrinter& printer) const {
  printer << "<";
  printer.printString(mesh().str());
  printer << ">";
}

mlir::Attribute ShardingAttr::parse(mlir::AsmParser& parser, mlir::Type) {
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

void ShardingAttr::print(mlir::AsmPrinter& printer) const {
  printer << "<";
  printer.printAttribute(mesh());
  printer << ", ";
  printer.printString(str(sharding(), mesh().mesh()));
  printer << ">";
}

mlir::Attribute AxesAttr::parse(mlir::AsmParser& parser, mlir::Type) {
  llvm::SMLoc at = parser.getCurrentLocation();
  MeshAttr mesh;
  std::string text;
  if (parser.parseLess() || parser.parseAttribute(mesh) || parser.parseComma() || parser.parseString(&text) ||
      parser.parseGreater())
    return {};
  AxisList axes;
  for (llvm::StringRef item : llvm::split(text, ",")) {
    StatusOr<SubAxis> sub = mesh.mesh().parseSubAxis({item.data(), item.size()});
    if (!sub.ok()) return parser.emitError(at, sub.status().message()), mlir::Attribute();
    axes.push_back(*sub);
  }
  return AxesAttr::get(parser.getContext(), axes, mesh);
}

void AxesAttr::print(mlir::AsmPrinter& printer) const {
  printer << "<";
  printer.printAttribute(mesh());
  printer << ", \"";
  auto each = [&](const SubAxis& sub) { printer << mesh().mesh().str(sub); };
  llvm::interleave(axes(), printer.getStream(), each, ",");
  printer << "\">";
}

}  // namespace shardwright
