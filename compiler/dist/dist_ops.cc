// Verifiers, folders and the like of the dialect's ops. Sizes are compared where both are numbers: two expressions may be
// equal for reasons that only the module's facts know.
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/tensor_type.h"
#include "mlir/IR/Builders.h"

#define GET_OP_CLASSES
#include "compiler/dist/dist_ops.cpp.inc"

namespace shardwright::dist {
namespace {

bool provablyDiffer(Expr a, Expr b) { return a.isConstant() && b.isConstant() && a != b; }

// An expression under the coordinates of the member at position `member` of the group.
Expr atMember(Expr e, const Mesh& mesh, llvm::ArrayRef<SubAxis> axes, int64_t member) {
  std::map<std::string, Expr> coordinates;
  for (const SubAxis& sub : llvm::reverse(axes)) {
    std::string symbol = "@" + mesh.axes()[sub.axis].name;
    int64_t digit = member % sub.size, post = mesh.axes()[sub.axis].size / (sub.pre * sub.size);
    member /= sub.size;
    auto [entry, isNew] = coordinates.try_emplace(symbol, Expr::symbol(symbol));
    entry->second += (Expr(digit) - mesh.coordinate(sub)) * Expr(post);
  }
  return e.substitute(coordinates);
}

constexpr int64_t kMaxMembersSummed = 64;

// Whether the members' parts certainly do not add up to `whole`.
bool partsMiss(Expr part, Expr whole, AxesAttr group) {
  const Mesh& mesh = group.mesh().mesh();
  int64_t n = sizeOf(group.axes());
  if (n > kMaxMembersSummed) return false;
  Expr sum = 0;
  for (int64_t member = 0; member < n; ++member) sum += atMember(part, mesh, group.axes(), member);
  return provablyDiffer(sum, whole);
}

mlir::LogicalResult checkDims(mlir::Operation* op, const char* what, const Exprs& found, const Exprs& expected) {
  if (found.size() != expected.size())
    return op->emitOpError() << what << " has rank " << found.size() << ", expected " << expected.size();
  for (size_t i = 0; i < found.size(); ++i)
    if (provablyDiffer(found[i], expected[i]))
      return op->emitOpError() << what << " has " << found[i].str() << " in dim " << i << ", expected "
                               << expected[i].str();
  return mlir::success();
}

mlir::LogicalResult checkSameElement(mlir::Operation* op, mlir::Type a, mlir::Type b) {
  if (mlir::cast<mlir::ShapedType>(a).getElementType() != mlir::cast<mlir::ShapedType>(b).getElementType())
    return op->emitOpError("must not change the element type");
  return mlir::success();
}

// Operand and result differ in the dims of `except` only.
mlir::LogicalResult checkOnlyDiffersIn(mlir::Operation* op, llvm::ArrayRef<int64_t> except) {
  mlir::Type input = op->getOperand(0).getType(), output = op->getResult(0).getType();
  Exprs before = dimsOf(input), expected = before, after = dimsOf(output);
  for (int64_t dim : except) {
    if (dim < 0 || dim >= static_cast<int64_t>(before.size()))
      return op->emitOpError() << "dim " << dim << " of a tensor of rank " << before.size();
    if (after.size() == before.size()) expected[dim] = after[dim];
  }
  if (failed(checkSameElement(op, input, output))) return mlir::failure();
  return checkDims(op, "the result", after, expected);
}

mlir::LogicalResult checkParts(mlir::Operation* op, Expr part, Expr whole, AxesAttr group) {
  if (!partsMiss(part, whole, group)) return mlir::success();
  return op->emitOpError() << "the members' parts " << part.str() << " do not add up to " << whole.str();
}

mlir::LogicalResult checkOneExpr(mlir::Operation* op, ExprsAttr exprs, const char* what) {
  if (exprs.exprs().size() == 1) return mlir::success();
  return op->emitOpError() << what << " must be one expression, found " << exprs.exprs().size();
}

mlir::LogicalResult checkSharding(mlir::Operation* op, ShardingAttr sharding, const Exprs& dims) {
  if (sharding.sharding().dims.size() == dims.size()) return mlir::success();
  return op->emitOpError() << "a sharding of " << sharding.sharding().dims.size() << " dims for a tensor of rank "
                           << dims.size();
}

mlir::LogicalResult checkWindow(mlir::Operation* op, mlir::Type global, mlir::Type local, ShardingAttr sharding) {
  Exprs dims = dimsOf(global);
  if (failed(checkSharding(op, sharding, dims)) || failed(checkSameElement(op, global, local))) return mlir::failure();
  if (!sharding.sharding().partial.empty())
    return op->emitOpError("a global tensor cannot be partial: all-reduce the value first");
  return checkDims(op, "the local tensor", dimsOf(local), localDims(sharding.sharding(), dims, sharding.mesh().mesh()));
}

}  // namespace

void DistDialect::registerOps() {
  addOperations<
#define GET_OP_LIST
#include "compiler/dist/dist_ops.cpp.inc"
      >();
}

mlir::LogicalResult ReshardOp::verify() {
  Exprs dims = dimsOf(getType());
  if (failed(checkSharding(*this, getFrom(), dims))) return mlir::failure();
  return checkSharding(*this, getTo(), dims);
}

mlir::OpFoldResult ReshardOp::fold(FoldAdaptor) { return getFrom() == getTo() ? getInput() : mlir::OpFoldResult(); }

mlir::LogicalResult ReadOp::verify() {
  return checkWindow(*this, getGlobal().getType(), getLocal().getType(), getSharding());
}

mlir::LogicalResult WriteOp::verify() {
  if (getGuardAttr() && failed(checkOneExpr(*this, getGuardAttr(), "the guard"))) return mlir::failure();
  return checkWindow(*this, getGlobal().getType(), getLocal().getType(), getSharding());
}

mlir::LogicalResult ViewOp::verify() {
  Expr before = 1, after = 1;
  for (Expr dim : dimsOf(getInput().getType())) before *= dim;
  for (Expr dim : dimsOf(getType())) after *= dim;
  if (provablyDiffer(before, after))
    return emitOpError() << "the operand has " << before.str() << " elements, the result " << after.str();
  return checkSameElement(*this, getInput().getType(), getType());
}

mlir::OpFoldResult ViewOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType()) return getInput();
  if (auto inner = getInput().getDefiningOp<ViewOp>()) {
    if (inner.getInput().getType() == getType()) return inner.getInput();
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

mlir::LogicalResult SliceOp::verify() {
  if (failed(checkOneExpr(*this, getBegin(), "begin"))) return mlir::failure();
  int64_t dim = getDim();
  return checkOnlyDiffersIn(*this, dim);
}

Expr AllGatherOp::getPart() { return dimsOf(getInput().getType())[getDim()]; }
mlir::LogicalResult AllGatherOp::verify() {
  int64_t dim = getDim();
  if (failed(checkOnlyDiffersIn(*this, dim))) return mlir::failure();
  return checkParts(*this, getPart(), dimsOf(getType())[dim], getAxes());
}

Expr ReduceScatterOp::getPart() { return dimsOf(getType())[getDim()]; }
mlir::LogicalResult ReduceScatterOp::verify() {
  int64_t dim = getDim();
  if (failed(checkOnlyDiffersIn(*this, dim))) return mlir::failure();
  return checkParts(*this, getPart(), dimsOf(getInput().getType())[dim], getAxes());
}

Expr AllToAllOp::getPart() { return dimsOf(getInput().getType())[getDim()]; }
Expr AllToAllOp::getSplitPart() { return dimsOf(getType())[getSplitDim()]; }
mlir::LogicalResult AllToAllOp::verify() {
  int64_t dim = getDim(), split = getSplitDim();
  if (dim == split) return emitOpError("must gather along one dim and split another");
  if (failed(checkOnlyDiffersIn(*this, {dim, split})) ||
      failed(checkParts(*this, getPart(), dimsOf(getType())[dim], getAxes())))
    return mlir::failure();
  return checkParts(*this, getSplitPart(), dimsOf(getInput().getType())[split], getAxes());
}

mlir::LogicalResult PermuteOp::verify() {
  if (failed(checkOneExpr(*this, getPeer(), "peer")) ||
      failed(checkSameElement(*this, getInput().getType(), getType())))
    return mlir::failure();
  AxesAttr group = getAxes();
  int64_t n = sizeOf(group.axes());
  std::vector<bool> read(n);
  for (int64_t member = 0; member < n && n <= kMaxMembersSummed; ++member) {
    auto peer = atMember(getPeer().exprs()[0], group.mesh().mesh(), group.axes(), member).constant();
    if (!peer) return mlir::success();
    if (*peer < 0 || *peer >= n || read[*peer])
      return emitOpError() << "member " << member << " reads member " << *peer << " of " << n
                           << ": each must be read exactly once";
    read[*peer] = true;
  }
  return mlir::success();
}

}  // namespace shardwright::dist
