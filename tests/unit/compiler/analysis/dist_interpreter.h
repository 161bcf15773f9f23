// Owns an interpreter of the dist dialect's local ops for tests: it runs a block on all ranks of a mesh at once, on int64
// elements, and is written to be read rather than to be fast.
#pragma once

#include <algorithm>
#include <numeric>

#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/tensor_type.h"
#include "gtest/gtest.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"

namespace shardwright {

using Elements = std::vector<int64_t>;

inline int64_t combine(PartialKind kind, int64_t a, int64_t b) {
  switch (kind) {
    case PartialKind::kSum:
      return a + b;
    case PartialKind::kMax:
      return std::max(a, b);
    case PartialKind::kMin:
      return std::min(a, b);
    case PartialKind::kProd:
      return a * b;
    case PartialKind::kNone:
      break;
  }
  return 0;
}
inline int64_t neutral(PartialKind kind) {
  switch (kind) {
    case PartialKind::kMax:
      return std::numeric_limits<int64_t>::min();
    case PartialKind::kMin:
      return std::numeric_limits<int64_t>::max();
    case PartialKind::kProd:
      return 1;
    default:
      return 0;
  }
}

// The position of the rank on a list of axes.
inline int64_t positionOn(llvm::ArrayRef<SubAxis> axes, const Mesh& mesh, int64_t rank) {
  std::vector<int64_t> coordinates = mesh.coordinatesOf(rank);
  int64_t position = 0;
  for (const SubAxis& sub : axes) {
    int64_t post = mesh.axes()[sub.axis].size / (sub.pre * sub.size);
    position = position * sub.size + coordinates[sub.axis] / post % sub.size;
  }
  return position;
}

// The members of the rank's group over these axes, in member order.
inline std::vector<int64_t> groupOf(llvm::ArrayRef<SubAxis> axes, const Mesh& mesh, int64_t rank) {
  AxisList others = freeAxes(mesh, axes);
  std::vector<int64_t> members(sizeOf(axes), -1);
  for (int64_t other = 0; other < mesh.numRanks(); ++other)
    if (positionOn(others, mesh, other) == positionOn(others, mesh, rank))
      members[positionOn(axes, mesh, other)] = other;
  return members;
}

class DistInterpreter {
 public:
  DistInterpreter(const Mesh& mesh, Bindings sizes) : mesh_(mesh), sizes_(std::move(sizes)) {}

  void set(mlir::Value value, std::vector<Elements> byRank) { values_[value] = std::move(byRank); }
  const std::vector<Elements>& get(mlir::Value value) { return values_[value]; }

  std::vector<int64_t> dims(mlir::Value value, int64_t rank) const {
    std::vector<int64_t> result;
    for (Expr e : dimsOf(value.getType())) result.push_back(evaluate(e, rank));
    return result;
  }

  // Terminators and other dialects' ops are passed over.
  void run(mlir::Block& block) {
    for (mlir::Operation& op : block) {
      if (op.getNumResults() != 1 || op.getName().getDialectNamespace() != "dist") continue;
      std::vector<Elements> results;
      for (int64_t rank = 0; rank < mesh_.numRanks(); ++rank) {
        results.push_back(runOn(&op, rank));
        int64_t count = 1;
        for (int64_t dim : dims(op.getResult(0), rank)) count *= dim;
        ASSERT_EQ(static_cast<int64_t>(results.back().size()), count) << "rank " << rank << " of " << str(op);
      }
      values_[op.getResult(0)] = std::move(results);
    }
  }

 private:
  static std::string str(mlir::Operation& op) {
    std::string s;
    llvm::raw_string_ostream os(s);
    op.print(os);
    return s;
  }
  int64_t evaluate(Expr e, int64_t rank) const {
    Bindings at = sizes_;
    std::vector<int64_t> coordinates = mesh_.coordinatesOf(rank);
    for (size_t i = 0; i < coordinates.size(); ++i) at["@" + mesh_.axes()[i].name] = coordinates[i];
    StatusOr<int64_t> v = e.evaluate(at);
    EXPECT_TRUE(v.ok()) << v.status().message();
    return v.ok() ? *v : -1;
  }

