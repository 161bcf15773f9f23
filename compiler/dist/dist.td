// The `dist` dialect and its ops. Its attributes are written in C++ (dist_attrs.h): they hold expressions and shardings.
#ifndef SHARDWRIGHT_DIST_TD
#define SHARDWRIGHT_DIST_TD

include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Dist_Dialect : Dialect {
  let name = "dist";
  let cppNamespace = "::shardwright::dist";
  let summary = "Meshes, shardings, and the ops that move data between ranks";
  let extraClassDeclaration = [{
    ::mlir::Attribute parseAttribute(::mlir::DialectAsmParser& parser, ::mlir::Type type) const override;
    void printAttribute(::mlir::Attribute attribute, ::mlir::DialectAsmPrinter& printer) const override;
    void registerAttributes();
    void registerOps();
  }];
}

class Dist_ContentsAttr<string cpp, string what>
    : Attr<CPred<"::llvm::isa<::shardwright::" # cpp # ">($_self)">, what> {
  let storageType = "::shardwright::" # cpp;
  let returnType = "::shardwright::" # cpp;
  let convertFromStorage = "$_self";
}
def Dist_Axes : Dist_ContentsAttr<"AxesAttr", "mesh axes, #dist.axes">;
def Dist_Exprs : Dist_ContentsAttr<"ExprsAttr", "a list of expressions, #dist.exprs">;
def Dist_Sharding : Dist_ContentsAttr<"ShardingAttr", "a sharding, #dist.sharding">;

// Numbered as PartialKind.
def Dist_Combiner : I32EnumAttr<"Combiner", "how the ranks' values become one",
    [I32EnumAttrCase<"sum", 1>, I32EnumAttrCase<"max", 2>, I32EnumAttrCase<"min", 3>, I32EnumAttrCase<"prod", 4>]> {
  let cppNamespace = "::shardwright::dist";
}

class Dist_Op<string mnemonic, list<Trait> traits = []> : Op<Dist_Dialect, mnemonic, traits>;

// --- Global types: the propagated form. ----------------------------------------------------------------------------------

