// Rows of ops that repeat or permute elements: Expand, Tile, DepthToSpace, SpaceToDepth.
#include "compiler/ops/dim_names.h"
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

// --- Expand. -------------------------------------------------------------------------------------------------------------------

Status inferExpand(const OpView& op, ResultShapes& results) {
  const std::optional<Exprs> sizes = op.value(1);
  if (!sizes) return nodeError(op, "expands to sizes that depend on data; only sizes of inputs are supported");
  SW_ASSIGN_OR_RETURN(Exprs dims, broadcast(op, {op.dims(0), *sizes}));
  return allResults(op, {op.dtype(0), dims}, results);
}

// A dim of 1 that grows is a factor of the result only: any split of it is free.
std::string expandRule(const OpView& op) {
  const Exprs from = op.dims(0), to = op.result(0).dims;
  std::vector<std::string> names;
  std::string result;
  for (size_t i = 0; i < to.size(); ++i) {
    names.push_back("d" + std::to_string(i));
    result += (i ? " " : "") + (to[i] == Expr(1) ? "1" : names.back());
  }
  return broadcastNames(from, names) + sizesOperands(op, 1) + " -> " + result;
}

std::optional<Exprs> expandValue(const OpView& op) {
  const std::optional<Exprs> value = op.value(0);
  const Exprs dims = op.result(0).dims;
  if (!value || dims.size() > 1) return std::nullopt;
  if (dims.empty()) return value;
  const std::optional<int64_t> count = dims[0].constant();
  if (!count || *count > 64) return std::nullopt;
  return value->size() == 1 ? Exprs(*count, value->front()) : *value;
}

std::optional<SymbolicView> expandView(const OpView& op, int, const SymbolicView& operand, llvm::ArrayRef<Expr> dims) {
  SymbolicView view{operand.offset, Exprs(dims.begin(), dims.end()), Exprs(dims.size(), Expr(0))};
  const size_t shift = dims.size() - operand.dims.size();
  const Exprs from = op.dims(0);
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] != Expr(1)) view.strides[shift + i] = operand.strides[i];
  return view;
}

Row expand() {
  Row row;
  row.name = "Expand";
  row.ruleFor = expandRule;
  row.infer = inferExpand;
  row.inferValue = expandValue;
  row.valueMoves = true;
  row.staticOperands = 0b10;
  row.linearIn = 1;
  row.lowering = ViewBody{expandView};
  return row;
}

// --- Tile. ---------------------------------------------------------------------------------------------------------------------

StatusOr<Exprs> repeatsOf(const OpView& op) {
  const std::optional<Exprs> repeats = op.value(1);
  if (!repeats) return nodeError(op, "repeats as often as data say; only constants and sizes are supported");
  if (static_cast<int>(repeats->size()) != op.rank(0))
    return nodeError(op, "has " + std::to_string(repeats->size()) + " repeats for rank " + std::to_string(op.rank(0)));
  return *repeats;
}

Status inferTile(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Exprs repeats, repeatsOf(op));
  Exprs dims = op.dims(0);
  for (size_t i = 0; i < dims.size(); ++i) dims[i] *= repeats[i];
  return allResults(op, {op.dtype(0), dims}, results);
}

// [4, 3] repeated 2, 5 times: a view [2, 4, 5, 3] that repeats by stride 0, as [8, 15].
std::vector<mlir::Value> expandTile(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Exprs dims = op.dims(0);
  const StatusOr<Exprs> repeats = repeatsOf(op);
  Exprs apart, repeated;
  for (size_t i = 0; i < dims.size(); ++i) {
    if ((*repeats)[i] != Expr(1)) {
      apart.push_back(Expr(1));
      repeated.push_back((*repeats)[i]);
    }
    apart.push_back(dims[i]);
    repeated.push_back(dims[i]);
  }
  return {n.reshape(n.expand(n.reshape(n.operand(0), apart), repeated), op.result(0).dims)};
}

Row tile() {
  Row row = expandedOnImport("Tile", inferTile, expandTile);
  row.staticOperands = 0b10;
  return row;
}

// --- DepthToSpace and SpaceToDepth. --------------------------------------------------------------------------------------------

Status inferDepthToSpace(const OpView& op, ResultShapes& results) {
  const Exprs d = op.dims(0);
  const Expr block = Expr(op.intAttr("blocksize", 1));
  if (d.size() != 4) return nodeError(op, "needs rank 4, and has rank " + std::to_string(d.size()));
  const std::optional<Expr> channels = d[1].dividedBy(block * block);
  if (!channels)
    return nodeError(op, "has " + d[1].str() + " channels, which blocks of " + block.str() + " do not divide");
  return allResults(op, {op.dtype(0), {d[0], *channels, d[2] * block, d[3] * block}}, results);
}

std::vector<mlir::Value> expandDepthToSpace(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Exprs d = op.dims(0);
  const Exprs to = op.result(0).dims;
  const Expr b = Expr(op.intAttr("blocksize", 1)), c = to[1];
  const bool depthFirst = op.stringAttr("mode", "DCR") == "DCR";
  mlir::Value x = depthFirst ? n.reshape(n.operand(0), {d[0], b, b, c, d[2], d[3]})
                             : n.reshape(n.operand(0), {d[0], c, b, b, d[2], d[3]});
  x = depthFirst ? n.transpose(x, {0, 3, 4, 1, 5, 2}) : n.transpose(x, {0, 1, 4, 2, 5, 3});
  return {n.reshape(x, to)};
}

Status inferSpaceToDepth(const OpView& op, ResultShapes& results) {
  const Exprs d = op.dims(0);
  const Expr block = Expr(op.intAttr("blocksize", 1));
  if (d.size() != 4) return nodeError(op, "needs rank 4, and has rank " + std::to_string(d.size()));
  const std::optional<Expr> h = d[2].dividedBy(block), w = d[3].dividedBy(block);
  if (!h || !w)
    return nodeError(op, "has an image of " + str(d) + ", which blocks of " + block.str() + " do not divide");
  return allResults(op, {op.dtype(0), {d[0], d[1] * block * block, *h, *w}}, results);
}

std::vector<mlir::Value> expandSpaceToDepth(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Exprs d = op.dims(0), to = op.result(0).dims;
  const Expr b = Expr(op.intAttr("blocksize", 1));
  mlir::Value x = n.reshape(n.operand(0), {d[0], d[1], to[2], b, to[3], b});
  const bool depthFirst = op.stringAttr("mode", "DCR") == "DCR";
  x = depthFirst ? n.transpose(x, {0, 3, 5, 1, 2, 4}) : n.transpose(x, {0, 1, 3, 5, 2, 4});
  return {n.reshape(x, to)};
}

}  // namespace

llvm::ArrayRef<Row> broadcastingRows() {
  static const std::vector<Row> kRows = {
      expand(),
      tile(),
      expandedOnImport("DepthToSpace", inferDepthToSpace, expandDepthToSpace),
      expandedOnImport("SpaceToDepth", inferSpaceToDepth, expandSpaceToDepth),
  };
  return kRows;
}

}  // namespace shardwright
