// Owns the mesh and the algebra of its axes and sub-axes. It does not own what is split by them; see sharding.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "runtime/base/expr.h"
#include "runtime/base/status.h"

namespace shardwright {

struct MeshAxis {
  std::string name;
  int64_t size;
};

// Part of an axis of size pre·size·post: the digit with `pre` values above it. tp:(2)4 of an axis of 8 is the minor
// factor 4. A whole axis has pre = 1 and size = the axis's.
struct SubAxis {
  int axis = 0;  // index into the mesh
  int64_t pre = 1;
  int64_t size = 1;
  friend bool operator==(const SubAxis& a, const SubAxis& b) {
    return a.axis == b.axis && a.pre == b.pre && a.size == b.size;
  }
  friend bool operator!=(const SubAxis& a, const SubAxis& b) { return !(a == b); }
  friend bool operator<(const SubAxis& a, const SubAxis& b) {
    return a.axis != b.axis ? a.axis < b.axis : a.pre != b.pre ? a.pre < b.pre : a.size < b.size;
  }
};

// Major to minor. Canonical: adjacent sub-axes of one axis that continue each other are merged, none has size 1, none overlap.
using AxisList = llvm::SmallVector<SubAxis, 2>;

class Mesh {
 public:
  Mesh() = default;  // one device
  explicit Mesh(std::vector<MeshAxis> axes) : axes_(std::move(axes)) {}
  // "dp=2,tp=4"; kUserError for repeated or empty names and sizes < 1.
  static StatusOr<Mesh> parse(std::string_view text);
  // Letters, digits and "_", not beginning with a digit.
  static bool isAxisName(std::string_view text);

  llvm::ArrayRef<MeshAxis> axes() const { return axes_; }
  int64_t numRanks() const;
  int axisIndex(std::string_view name) const;  // -1 if there is none
  SubAxis whole(int axis) const { return {axis, 1, axes_[axis].size}; }

  // The coordinate on a sub-axis as an expression over "@name": mod(floordiv(@tp, post), size).
  Expr coordinate(const SubAxis& sub) const;
  // The position in the list's mixed radix, major first; 0 for an empty list.
  Expr coordinate(llvm::ArrayRef<SubAxis> list) const;
  std::vector<int64_t> coordinatesOf(int64_t rank) const;  // by axis; the last axis is the minor one

  std::string str(const SubAxis& sub) const;  // "tp" or "tp:(2)4"
  StatusOr<SubAxis> parseSubAxis(std::string_view text) const;
  std::string str() const;  // "dp=2,tp=4"

 private:
  std::vector<MeshAxis> axes_;
};

int64_t sizeOf(llvm::ArrayRef<SubAxis> list);  // product, 1 for none
AxisList canonical(llvm::ArrayRef<SubAxis> list);
bool overlaps(const SubAxis& a, const SubAxis& b);
bool overlaps(llvm::ArrayRef<SubAxis> a, llvm::ArrayRef<SubAxis> b);
// Splits both lists at common boundaries, so that prefixes can be compared digit by digit.
void refine(AxisList& a, AxisList& b);
// Longest common prefix in digits, and what is left of either after it.
AxisList commonPrefix(llvm::ArrayRef<SubAxis> a, llvm::ArrayRef<SubAxis> b);
AxisList withoutPrefix(llvm::ArrayRef<SubAxis> list, llvm::ArrayRef<SubAxis> prefix);
// Whole axes and sub-axes of the mesh that `used` leaves free, in mesh order.
AxisList freeAxes(const Mesh& mesh, llvm::ArrayRef<SubAxis> used);

}  // namespace shardwright
