// Lookups whose indices are known.
#include "compiler/ops/patterns/index_content.h"
#include "compiler/ops/patterns/patterns.h"

namespace shardwright {
namespace {

// One component of GatherND's indices: base + step·i along one dim of the indices (-1: along none).
struct Component {
  int dim = -1;
  Expr base, step;
};

// The components where each varies along at most one dim, and no two along the same.
std::optional<std::vector<Component>> componentsOf(mlir::Value indices, size_t count, const Facts& facts) {
  std::vector<mlir::Value> parts{indices};
  if (mlir::Operation* concat = producer(indices, "Concat")) {
    int64_t axis = OpView(concat, facts).axisAttr("axis", 0, OpView(concat, facts).rank(0));
    if (axis + 1 == OpView(concat, facts).rank(0)) parts.assign(concat->operand_begin(), concat->operand_end());
  }
  if (parts.size() != count) return std::nullopt;
  std::vector<Component> components;
  std::vector<int> taken;
  for (mlir::Value part : parts) {
    std::optional<IndexContent> content = indexContent(part, facts);
    if (!content || dimsOf(part.getType()).back() != Expr(1)) return std::nullopt;
    Component component{-1, content->base, 0};
    for (size_t i = 0; i + 1 < content->steps.size(); ++i) {
      if (content->steps[i] == Expr(0)) continue;
      if (component.dim >= 0 || llvm::is_contained(taken, i)) return std::nullopt;
      component.dim = static_cast<int>(i);
      component.step = content->steps[i];
      taken.push_back(component.dim);
    }
    components.push_back(component);
  }
  return components;
}

// The positions of a component, one per index, along dim `k` of the value: a window where they are a run that surely lies in
// the dim.
mlir::Value taken(NodeBuilder& build, mlir::Value value, int64_t k, const Component& c, Expr length,
                  const Facts& facts) {
  const Expr dim = build.dims(value)[k], step = c.dim < 0 ? Expr(1) : c.step;
  const Expr begin = c.base.isConstant() && *c.base.constant() < 0 ? dim + c.base : c.base;
  if (step == Expr(1) && facts.lowerBound(begin) >= 0 && facts.lowerBound(dim - begin - length) >= 0)
    return build.slice(value, k, begin, begin + length);
  mlir::Value positions =
      build.node("Range", {build.expr(c.base), build.expr(c.base + length * step), build.expr(step)});
  return build.node("Gather", {value, positions}, {{"axis", build.intAttr(k)}});
}

// The lookup by these components, one per leading dim of the value, as dims of `to`: those of the indices, then the rest.
mlir::Value lookedUp(NodeBuilder& build, mlir::Value value, llvm::ArrayRef<Component> components,
                     llvm::ArrayRef<Expr> indexDims, llvm::ArrayRef<Expr> to, const Facts& facts) {
  Exprs dims = build.dims(value);
  llvm::SmallVector<std::pair<int, int64_t>> order;  // dim of the indices, dim of the value
  for (size_t k = 0; k < components.size(); ++k) {
    const Component& c = components[k];
    Expr length = c.dim < 0 ? Expr(1) : indexDims[c.dim];
    bool isAll = c.dim >= 0 && c.base == Expr(0) && c.step == Expr(1) && facts.provablyEqual(length, dims[k]);
    if (!isAll) value = taken(build, value, static_cast<int64_t>(k), c, length, facts);
    order.emplace_back(c.dim, static_cast<int64_t>(k));
  }
  // Dims in the order of the indices' dims, then the rest of the value's.
  llvm::stable_sort(order, [](const auto& a, const auto& b) { return a.first < b.first; });
  llvm::SmallVector<int64_t> permutation;
  for (const auto& [from, dim] : order) permutation.push_back(dim);
  for (size_t d = components.size(); d < dims.size(); ++d) permutation.push_back(static_cast<int64_t>(d));
  if (!llvm::is_sorted(permutation)) value = build.transpose(value, permutation);
  Exprs apart(to.size(), Expr(1));
  for (const auto& [from, dim] : order)
    if (from >= 0) apart[from] = indexDims[from];
  for (size_t i = indexDims.size(); i < to.size(); ++i) apart[i] = to[i];
  value = build.reshape(value, apart);
  return apart == Exprs(to.begin(), to.end()) ? value : build.expand(value, to);
}

// GatherND(mask[B,T], [[b, t] for b, 1, 1, t]): exporters write mask[:, None, None, :] as a lookup of every element. Each component
// of the indices looks along one dim, which is all of it, in order, a window, or a Gather by the component's own positions.
//   mask: [B,T], indices [B,1,1,n,2] of (b, t)  ->  Gather(mask, Range(0, n), axis 1) as [B,1,1,n]; n = T: mask as [B,1,1,T]
std::optional<std::vector<mlir::Value>> gatherOfPositions(NodeBuilder& build, const OpView& op) {
  Exprs indexDims = op.dims(1);
  std::optional<int64_t> count = indexDims.empty() ? std::nullopt : indexDims.back().constant();
  if (op.intAttr("batch_dims", 0) || !count || *count < 1) return std::nullopt;
  auto components = componentsOf(op.operation()->getOperand(1), *count, op.facts());
  if (!components) return std::nullopt;
  indexDims.pop_back();
  return std::vector<mlir::Value>{
      lookedUp(build, op.operation()->getOperand(0), *components, indexDims, op.result(0).dims, op.facts())};
}

// The components of indices into dims that were merged: a sum of positions along the dims, each times the sizes of those behind.
//   dims [B,T], indices t + T·b of [B,1,1,T]  ->  (b, t)
std::optional<std::vector<Component>> mergedComponents(mlir::Value indices, llvm::ArrayRef<Expr> dims,
                                                       const Facts& facts) {
  std::optional<IndexContent> content = indexContent(indices, facts);
  if (!content || content->base != Expr(0)) return std::nullopt;
  const Exprs extents = dimsOf(indices.getType());
  std::vector<Component> components(dims.size());
  Expr stride = 1;
  for (size_t k = dims.size(); k-- > 0; stride *= dims[k]) {
    auto step = dims[k] == Expr(1) ? content->steps.end() : llvm::find(content->steps, stride);
    if (step == content->steps.end()) continue;
    const int dim = static_cast<int>(step - content->steps.begin());
    if (facts.lowerBound(dims[k] - extents[dim]) < 0) return std::nullopt;
    components[k] = {dim, 0, 1};
    *step = Expr(0);
  }
  if (llvm::any_of(content->steps, [](Expr step) { return step != Expr(0); })) return std::nullopt;
  return components;
}

// Gather(Flatten(mask[B,T]), t + T·b): the same as the older exporter writes it.
std::optional<std::vector<mlir::Value>> gatherOfMergedPositions(NodeBuilder& build, const OpView& op) {
  mlir::Operation* merge = producer(op.operation()->getOperand(0), "Flatten");
  if (!merge) merge = producer(op.operation()->getOperand(0), "Reshape");
  if (!merge || op.axisAttr("axis", 0, op.rank(0)) != 0) return std::nullopt;
  const Exprs apart = build.dims(merge->getOperand(0));
  size_t count = 0;
  for (Expr size = 1; count < apart.size() && size != op.dims(0)[0]; ++count) size *= apart[count];
  const auto merged = llvm::ArrayRef<Expr>(apart).take_front(count);
  Expr size = 1;
  for (Expr dim : merged) size *= dim;
  if (count < 2 || size != op.dims(0)[0]) return std::nullopt;
  auto components = mergedComponents(op.operation()->getOperand(1), merged, op.facts());
  if (!components) return std::nullopt;
  return std::vector<mlir::Value>{
      lookedUp(build, merge->getOperand(0), *components, op.dims(1), op.result(0).dims, op.facts())};
}

}  // namespace

llvm::ArrayRef<Pattern> gatherPatterns() {
  static const Pattern kPatterns[] = {
      {"gather-of-positions", "GatherND", gatherOfPositions},
      {"gather-of-merged-positions", "Gather", gatherOfMergedPositions},
  };
  return kPatterns;
}

}  // namespace shardwright
