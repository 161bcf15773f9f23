// Parts of weights: exporters fuse what belongs apart (Q, K and V; gate and up; all experts) and cut the result. Here the
// weight is cut instead, which costs nothing, and each part can be sharded as it wants.
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/patterns/patterns.h"
#include "compiler/ops/patterns/weight_part.h"
#include "compiler/ops/reshape_factors.h"

namespace shardwright {
namespace {

using Ints = llvm::SmallVector<int64_t>;

// Ops that do the same to a part of a dim as to all of it, whatever the dim's size, where their rule says that the dim passes.
bool cutsThrough(mlir::Operation* op) {
  static const llvm::StringRef kNames[] = {"MatMul",  "Gemm",      "Add",       "Sub",      "Mul",    "Div",    "Cast",
                                           "Squeeze", "Unsqueeze", "Transpose", "GatherND", "Gather", "Reshape"};
  return llvm::is_contained(kNames, op->getName().stripDialect());
}

Ints numbers(llvm::ArrayRef<Expr> dims) {
  Ints values;
  for (const Expr& dim : dims) values.push_back(*dim.constant());
  return values;
}

// Where the strides matter, that is, of dims with more than one index.
bool stridesAre(const SymbolicView& view, llvm::ArrayRef<Expr> strides) {
  for (size_t i = 0; i < view.dims.size(); ++i)
    if (view.dims[i] != Expr(1) && view.strides[i] != strides[i]) return false;
  return true;
}

// Where the pieces of a value along one of its dims come from.
struct Cut {
  mlir::Value value;
  int dim = 0;
  std::vector<Cut> operands;  // by operand of the value's op; a null value: the operand is shared by the pieces
};

// The dim of `tensor` that is the factor and nothing else; -1 if the factor is not in it, -2 if it is there in another way.
int dimOfFactor(const FactorTensor& tensor, int factor) {
  int found = -1;
  for (size_t d = 0; d < tensor.dims.size(); ++d) {
    if (!llvm::is_contained(tensor.dims[d], factor)) continue;
    if (found != -1 || tensor.dims[d].size() != 1) return -2;
    found = static_cast<int>(d);
  }
  return found;
}

// Parts are taken of weights only where all that read them take parts: else both the whole and the parts would be stored.
bool usersAreAlike(mlir::Value weight) {
  mlir::Operation* first = *weight.getUsers().begin();
  return llvm::all_of(weight.getUsers(), [&](mlir::Operation* user) { return user->getName() == first->getName(); });
}

bool isSmall(mlir::Value weight) { return weight.getDefiningOp<ConstantOp>() != nullptr; }

std::optional<Cut> planCut(mlir::Value value, int dim, const Facts& facts) {
  Cut cut{value, dim, {}};
  bool isShared = !value.hasOneUse();
  if (isWeight(value)) return isShared && !isSmall(value) ? std::nullopt : std::optional(cut);
  mlir::Operation* op = value.getDefiningOp();
  if (!op || !cutsThrough(op) || isShared) return std::nullopt;
  OpView view(op, facts);
  auto rule = ruleOf(view, *rowOf(op));
  if (!rule.ok() || rule->results[0].dims[dim].size() != 1) return std::nullopt;
  int factor = rule->results[0].dims[dim][0];
  FactorKind kind = rule->factors[factor].kind;
  if (kind != FactorKind::kPass || dimOfFactor(rule->results[0], factor) != dim) return std::nullopt;
  for (int i = 0; i < view.numOperands(); ++i) {
    int operandDim = view.has(i) ? dimOfFactor(rule->operands[i], factor) : -1;
    if (operandDim == -2) return std::nullopt;
    cut.operands.emplace_back();
    if (operandDim < 0) continue;
    std::optional<Cut> operand = planCut(op->getOperand(i), operandDim, facts);
    if (!operand) return std::nullopt;
    cut.operands.back() = std::move(*operand);
  }
  return cut;
}

// Piece [begin, begin + size) of the value.
mlir::Value makePiece(NodeBuilder& build, const Cut& cut, int64_t begin, int64_t size) {
  Exprs dims = build.dims(cut.value);
  dims[cut.dim] = size;
  if (isWeight(cut.value)) {
    Ints from(dims.size(), 0);
    from[cut.dim] = begin;
    return weightPart(build, cut.value, from, numbers(dims));
  }
  mlir::Operation* op = cut.value.getDefiningOp();
  llvm::SmallVector<mlir::Value> operands;
  for (auto [operand, part] : llvm::zip(op->getOperands(), cut.operands))
    operands.push_back(part.value ? makePiece(build, part, begin, size) : operand);
  if (producer(cut.value, "Reshape")) return build.reshape(operands[0], dims);
  mlir::Operation* piece = build.builder().clone(*op);
  piece->setOperands(operands);
  piece->getResult(0).setType(
      tensorType(dims, mlir::cast<mlir::RankedTensorType>(cut.value.getType()).getElementType()));
  return piece->getResult(0);
}

// Split(x · W) -> x · W[:,0:a], x · W[:,a:b], …, through everything between that leaves the cut dim whole: bias, Reshape,
// Squeeze, GatherND over experts.
std::optional<std::vector<mlir::Value>> splitOfProduct(NodeBuilder& build, const OpView& op) {
  int axis = op.axisAttr("axis", 0, op.rank(0));
  Ints sizes;
  for (int i = 0; i < op.numResults(); ++i) {
    std::optional<int64_t> size = op.result(i).dims[axis].constant();
    if (!size) return std::nullopt;
    sizes.push_back(*size);
  }
  std::optional<Cut> cut = planCut(op.operation()->getOperand(0), axis, op.facts());
  if (!cut) return std::nullopt;
  std::vector<mlir::Value> pieces;
  int64_t begin = 0;
  for (int64_t size : sizes) {
    pieces.push_back(makePiece(build, *cut, begin, size));
    begin += size;
  }
  return pieces;
}

// A window on a weight, or the same elements as other dims, is a reference of its own: experts that are unrolled, a bias that is
// given dims. Only where every use of the weight takes such a part.
std::optional<std::vector<mlir::Value>> viewOfWeight(NodeBuilder& build, const OpView& op) {
  const auto* body = std::get_if<ViewBody>(&rowOf(op.operation())->lowering);
  mlir::Value weight = body ? op.operation()->getOperand(0) : mlir::Value();
  if (op.numResults() != 1 || !isWeight(weight) || !usersAreAlike(weight)) return std::nullopt;
  Exprs dims = op.dims(0), to = op.result(0).dims;
  if (!llvm::all_of(to, [](const Expr& dim) { return dim.isConstant(); })) return std::nullopt;
  SymbolicView dense{0, dims, denseStrides(dims)};
  std::optional<SymbolicView> view = body->view(op, 0, dense, to);
  if (!view || !view->offset.isConstant()) return std::nullopt;
  if (view->offset == Expr(0) && product({dims.begin(), dims.end()}) == product({to.begin(), to.end()})) {
    if (dims == to || !stridesAre(*view, denseStrides(to))) return std::nullopt;
    mlir::Value reshaped = reshapedWeight(build, weight, numbers(to));
    return reshaped ? std::optional(std::vector<mlir::Value>{reshaped}) : std::nullopt;
  }
  if (to.size() != dims.size() || !stridesAre(*view, dense.strides)) return std::nullopt;
  Ints begin;
  int64_t rest = *view->offset.constant();
  for (const Expr& stride : dense.strides) {
    begin.push_back(rest / *stride.constant());
    rest %= *stride.constant();
  }
  return std::vector<mlir::Value>{weightPart(build, weight, begin, numbers(to))};
}

}  // namespace

llvm::ArrayRef<Pattern> weightPatterns() {
  static const Pattern kPatterns[] = {
      {"view-of-weight", nullptr, viewOfWeight},
      {"split-of-product", "Split", splitOfProduct},
  };
  return kPatterns;
}

}  // namespace shardwright