def Dist_ReshardOp : Dist_Op<"reshard", [Pure, SameOperandsAndResultType]> {
  let summary = "the same value, held otherwise";
  let description = [{
    Stands on an edge whose ends want different shardings; both have the tensor's dims. emit_reshard.h turns it into ops on
    local types.
  }];
  let arguments = (ins AnyRankedTensor:$input, Dist_Sharding:$from, Dist_Sharding:$to);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `from` $from `to` $to attr-dict `:` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

// --- Between the caller's global tensors and local ones: the partitioned form. -------------------------------------------

def Dist_ReadOp : Dist_Op<"read", [Pure]> {
  let summary = "this rank's part of a global tensor";
  let description = [{
    `sharding` has the operand's dims and is not partial; the result has its local dims.
  }];
  let arguments = (ins AnyRankedTensor:$global, Dist_Sharding:$sharding);
  let results = (outs AnyRankedTensor:$local);
  let assemblyFormat = "$global `as` $sharding attr-dict `:` type($global) `->` type($local)";
  let hasVerifier = 1;
}

def Dist_WriteOp : Dist_Op<"write", [MemoryEffects<[MemWrite]>]> {
  let summary = "stores this rank's part of a global tensor";
  let description = [{
    Where the value is held by several ranks, `guard` (one expression over coordinates) is not 0 on exactly one of them, and
    only that one writes.
  }];
  let arguments = (ins AnyRankedTensor:$local, AnyRankedTensor:$global, Dist_Sharding:$sharding,
                   OptionalAttr<Dist_Exprs>:$guard);
  let assemblyFormat = [{
    $local `,` $global `as` $sharding (`if` $guard^)? attr-dict `:` type($local) `,` type($global)
  }];
  let hasVerifier = 1;
}

// --- Local types, no communication. --------------------------------------------------------------------------------------

def Dist_ViewOp : Dist_Op<"view", [Pure]> {
  let summary = "the same elements in the same order, with other dims";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Dist_SliceOp : Dist_Op<"slice", [Pure]> {
  let summary = "a range of a dim: this rank's part of a value that it has whole";
  let description = [{ Elements `begin` (one expression) and following of `dim`, as many as the result has. }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$dim, Dist_Exprs:$begin);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `dim` $dim `from` $begin attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Dist_MaskOp : Dist_Op<"mask", [Pure, SameOperandsAndResultType]> {
  let summary = "makes a value that all ranks hold partial";
  let description = [{
    The value itself where the coordinate on `axes` is 0, elsewhere the combiner's neutral element everywhere (0 for sum).
  }];
  let arguments = (ins AnyRankedTensor:$input, Dist_Combiner:$combiner, Dist_Axes:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$combiner $input `over` $axes attr-dict `:` type($result)";
}

// --- Local types, collectives. -------------------------------------------------------------------------------------------
// Members of the group are the ranks that agree on every coordinate outside `axes`, ordered by the position on `axes`.
// A member's part is the dim of a local type; under another member's coordinates the same expression is that member's part.
// Parts may differ and be empty; they lie one behind the other in member order.

def Dist_AllReduceOp : Dist_Op<"all_reduce", [Pure, SameOperandsAndResultType]> {
  let summary = "the combination of the members' values, on all of them";
  let arguments = (ins AnyRankedTensor:$input, Dist_Combiner:$combiner, Dist_Axes:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$combiner $input `over` $axes attr-dict `:` type($result)";
}

def Dist_AllGatherOp : Dist_Op<"all_gather", [Pure]> {
  let summary = "the members' parts along a dim, one behind the other";
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$dim, Dist_Axes:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `dim` $dim `over` $axes attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    Expr getPart();  // this member's extent along `dim`
  }];
}

def Dist_ReduceScatterOp : Dist_Op<"reduce_scatter", [Pure]> {
  let summary = "this member's part, along a dim, of the combination of the members' values";
  let arguments = (ins AnyRankedTensor:$input, Dist_Combiner:$combiner, I64Attr:$dim, Dist_Axes:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$combiner $input `dim` $dim `over` $axes attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    Expr getPart();  // this member's extent of the result along `dim`
  }];
}

def Dist_AllToAllOp : Dist_Op<"all_to_all", [Pure]> {
  let summary = "gathers along `dim` while splitting along `split_dim`";
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$dim, I64Attr:$split_dim, Dist_Axes:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `dim` $dim `split` $split_dim `over` $axes attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    Expr getPart();       // this member's extent of the input along `dim`
    Expr getSplitPart();  // this member's extent of the result along `split_dim`
  }];
}

def Dist_BroadcastOp : Dist_Op<"broadcast", [Pure, SameOperandsAndResultType]> {
  let summary = "the value of the member at position 0, on all members";
  let arguments = (ins AnyRankedTensor:$input, Dist_Axes:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `over` $axes attr-dict `:` type($result)";
}

def Dist_PermuteOp : Dist_Op<"permute", [Pure]> {
  let summary = "the value of the member `peer`";
  let description = [{
    `peer` (one expression over coordinates) is a position on `axes`, and a different one for each member. The result's dims
    are the input's under the peer's coordinates.
  }];
  let arguments = (ins AnyRankedTensor:$input, Dist_Exprs:$peer, Dist_Axes:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `of` $peer `over` $axes attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

// --- Local types, between stages. ----------------------------------------------------------------------------------------
// A channel is one value on its way from one stage to one other, sent and received in the order of microbatches. Each rank
// sends to the rank of the other stage that has its own coordinates, so that both ends have one local type.

def Dist_SendOp : Dist_Op<"send", [MemoryEffects<[MemWrite]>]> {
  let summary = "gives a value to another stage";
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$channel, I64Attr:$stage);
  let assemblyFormat = "$input `to` $stage `channel` $channel attr-dict `:` type($input)";
}

def Dist_ReceiveOp : Dist_Op<"receive", [MemoryEffects<[MemRead]>]> {
  let summary = "takes a value from another stage";
  let arguments = (ins I64Attr:$channel, I64Attr:$stage);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "`from` $stage `channel` $channel attr-dict `:` type($result)";
}

#endif  // SHARDWRIGHT_DIST_TD
