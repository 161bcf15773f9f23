// Owns the row: everything that Shardwright knows about one ONNX op, in one place. Passes read rows; no pass names an op.
// Name, arity, attributes and types come from ONNX's schema registry and are not repeated here.
//
// IR of an op "X" of domain "": `onnx.X`; of domain "com.microsoft": `onnx.com.microsoft.X`. Operands and results as in ONNX,
// absent ones are onnx.None (results: unused, type as inferred). Attributes keep their ONNX names: INT → i64 IntegerAttr, FLOAT → f32
// FloatAttr, STRING → StringAttr, INTS → DenseI64ArrayAttr, FLOATS → DenseF32ArrayAttr, STRINGS → ArrayAttr of StringAttr, TENSOR →
// DenseElementsAttr, GRAPH → a region. Four ops stand beside the rows:
//   onnx.None                                       an absent operand
//   onnx.Constant {value = dense<…>}                a small constant (at most 1 KiB, or of a kind that has no bytes in a file)
//   onnx.Weight {name, location, offset, length}    bytes of a file, little endian, row major, never loaded by the compiler
//   onnx.ShapeValue {exprs = #dist.exprs<[…]>}      an int64 (or int32) tensor of constant sizes whose elements are expressions
//
// Static operands. Operands that say sizes (Reshape's shape, Slice's starts, ReduceSum's axes, TopK's k, …) are folded: the
// operand becomes onnx.None and the op's attribute "static" = array with, per operand, #dist.exprs<…> or unit.
// OpView::value(i) reads either. Where the value is not known at compile time the op is refused unless the row allows it at run time.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "compiler/codegen/loop_nest.h"
#include "compiler/ops/op_view.h"
#include "compiler/ops/size_fractions.h"
#include "mlir/IR/Builders.h"

namespace shardwright {

// --- Lowerings: how an op on local shapes becomes steps. -----------------------------------------------------------------

// Builds scalar nodes; constants are folded, casts of equal types dropped.
class BodyBuilder {
 public:
  explicit BodyBuilder(std::vector<ScalarNode>& nodes) : nodes_(nodes) {}
  int constant(double value, DType dtype);
  int node(ScalarOp op, DType dtype, std::vector<int> inputs, int index = 0);
  int cast(int value, DType dtype);
  int unary(ScalarOp op, int value) { return node(op, dtypeOf(value), {value}); }
  int binary(ScalarOp op, int a, int b);  // result type of `a`; bool for comparisons
  DType dtypeOf(int node) const { return nodes_[node].dtype; }

 private:
  std::vector<ScalarNode>& nodes_;
};

// Result element (i…) depends on operand elements at (i…), broadcast as ONNX does. `inputs` are nodes of the operands' elements
// (-1: absent); returns one node per result.
struct ScalarBody {
  std::vector<int> (*build)(BodyBuilder& b, const OpView& op, const std::vector<int>& inputs);
};

// result = finish(reduce over `axes` of map(x)), cast to the result's type: map and finish may compute in a wider one. `count`
// is a node with the global number of reduced elements, of the type of `reduced`: from the attribute "dist.count" (#dist.exprs<[…]>)
// that partitioning sets, else from the operand's dims.
struct ReduceBody {
  Reduction::Kind kind;
  int (*map)(BodyBuilder& b, int x);                      // null: x itself
  int (*finish)(BodyBuilder& b, int reduced, int count);  // null: the reduced value itself
  // The reduced operand dims; from the attribute, the static operand, or all.
  std::vector<int> (*axes)(const OpView& op);
};

// A strided window in symbolic form, in elements: element i… of the view is at offset + Σ i·stride of its base.
struct SymbolicView {
  Expr offset;
  Exprs dims, strides;
};
// Every result is a window on operand 0 (dims of `result` = the local result dims, which are given). Nothing: this operand's
// strides do not allow it (a Reshape of a transposed value); the caller makes operand 0 dense and asks again.
struct ViewBody {
  std::optional<SymbolicView> (*view)(const OpView& op, int result, const SymbolicView& operand,
                                      llvm::ArrayRef<Expr> resultDims);
};

// A kernel's typed attribute: a constant, or expressions evaluated at run time.
using SymbolicAttr = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>, Expr, Exprs>;
struct KernelCall {
  std::string kernel;  // runtime/kernels
  std::vector<std::pair<std::string, SymbolicAttr>> attrs;
  // Which operands are passed, in the kernel's order, each with the view transformation that the kernel's form needs (null: as it is;
  // e.g. Gemm's transB swaps dims; Conv's bias). -1: absent.
  std::vector<int> operands;
  std::vector<std::function<SymbolicView(const SymbolicView&)>> operandViews;
  // Operands, by the kernel's order, that it wants dense and row-major: bit i for operand i. A window that is not is copied.
  uint32_t denseOperands = 0;
  // As operandViews for the results: the window of the result that the kernel writes (null or shorter: as it is).
  std::vector<std::function<SymbolicView(const SymbolicView&)>> resultViews;
  // The dims of the one result in the order in which the kernel is fastest at writing them, major first; empty: as they are.
  std::vector<int> resultOrder;
  // The kernel can apply elementwise ops that follow to its one result: it takes post-ops, their operands after its own.
  bool takesPostOps = false;
};
struct KernelBody {
  KernelCall (*call)(const OpView& op);
};

// Rewrites the op into other ONNX ops, in any form of the IR that has global shapes; must preserve the result's types. Used by
// lowering before fusion, and by partitioning where a strategy splits an "@" factor. Returns the replacement values.
struct ExpandBody {
  std::vector<mlir::Value> (*expand)(mlir::OpBuilder& builder, const OpView& op);
};

using Lowering = std::variant<std::monostate, ScalarBody, ReduceBody, ViewBody, KernelBody, ExpandBody>;

// --- The row -----------------------------------------------------------------------------------------------------------------

struct Row {
  const char* name;
  const char* domain = "";

