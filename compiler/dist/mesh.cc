#include "compiler/dist/mesh.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace shardwright {
namespace {

// The whole text as an integer.
std::optional<int64_t> integer(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

constexpr int64_t kMaxRanks = int64_t{1} << 31;

}  // namespace

bool Mesh::isAxisName(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

StatusOr<Mesh> Mesh::parse(std::string_view text) {
  std::string where = "mesh \"" + std::string(text) + "\": ";
  std::vector<MeshAxis> axes;
  int64_t ranks = 1;
  if (trimmed(text).empty()) return Mesh();
  while (true) {
    size_t comma = text.find(',');
    std::string_view item = trimmed(text.substr(0, comma));
    size_t equals = item.find('=');
    std::string_view name = trimmed(item.substr(0, equals));
    if (equals == std::string_view::npos || !isAxisName(name))
      return userError(where + "\"" + std::string(item) +
                       "\" is not NAME=SIZE with a name of letters, digits and \"_\"; write for example dp=2,tp=4");
    std::optional<int64_t> size = integer(trimmed(item.substr(equals + 1)));
    if (!size || *size < 1)
      return userError(where + "axis " + std::string(name) + " has the size \"" +
                       std::string(trimmed(item.substr(equals + 1))) + "\"; give an integer of at least 1");
    for (const MeshAxis& other : axes)
      if (other.name == name)
        return userError(where + "axis " + std::string(name) + " is named twice; give each axis a name of its own");
    if (*size > kMaxRanks / ranks)
      return userError(where + "more than " + std::to_string(kMaxRanks) + " ranks; give smaller sizes");
    ranks *= *size;
    axes.push_back({std::string(name), *size});
    if (comma == std::string_view::npos) return Mesh(std::move(axes));
    text.remove_prefix(comma + 1);
  }
}

int64_t Mesh::numRanks() const {
  int64_t ranks = 1;
  for (const MeshAxis& axis : axes_) ranks *= axis.size;
  return ranks;
}

int Mesh::axisIndex(std::string_view name) const {
  for (size_t i = 0; i < axes_.size(); ++i)
    if (axes_[i].name == name) return static_cast<int>(i);
  return -1;
}

Expr Mesh::coordinate(const SubAxis& sub) const {
  const MeshAxis& axis = axes_[sub.axis];
  if (sub.size == 1) return 0;
  Expr whole = Expr::symbol("@" + axis.name);
  int64_t post = axis.size / (sub.pre * sub.size);
  Expr digit = Expr::floorDiv(whole, post);
  return sub.pre == 1 ? digit : Expr::mod(digit, sub.size);
}

Expr Mesh::coordinate(llvm::ArrayRef<SubAxis> list) const {
  Expr position = 0;
  for (const SubAxis& sub : list) position = position * Expr(sub.size) + coordinate(sub);
  return position;
}

std::vector<int64_t> Mesh::coordinatesOf(int64_t rank) const {
  std::vector<int64_t> coordinates(axes_.size());
  for (size_t i = axes_.size(); i-- > 0;) {
    coordinates[i] = rank % axes_[i].size;
    rank /= axes_[i].size;
  }
  return coordinates;
}

std::string Mesh::str(const SubAxis& sub) const {
  const MeshAxis& axis = axes_[sub.axis];
  if (sub == whole(sub.axis)) return axis.name;
  return axis.name + ":(" + std::to_string(sub.pre) + ")" + std::to_string(sub.size);
}

StatusOr<SubAxis> Mesh::parseSubAxis(std::string_view text) const {
  text = trimmed(text);
  size_t colon = text.find(':');
  std::string_view name = text.substr(0, colon);
  int axis = axisIndex(name);
  if (axis < 0) {
    std::string known = str();
    return userError("there is no mesh axis \"" + std::string(name) + "\"; the mesh is " +
                     (known.empty() ? "one device without axes" : known));
  }
  if (colon == std::string_view::npos) return whole(axis);
  std::string_view digits = text.substr(colon + 1);
  size_t close = digits.find(')');
  std::optional<int64_t> pre, size;
  if (!digits.empty() && digits[0] == '(' && close != std::string_view::npos) {
    pre = integer(digits.substr(1, close - 1));
    size = integer(digits.substr(close + 1));
  }
  int64_t axisSize = axes_[axis].size;
  if (!pre || !size || *pre < 1 || *size < 1 || *pre > axisSize || *size > axisSize || axisSize % (*pre * *size) != 0)
    return userError("\"" + std::string(text) + "\" is no part of axis " + axes_[axis].name + " of size " +
                     std::to_string(axisSize) + "; write " + axes_[axis].name +
                     ":(PRE)SIZE where PRE*SIZE divides the size");
  return SubAxis{axis, *pre, *size};
}

std::string Mesh::str() const {
  std::string text;
  for (const MeshAxis& axis : axes_) text += (text.empty() ? "" : ",") + axis.name + "=" + std::to_string(axis.size);
  return text;
}

int64_t sizeOf(llvm::ArrayRef<SubAxis> list) {
  int64_t size = 1;
  for (const SubAxis& sub : list) size *= sub.size;
  return size;
}

AxisList canonical(llvm::ArrayRef<SubAxis> list) {
  AxisList merged;
  for (const SubAxis& sub : list) {
    if (sub.size == 1) continue;
    if (!merged.empty() && merged.back().axis == sub.axis && merged.back().pre * merged.back().size == sub.pre) {
      merged.back().size *= sub.size;
    } else {
      merged.push_back(sub);
    }
  }
  return merged;
}

// Digits of one axis lie at [pre, pre·size) of the axis's cumulative product; they overlap iff these intervals do.
bool overlaps(const SubAxis& a, const SubAxis& b) {
  if (a.axis != b.axis || a.size == 1 || b.size == 1) return false;
  return a.pre < b.pre * b.size && b.pre < a.pre * a.size;
}

bool overlaps(llvm::ArrayRef<SubAxis> a, llvm::ArrayRef<SubAxis> b) {
  return std::any_of(a.begin(), a.end(), [&](const SubAxis& x) {
    return std::any_of(b.begin(), b.end(), [&](const SubAxis& y) { return overlaps(x, y); });
  });
}

namespace {

// The list with every sub-axis cut at those boundaries of `other` that fall inside it and divide evenly.
AxisList cutAt(llvm::ArrayRef<SubAxis> list, llvm::ArrayRef<SubAxis> other) {
  AxisList result;
  for (SubAxis sub : list) {
    llvm::SmallVector<int64_t, 8> cuts;
    for (const SubAxis& o : other)
      if (o.axis == sub.axis && o != sub) cuts.append({o.pre, o.pre * o.size});
    if (cuts.size() > 1) std::sort(cuts.begin(), cuts.end());
    for (int64_t cut : cuts) {
      int64_t end = sub.pre * sub.size;
      if (cut <= sub.pre || cut >= end || cut % sub.pre != 0 || end % cut != 0) continue;
      result.push_back({sub.axis, sub.pre, cut / sub.pre});
      sub = {sub.axis, cut, end / cut};
    }
    if (sub.size > 1) result.push_back(sub);
  }
  return result;
}

size_t commonDigits(llvm::ArrayRef<SubAxis> a, llvm::ArrayRef<SubAxis> b) {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

}  // namespace

void refine(AxisList& a, AxisList& b) {
  AxisList cutA = cutAt(a, b);
  b = cutAt(b, a);
  a = std::move(cutA);
}

AxisList commonPrefix(llvm::ArrayRef<SubAxis> a, llvm::ArrayRef<SubAxis> b) {
  AxisList x(a.begin(), a.end()), y(b.begin(), b.end());
  refine(x, y);
  x.truncate(commonDigits(x, y));
  return canonical(x);
}

AxisList withoutPrefix(llvm::ArrayRef<SubAxis> list, llvm::ArrayRef<SubAxis> prefix) {
  AxisList x(list.begin(), list.end()), y(prefix.begin(), prefix.end());
  refine(x, y);
  size_t n = commonDigits(x, y);
  assert(n == y.size() && "not a prefix");
  x.erase(x.begin(), x.begin() + n);
  return canonical(x);
}

AxisList freeAxes(const Mesh& mesh, llvm::ArrayRef<SubAxis> used) {
  AxisList result;
  for (int axis = 0; axis < static_cast<int>(mesh.axes().size()); ++axis) {
    std::vector<SubAxis> taken;
    std::copy_if(used.begin(), used.end(), std::back_inserter(taken),
                 [&](const SubAxis& sub) { return sub.axis == axis && sub.size > 1; });
    std::sort(taken.begin(), taken.end());
    taken.push_back({axis, mesh.axes()[axis].size, 1});
    int64_t begin = 1;  // of the next free digits
    for (const SubAxis& sub : taken) {
      if (sub.pre > begin && sub.pre % begin == 0) result.push_back({axis, begin, sub.pre / begin});
      begin = std::max(begin, sub.pre * sub.size);
    }
  }
  return result;
}

}  // namespace shardwright
