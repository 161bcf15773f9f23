// Parts of weights: exporters fuse what belongs apart (Q, K and V; gate and up; all experts) and cut the result. Here the
// weight is cut instead, which costs nothing, and each part can be sharded as it wants.
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/patterns/patterns.h"
#include "compiler/ops/patterns/weight_part.h"
#include "compiler/ops/reshape_factors.h"

#include <numeric>

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
  int64_t unit = 1;           // so many indices of the dim are one index of what is cut
  std::vector<Cut> operands;  // by operand of the value's op; a null value: the operand is shared by the pieces
};

constexpr int kNotInTensor = -1, kInAnotherWay = -2;

// The dim of `tensor` whose major part the factor is, and how many indices each of the factor's has there.
std::pair<int, int64_t> dimOfFactor(const Rule& rule, const FactorTensor& tensor, int factor) {
  std::pair<int, int64_t> found = {kNotInTensor, 1};
  for (size_t d = 0; d < tensor.dims.size(); ++d) {
    const FactorDim& dim = tensor.dims[d];
    if (!llvm::is_contained(dim, factor)) continue;
    if (found.first != kNotInTensor || dim.front() != factor) return {kInAnotherWay, 1};
    found.first = static_cast<int>(d);
    for (int minor : llvm::ArrayRef<int>(dim).drop_front()) {
      std::optional<int64_t> size = rule.factors[minor].size.constant();
      if (!size) return {kInAnotherWay, 1};
      found.second *= *size;
    }
  }
  return found;
}

// Parts are taken of weights only where all that read them take parts: else both the whole and the parts would be stored.
bool usersAreAlike(mlir::Value weight) {
  mlir::Operation* first = *weight.getUsers().begin();
  return llvm::all_of(weight.getUsers(), [&](mlir::Operation* user) { return user->getName() == first->getName(); });
}

bool isSmall(mlir::Value weight) { return weight.getDefiningOp<ConstantOp>() != nullptr; }

// How the value, which only the cut pieces read, is made of pieces of weights; nothing if it is not.
std::optional<Cut> planCut(mlir::Value value, int dim, int64_t unit, const Facts& facts) {
  Cut cut{value, dim, unit, {}};
  mlir::Operation* op = value.getDefiningOp();
  if (isWeight(value)) return cut;
  if (!op || !cutsThrough(op)) return std::nullopt;
  OpView view(op, facts);
  auto rule = ruleOf(view, *rowOf(op));
  if (!rule.ok() || rule->results[0].dims[dim].size() != 1) return std::nullopt;
  int factor = rule->results[0].dims[dim][0];
  if (rule->factors[factor].kind != FactorKind::kPass) return std::nullopt;
  if (dimOfFactor(*rule, rule->results[0], factor) != std::pair<int, int64_t>(dim, 1)) return std::nullopt;
  for (int i = 0; i < view.numOperands(); ++i) {
    cut.operands.emplace_back();
    if (!view.has(i)) continue;
    auto [operandDim, minor] = dimOfFactor(*rule, rule->operands[i], factor);
    if (operandDim == kInAnotherWay) return std::nullopt;
    if (operandDim == kNotInTensor) continue;
    mlir::Value source = op->getOperand(i);
    if (!source.hasOneUse() && !isSmall(source)) return std::nullopt;
    std::optional<Cut> operand = planCut(source, operandDim, unit * minor, facts);
    if (!operand) return std::nullopt;
    cut.operands.back() = std::move(*operand);
  }
  return cut;
}

