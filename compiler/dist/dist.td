// The `dist` dialect and its ops. Its attributes are written in C++ (dist_attrs.h): they hold expressions and shardings.
#ifndef SHARDWRIGHT_DIST_TD
#define SHARDWRIGHT_DIST_TD

include "mlir/IR/OpBase.td"

def Dist_Dialect : Dialect {
  let name = "dist";
  let cppNamespace = "::shardwright::dist";
  let summary = "Meshes, shardings, and the ops that move data between ranks";
  let extraClassDeclaration = [{
    ::mlir::Attribute parseAttribute(::mlir::DialectAsmParser& parser, ::mlir::Type type) const override;
    void printAttribute(::mlir::Attribute attribute, ::mlir::DialectAsmPrinter& printer) const override;
    void registerAttributes();
  }];
}

class Dist_Op<string mnemonic, list<Trait> traits = []> : Op<Dist_Dialect, mnemonic, traits>;

#endif  // SHARDWRIGHT_DIST_TD