  // The sharding rule: text, or a function that returns the text for given shapes and attributes. Neither: every operand and
  // result is whole ("replicated, with a warning").
  const char* rule = nullptr;
  std::string (*ruleFor)(const OpView& op) = nullptr;

  // Types of the results from operands, attributes and static values. Null: the first operand's type for each result
  // (elementwise unary); `inferBroadcast` and friends are in shape_functions.h.
  Status (*infer)(const OpView& op, llvm::SmallVectorImpl<TensorShape>& results) = nullptr;

  // The integer contents of result 0 where they follow from the operands' known contents (shape computations). Null: never.
  std::optional<Exprs> (*inferValue)(const OpView& op) = nullptr;

  // Whether inferValue gives elements of the operands as they are, so that it serves floats too.
  bool valueMoves = false;
  // The contents of a float result 0 that follows from sizes. Null: never, unless valueMoves.
  std::optional<SizeFractions> (*inferFractions)(const OpView& op) = nullptr;

  // Of an op with subgraphs (compiler/onnx/subgraph.h): the attribute whose graph import puts in the op's place, where that
  // follows from the operands' known contents. Null: none ever is.
  std::optional<llvm::StringRef> (*takenSubgraph)(const OpView& op) = nullptr;

  // Operands that are sizes, folded into "static": bit i for operand i.
  uint32_t staticOperands = 0;

  // What localisation must do beyond local result types, where a factor that shifts indices is split (Gather on a split table, Range,
  // ArgMax, Slice, …): attributes to set on the local op as expressions over coordinates. Arguments: the op with global shapes and its
  // strategy under its rule. Null: the same op on local shapes is right.
  struct LocalAttrs {
    std::vector<std::pair<std::string, mlir::Attribute>> set;
  };
  LocalAttrs (*localize)(const OpView& op, const Rule& rule, const Strategy& strategy, const Mesh& mesh) = nullptr;

  // Whether a partial(sum) operand may stay partial: for op(…, P, …) = P. Bit i: operand i may be partial while the others are whole
  // or split; kPartialAll: operands are partial all together (Add, Sub, Concat), or, with bits beside it, those that the bits
  // name while the others are whole (Where's branches).
  uint32_t linearIn = 0;
  static constexpr uint32_t kPartialAll = 1u << 31;

  // Floating point operations per point of the rule's factor space, for the cost model; 0: a move of bytes.
  double flopsPerPoint = 0;

  Lowering lowering = {};
  // The op is another way to write its expansion (Gemm, or a Gather with a constant index): import replaces it, so that no later
  // phase sees it; where the expansion returns no values the op stays.
  bool expandOnImport = false;
  // Whether a strategy that the rule's marks allow can be localised (a strided split of indices cannot). Null: always.
  bool (*admits)(const OpView& op, const Rule& rule, const Strategy& strategy) = nullptr;
  // Beside `lowering`: used when an "@" factor is split; and, for rows without lowering, to lower.
  ExpandBody decomposition = {};

  // Upgrades older versions of the op to the newest: called on import with the model's opset; changes attributes and operands in place or
  // returns kUserError. Null: all supported versions mean the same.
  Status (*upgrade)(mlir::Operation* op, int opset, mlir::OpBuilder& builder) = nullptr;
};

// The row of an op of the onnx dialect; null for an op that nobody described (an `onnx.` op that is unregistered is refused on import
// unless it has a function body).
const Row* rowOf(mlir::Operation* op);
const Row* findRow(llvm::StringRef domain, llvm::StringRef name);
std::vector<const Row*> allRows();  // in a fixed order

// The text of an op's rule, and the rule parsed, on its global shapes.
std::string ruleText(const OpView& op, const Row& row);
StatusOr<Rule> ruleOf(const OpView& op, const Row& row);

}  // namespace shardwright