// The value's part for piece [begin, begin + size) of what is cut.
mlir::Value makePiece(NodeBuilder& build, const Cut& cut, int64_t begin, int64_t size) {
  Exprs dims = build.dims(cut.value);
  dims[cut.dim] = size * cut.unit;
  if (isWeight(cut.value)) {
    Ints from(dims.size(), 0);
    from[cut.dim] = begin * cut.unit;
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
  std::optional<Cut> cut;
  if (op.operation()->getOperand(0).hasOneUse()) cut = planCut(op.operation()->getOperand(0), axis, 1, op.facts());
  if (!cut) return std::nullopt;
  std::vector<mlir::Value> pieces;
  int64_t begin = 0;
  for (int64_t size : sizes) {
    pieces.push_back(makePiece(build, *cut, begin, size));
    begin += size;
  }
  return pieces;
}

// The one dim of which a Slice takes a run of indices, and the run.
struct Run {
  int dim = 0;
  int64_t begin = 0, end = 0;
};

std::optional<Run> runOf(mlir::Operation* op, const Facts& facts) {
  if (op->getName().stripDialect() != "Slice") return std::nullopt;
  OpView view(op, facts);
  Exprs dims = view.dims(0), to = view.result(0).dims;
  Run run{-1};
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == to[i]) continue;
    if (run.dim >= 0 || !dims[i].isConstant() || !to[i].isConstant()) return std::nullopt;
    run.dim = static_cast<int>(i);
  }
  if (run.dim < 0) return std::nullopt;
  Exprs strides = denseStrides(dims);
  std::optional<SymbolicView> window = std::get<ViewBody>(rowOf(op)->lowering).view(view, 0, {0, dims, strides}, to);
  std::optional<Expr> begin = window ? window->offset.dividedBy(strides[run.dim]) : std::nullopt;
  if (!begin || !begin->isConstant() || !stridesAre(*window, strides)) return std::nullopt;
  run.begin = *begin->constant();
  run.end = run.begin + *to[run.dim].constant();
  return run;
}

// All runs that are taken of a value, by its own dims, through Transposes; false if it is read in another way.
bool collectRuns(mlir::Value value, llvm::ArrayRef<int> dims, const Facts& facts,
                 llvm::SmallVector<std::pair<mlir::Operation*, Run>>& runs) {
  return llvm::all_of(value.getUsers(), [&](mlir::Operation* user) {
    if (std::optional<Run> run = runOf(user, facts)) {
      runs.emplace_back(user, Run{dims[run->dim], run->begin, run->end});
      return true;
    }
    auto perm = user->getAttrOfType<mlir::DenseI64ArrayAttr>("perm");
    if (!perm || user->getName().stripDialect() != "Transpose") return false;
    llvm::SmallVector<int> permuted;
    for (int64_t from : perm.asArrayRef()) permuted.push_back(dims[from]);
    return collectRuns(user->getResult(0), permuted, facts, runs);
  });
}

// (x · W)[:,a:b] -> x · W[:,a:b] as of Split, where all that reads the product takes such runs, with or without a Transpose
// between, and none twice.
std::optional<std::vector<mlir::Value>> sliceOfProduct(NodeBuilder& build, const OpView& op) {
  if (!runOf(op.operation(), op.facts())) return std::nullopt;
  mlir::Value product = op.operation()->getOperand(0);
  llvm::SmallVector<llvm::ArrayRef<int64_t>> transposes;  // the last first
  while (mlir::Operation* transpose = producer(product, "Transpose")) {
    auto perm = transpose->getAttrOfType<mlir::DenseI64ArrayAttr>("perm");
    if (!perm) return std::nullopt;
    transposes.push_back(perm.asArrayRef());
    product = transpose->getOperand(0);
  }
  llvm::SmallVector<int> dims(build.dims(product).size());
  std::iota(dims.begin(), dims.end(), 0);
  llvm::SmallVector<std::pair<mlir::Operation*, Run>> runs;
  if (isWeight(product) || !collectRuns(product, dims, op.facts(), runs)) return std::nullopt;
  Run own;
  for (const auto& [user, run] : runs)
    if (user == op.operation()) own = run;
  for (const auto& [user, run] : runs)
    if (run.dim != own.dim || (user != op.operation() && run.begin < own.end && own.begin < run.end))
      return std::nullopt;
  std::optional<Cut> cut = planCut(product, own.dim, 1, op.facts());
  if (!cut) return std::nullopt;
  mlir::Value piece = makePiece(build, *cut, own.begin, own.end - own.begin);
  for (llvm::ArrayRef<int64_t> perm : llvm::reverse(transposes)) piece = build.transpose(piece, perm);
  return std::vector<mlir::Value>{piece};
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
      {"slice-of-product", "Slice", sliceOfProduct},
  };
  return kPatterns;
}

}  // namespace shardwright
