// Owns the sharding of a value, as data: what each rank holds of a tensor. It does not own how an op's strategy implies
// shardings (ops/rule.h) nor how one sharding becomes another (analysis/reshard_planner.h).
//
// A dim is a list of factors, major first, whose extents multiply to the dim: its index in mixed radix. A factor is whole or
// split by an axis list into n parts with a granule: of `granules` granules (each extent/granules elements long) part i
// holds [floor(i·G/n), floor((i+1)·G/n)). Parts need not be equal and may be empty; there is no padding. The local dim
// is the product of the local factors' extents, its elements in order.
//
//   768 = 12 heads of 64 over tp=8:      [(768, {tp}, G=12)]      parts 64 or 128 long: 1,2,1,2,1,2,1,2 heads
//   Q, K and V fused, [2304] over tp=2:  [(3, {}), (768, {tp})]   a strided split: 3 pieces of 384
//   batch·heads merged, heads on tp:     [(batch, {}), (heads, {tp})]
//
// Canonical form: (1) no factor of extent 1 and no whole factor after a split one: it is absorbed, keeping the granules;
// (2) adjacent whole factors are merged, and a dim that is whole has no factors; (3) if n provably divides G, then G = n
// (an even split has no other granule); (4) adjacent split factors stay apart unless the outer one's extent provably
// equals its number of parts and its granules, so that together they are one even split over both axis lists.
// Two shardings are equal iff their canonical forms are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/dist/mesh.h"
#include "compiler/dist/tensor_type.h"
#include "runtime/base/facts.h"

namespace shardwright {

// One factor of a dim.
struct DimSplit {
  Expr extent;
  AxisList axes;  // empty: whole
  Expr granules;  // meaningless if whole
};

struct DimSharding {
  llvm::SmallVector<DimSplit, 1> factors;  // empty: whole
  bool whole() const;
  AxisList axes() const;  // of all factors, major first
};

enum class PartialKind { kNone, kSum, kMax, kMin, kProd };

struct Sharding {
  llvm::SmallVector<DimSharding, 4> dims;
  // The value is the combination of the ranks' values over these axes.
  AxisList partial;
  PartialKind combiner = PartialKind::kNone;

  static Sharding replicated(int rank) {
    Sharding s;
    s.dims.resize(rank);
    return s;
  }
  bool isReplicated() const;
  AxisList usedAxes() const;  // of dims and partial
};
bool operator==(const DimSharding& a, const DimSharding& b);
bool operator==(const Sharding& a, const Sharding& b);
inline bool operator!=(const Sharding& a, const Sharding& b) { return !(a == b); }
bool operator<(const Sharding& a, const Sharding& b);  // an order that is the same in every process

// dims: the tensor's global sizes. Facts decide divisibility.
Sharding canonical(const Sharding& s, llvm::ArrayRef<Expr> dims, const Facts& facts);
DimSharding canonical(const DimSharding& d, const Facts& facts);
// Whether splits of the same extent over the same n parts with these granules have the same parts for certain.
bool sameParts(int64_t n, Expr granulesA, Expr granulesB, const Facts& facts);

// kUserError naming the dim if extents do not multiply to the dim, axes overlap, or granules do not divide an extent.
Status validate(const Sharding& s, llvm::ArrayRef<Expr> dims, const Mesh& mesh, const Facts& facts);

// The part of `extent` (with `granules`) at position `index` of n: its begin and its length, in elements.
struct Part {
  Expr begin, length;
};
Part partOf(Expr extent, Expr granules, int64_t n, Expr index);
Part partOf(const DimSplit& split, const Mesh& mesh);  // at the coordinates

// Sizes of what this rank holds, as expressions over coordinates.
Exprs localDims(const Sharding& s, llvm::ArrayRef<Expr> dims, const Mesh& mesh);
// A local dim as its factors' local lengths, major first; a whole dim is one factor.
Exprs localFactors(const DimSharding& d, Expr dim, const Mesh& mesh);

// A tensor with its dims cut into factors, and what this rank holds of each: the window that is read of a global tensor
// or of a weight. Wholly contiguous dims are one entry each.
//   [_, 3*768{tp}]      (dim 0, whole), (dim 1, extent 3, whole), (dim 1, extent 768, begin 384·@tp, length 384)
struct WindowFactor {
  int dim;
  Expr extent;
  Part part;
};
std::vector<WindowFactor> windowOf(const Sharding& s, llvm::ArrayRef<Expr> dims, const Mesh& mesh);

// The oracle that all other code must agree with: the flat global indices that the rank at `coordinates` holds, in local
// order, for constant sizes (tests, and only there).
std::vector<int64_t> indexSet(const Sharding& s, const std::vector<int64_t>& dims, const Mesh& mesh,
                              const std::vector<int64_t>& coordinates);

// The largest local number of elements over ranks at the given sizes.
int64_t maxLocalCount(const Sharding& s, llvm::ArrayRef<Expr> dims, const Mesh& mesh, const Bindings& sizes);

// Text: "[_, 768{tp}, 3*768{tp:(1)2}/12, _] partial=sum{dp}": a dim's factors with their extents, and granules where they
// are not the number of parts; see README for the grammar. parse(str(s)) == s.
std::string str(const Sharding& s, const Mesh& mesh);
StatusOr<Sharding> parseSharding(std::string_view text, const Mesh& mesh);

// #dist.sharding<#mesh, "[_, 768{tp}]"> and the module's #dist.mesh<"tp=2">.
mlir::Attribute shardingAttr(mlir::MLIRContext* context, const Sharding& s, const Mesh& mesh);
const Sharding& shardingOf(mlir::Attribute attr);
mlir::Attribute meshAttr(mlir::MLIRContext* context, const Mesh& mesh);
const Mesh& meshOf(mlir::Attribute attr);  // of either  // of a #dist.mesh

}  // namespace shardwright
