#include "compiler/ops/rule.h"

namespace shardwright {
namespace {

const char* combinerName(PartialKind kind) {
  switch (kind) {
    case PartialKind::kMax:
      return "max";
    case PartialKind::kMin:
      return "min";
    case PartialKind::kProd:
      return "prod";
    default:
      return "sum";
  }
}

bool isOne(Expr e) { return e == Expr(1); }

// The digits of `axes` up to a total of `size` (an axis is cut into sub-axes where needed) and the rest; nothing if no prefix
// has exactly that size.
std::optional<std::pair<AxisList, AxisList>> cutAxes(llvm::ArrayRef<SubAxis> axes, int64_t size) {
  AxisList head, tail;
  for (const SubAxis& sub : axes) {
    if (size == 1) {
      tail.push_back(sub);
    } else if (size % sub.size == 0) {
      head.push_back(sub);
      size /= sub.size;
    } else if (sub.size % size == 0) {
      head.push_back({sub.axis, sub.pre, size});
      tail.push_back({sub.axis, sub.pre * size, sub.size / size});
      size = 1;
    } else {
      return std::nullopt;
    }
  }
  if (size != 1) return std::nullopt;
  return std::make_pair(head, tail);
}

}  // namespace

std::string Rule::str() const {
  std::vector<bool> said(factors.size(), false);
  auto tensorText = [&](const FactorTensor& tensor) {
    if (tensor.absent) return std::string("-");
    std::string text;
    for (const FactorDim& dim : tensor.dims) {
      std::string dimText;
      for (int f : dim) {
        const Factor& factor = factors[f];
        std::string mark = said[f]                                  ? ""
                           : factor.kind == FactorKind::kWhole      ? "!"
                           : factor.kind == FactorKind::kDecomposed ? "@"
                           : factor.kind == FactorKind::kHalo       ? "~"
                                                                    : "";
        std::string size = said[f]                    ? ""
                           : factor.size.isConstant() ? "=" + factor.size.str()
                                                      : "={" + factor.size.str() + "}";
        std::string combiner = !said[f] && factor.kind == FactorKind::kReduced && factor.combiner != PartialKind::kSum
                                   ? std::string(":") + combinerName(factor.combiner)
                                   : "";
        said[f] = true;
        dimText += (dimText.empty() ? "" : " ") + mark + factor.name + size + combiner;
      }
      if (dim.empty()) dimText = "1";
      if (dim.size() > 1) dimText = "(" + dimText + ")";
      text += (text.empty() ? "" : " ") + dimText;
    }
    return text;
  };
  std::string text;
  for (size_t i = 0; i < operands.size(); ++i) text += (i ? ", " : "") + tensorText(operands[i]);
  text += text.empty() ? "->" : " ->";
  for (size_t i = 0; i < results.size(); ++i) text += (i ? ", " : " ") + tensorText(results[i]);
  return text;
}

Sharding project(const Rule& rule, const Strategy& strategy, const FactorTensor& tensor, bool isResult,
                 llvm::ArrayRef<Expr> dims, const Facts& facts) {
  Sharding sharding;
  for (const FactorDim& dim : tensor.dims) {
    DimSharding dimSharding;
    for (int f : dim) {
      const auto& splits = strategy.splits[f];
      Expr size = rule.factors[f].size, done = 1;
      for (size_t i = 0; i < splits.size(); ++i) {
        Expr end = i + 1 < splits.size() ? splits[i + 1].outer : size;
        if (splits[i].outer != done) dimSharding.factors.push_back({*splits[i].outer.dividedBy(done), {}, Expr(1)});
        dimSharding.factors.push_back({*end.dividedBy(splits[i].outer), splits[i].axes, splits[i].granules});
        done = end;
      }
      if (splits.empty()) dimSharding.factors.push_back({size, {}, Expr(1)});
    }
    sharding.dims.push_back(std::move(dimSharding));
  }
  if (isResult) {
    for (size_t f = 0; f < rule.factors.size(); ++f) {
      if (rule.factors[f].kind != FactorKind::kReduced) continue;
      for (const FactorSplit& split : strategy.splits[f]) {
        sharding.partial.append(split.axes.begin(), split.axes.end());
        sharding.combiner = rule.factors[f].combiner;
      }
    }
  }
  return canonical(sharding, dims, facts);
}

std::optional<Strategy> strategyFrom(const Rule& rule, const FactorTensor& tensor, const Sharding& sharding,
                                     llvm::ArrayRef<Expr> /*dims*/, const Facts& /*facts*/) {
  Strategy strategy(rule.factors.size());
  if (tensor.dims.size() != sharding.dims.size()) return std::nullopt;
  for (size_t d = 0; d < tensor.dims.size(); ++d) {
    Expr outer = 1;
    for (const DimSplit& split : sharding.dims[d].factors) {
      Expr begin = outer;
      outer *= split.extent;
      AxisList axes = split.axes;
      Expr granules = split.granules;
      Expr prefix = 1;
      for (int f : tensor.dims[d]) {
        if (axes.empty()) break;
        Expr size = rule.factors[f].size, factorBegin = prefix;
        prefix *= size;
        if (isOne(size)) continue;
        std::optional<Expr> x = begin.dividedBy(factorBegin);
        std::optional<Expr> room = x ? size.dividedBy(*x) : std::nullopt;
        if (!room || isOne(*room)) continue;
        if (room->dividedBy(granules)) {
          strategy.splits[f].push_back({*x, axes, granules});
          axes.clear();
          break;
        }
        // An even split of more parts than the factor has elements goes on in the next factor.
        if (!room->isConstant() || granules != Expr(sizeOf(axes))) return std::nullopt;
        auto cut = cutAxes(axes, *room->constant());
        if (!cut) return std::nullopt;
        strategy.splits[f].push_back({*x, canonical(cut->first), *room});
        axes = canonical(cut->second);
        granules = Expr(sizeOf(axes));
        begin = prefix;
      }
      if (!axes.empty()) return std::nullopt;
    }
  }
  for (size_t f = 0; f < rule.factors.size(); ++f)
    if (!strategy.splits[f].empty() && rule.factors[f].kind == FactorKind::kWhole) return std::nullopt;
  return strategy;
}

}  // namespace shardwright