  // A tensor as (outer, the dim, inner).
  struct Block {
    int64_t outer = 1, length = 0, inner = 1;
  };
  static Block around(const std::vector<int64_t>& dims, int64_t dim) {
    Block b;
    b.length = dims[dim];
    for (int64_t d = 0; d < static_cast<int64_t>(dims.size()); ++d)
      (d < dim ? b.outer : b.inner) *= d == dim ? 1 : dims[d];
    return b;
  }
  static Elements range(const Elements& x, const Block& b, int64_t begin, int64_t length) {
    EXPECT_LE(begin + length, b.length);
    Elements result;
    for (int64_t o = 0; o < b.outer; ++o)
      for (int64_t i = begin * b.inner; i < (begin + length) * b.inner; ++i)
        result.push_back(x.at(o * b.length * b.inner + i));
    return result;
  }
  static Elements concatenated(const std::vector<std::pair<Elements, Block>>& parts) {
    Elements result;
    for (int64_t o = 0; o < parts[0].second.outer; ++o)
      for (const auto& [x, b] : parts) {
        EXPECT_EQ(b.outer, parts[0].second.outer);
        EXPECT_EQ(b.inner, parts[0].second.inner);
        result.insert(result.end(), x.begin() + o * b.length * b.inner, x.begin() + (o + 1) * b.length * b.inner);
      }
    return result;
  }

  Elements reduced(mlir::Value x, PartialKind kind, const std::vector<int64_t>& members) {
    Elements result = values_[x][members[0]];
    for (size_t m = 1; m < members.size(); ++m) {
      const Elements& other = values_[x][members[m]];
      EXPECT_EQ(other.size(), result.size());
      for (size_t i = 0; i < result.size(); ++i) result[i] = combine(kind, result[i], other.at(i));
    }
    return result;
  }

  // Where this rank's part begins among the members' parts, whose lengths are `part` on each.
  int64_t beginOf(Expr part, const std::vector<int64_t>& members, int64_t rank) const {
    int64_t begin = 0;
    for (int64_t member : members) {
      if (member == rank) return begin;
      begin += evaluate(part, member);
    }
    return begin;
  }

  Elements runOn(mlir::Operation* op, int64_t rank) {
    mlir::Value x = op->getOperand(0);
    const Elements& mine = values_[x][rank];
    auto members = [&](AxesAttr axes) { return groupOf(axes.axes(), mesh_, rank); };
    return llvm::TypeSwitch<mlir::Operation*, Elements>(op)
        .Case([&](dist::ViewOp) { return mine; })
        .Case([&](dist::SliceOp slice) {
          int64_t dim = slice.getDim();
          return range(mine, around(dims(x, rank), dim), evaluate(slice.getBegin().exprs()[0], rank),
                       dims(slice, rank)[dim]);
        })
        .Case([&](dist::MaskOp mask) {
          bool keeps = positionOn(mask.getAxes().axes(), mesh_, rank) == 0;
          return keeps ? mine : Elements(mine.size(), neutral(partialKindOf(mask.getCombiner())));
        })
        .Case(
            [&](dist::AllReduceOp all) { return reduced(x, partialKindOf(all.getCombiner()), members(all.getAxes())); })
        .Case([&](dist::AllGatherOp all) {
          std::vector<std::pair<Elements, Block>> parts;
          for (int64_t m : members(all.getAxes())) parts.push_back({values_[x][m], around(dims(x, m), all.getDim())});
          return concatenated(parts);
        })
        .Case([&](dist::ReduceScatterOp scatter) {
          std::vector<int64_t> group = members(scatter.getAxes());
          return range(reduced(x, partialKindOf(scatter.getCombiner()), group), around(dims(x, rank), scatter.getDim()),
                       beginOf(scatter.getPart(), group, rank), evaluate(scatter.getPart(), rank));
        })
        .Case([&](dist::AllToAllOp all) {
          std::vector<int64_t> group = members(all.getAxes());
          std::vector<std::pair<Elements, Block>> parts;
          for (int64_t m : group) {
            std::vector<int64_t> shape = dims(x, m);
            int64_t length = evaluate(all.getSplitPart(), rank);
            Elements part = range(values_[x][m], around(shape, all.getSplitDim()),
                                  beginOf(all.getSplitPart(), group, rank), length);
            shape[all.getSplitDim()] = length;
            parts.push_back({part, around(shape, all.getDim())});
          }
          return concatenated(parts);
        })
        .Case([&](dist::BroadcastOp all) { return values_[x][members(all.getAxes())[0]]; })
        .Case([&](dist::PermuteOp permute) {
          return values_[x][members(permute.getAxes()).at(evaluate(permute.getPeer().exprs()[0], rank))];
        })
        .Default([&](mlir::Operation* other) {
          ADD_FAILURE() << "no interpretation of " << str(*other);
          return Elements();
        });
  }

  const Mesh& mesh_;
  Bindings sizes_;
  llvm::DenseMap<mlir::Value, std::vector<Elements>> values_;
};

}  // namespace shardwright
