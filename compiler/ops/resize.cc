// The row of Resize, which import writes as lookups along each resized axis: one of the nearest element, or a weighted sum of two
// (linear) or four (cubic). Positions and weights are computed from sizes, so that they may be symbolic; where all is
// constant they are made once, at load. A repetition by a whole number is a view.
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

#include <cmath>

namespace shardwright {
namespace {

enum Operand { kX, kRoi, kScales, kSizes };

// One axis: its sizes, and the ratio that positions are computed with (0: that of the sizes).
struct Axis {
  int dim = 0;
  Expr from, to;
  double scale = 0;
};

std::optional<std::vector<double>> constantNumbers(const OpView& op, int operand) {
  const std::optional<SizeFractions> known = sizeFractions(op, operand);
  if (!known) return std::nullopt;
  std::vector<double> numbers;
  for (const Expr& numerator : known->numerators) {
    const std::optional<int64_t> number = numerator.constant();
    if (!number) return std::nullopt;
    numbers.push_back(static_cast<double>(*number) / static_cast<double>(known->divisor));
  }
  return numbers;
}

// floor(size · scale): a symbolic size may be multiplied by a whole number or divided by one.
std::optional<Expr> scaled(Expr size, double scale) {
  if (auto number = size.constant())
    return Expr(static_cast<int64_t>(std::floor(static_cast<double>(*number) * scale)));
  if (scale >= 1 && scale == std::floor(scale)) return size * Expr(static_cast<int64_t>(scale));
  if (scale > 0 && 1 / scale == std::floor(1 / scale)) return Expr::floorDiv(size, static_cast<int64_t>(1 / scale));
  return std::nullopt;
}

StatusOr<std::vector<Axis>> axesOf(const OpView& op) {
  std::vector<Axis> axes;
  std::vector<int64_t> dims = op.intsAttr("axes").value_or(std::vector<int64_t>());
  if (!op.hasAttr("axes"))
    for (int i = 0; i < op.rank(kX); ++i) dims.push_back(i);
  const std::optional<Exprs> sizes = op.has(kSizes) ? op.value(kSizes) : std::nullopt;
  const std::optional<std::vector<double>> scales = op.has(kSizes) ? std::nullopt : constantNumbers(op, kScales);
  if (!sizes && !scales)
    return nodeError(
        op,
        "resizes by numbers that depend on data; supported are constant scales, and sizes that follow from "
        "the inputs' sizes");
  const size_t count = sizes ? sizes->size() : scales->size();
  if (count != dims.size())
    return nodeError(op,
                     "has " + std::to_string(count) + " scales or sizes for " + std::to_string(dims.size()) + " axes");
  for (size_t i = 0; i < dims.size(); ++i) {
    SW_ASSIGN_OR_RETURN(const int dim, normalizedAxis(op, dims[i], op.rank(kX)));
    const Expr from = op.dims(kX)[dim];
    const std::optional<Expr> to = sizes ? (*sizes)[i] : scaled(from, (*scales)[i]);
    if (!to) return nodeError(op, "scales the size " + from.str() + " by a fraction; fix its symbol with --dim");
    if (op.facts().provablyEqual(from, *to) && (sizes || (*scales)[i] == 1)) continue;
    axes.push_back({dim, from, *to, scales ? (*scales)[i] : 0});
  }
  return axes;
}

Status checkWords(const OpView& op, const char* attr, const char* otherwise, std::initializer_list<const char*> known) {
  const std::string word = op.stringAttr(attr, otherwise);
  std::string all;
  for (const char* one : known) {
    if (word == one) return {};
    all += (all.empty() ? "" : ", ") + std::string(one);
  }
  return nodeError(op, std::string("has ") + attr + " " + word + "; supported are " + all);
}

Status inferResize(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(checkWords(op, "mode", "nearest", {"nearest", "linear", "cubic"}));
  SW_RETURN_IF_ERROR(
      checkWords(op, "coordinate_transformation_mode", "half_pixel",
                 {"half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric"}));
  SW_RETURN_IF_ERROR(checkWords(op, "nearest_mode", "round_prefer_floor",
                                {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}));
  SW_RETURN_IF_ERROR(checkWords(op, "keep_aspect_ratio_policy", "stretch", {"stretch"}));
  if (op.intAttr("antialias", 0) || op.intAttr("exclude_outside", 0))
    return nodeError(op, "has antialias or exclude_outside, which are not supported; export the model without them");
  if (op.stringAttr("mode", "nearest") != "nearest" && !isFloat(op.dtype(kX)))
    return nodeError(op, "interpolates " + std::string(dtypeName(op.dtype(kX))) + "; supported are floats");
  SW_ASSIGN_OR_RETURN(const std::vector<Axis> axes, axesOf(op));
  TensorShape y = op.operand(kX);
  for (const Axis& axis : axes) y.dims[axis.dim] = axis.to;
  return allResults(op, y, results);
}

class ResizeExpansion {
 public:
  ResizeExpansion(mlir::OpBuilder& builder, const OpView& op)
      : n_(builder, op), op_(op), coordinates_(op.stringAttr("coordinate_transformation_mode", "half_pixel")) {}

  std::vector<mlir::Value> run() {
    const std::string mode = op_.stringAttr("mode", "nearest");
    const DType type = op_.dtype(kX);
    mlir::Value x = n_.operand(kX);
    const std::vector<Axis> axes = *axesOf(op_);
    if (axes.empty()) return {n_.node("Identity", {x})};
    if (mode != "nearest") x = n_.cast(x, DType::kFloat32);
    for (const Axis& axis : axes) {
      if (mode == "nearest")
        x = nearest(x, axis);
      else
        x = mode == "linear" ? linear(x, axis) : cubic(x, axis);
    }
    return {n_.cast(x, type)};
  }

 private:
  mlir::Value number(double value) { return n_.scalar(value, DType::kFloat32); }
  mlir::Value size(Expr e) { return n_.cast(n_.expr(e), DType::kFloat32); }

  // Where each of the result's indices lies among those of the operand, in float32 as ONNX Runtime computes it.
  mlir::Value positions(const Axis& axis) {
    mlir::Value i = n_.cast(n_.node("Range", {n_.expr(0), n_.expr(axis.to), n_.expr(1)}), DType::kFloat32);
    const bool isOne = axis.to == Expr(1);
    if (coordinates_ == "align_corners")
      return isOne ? n_.mul(i, 0) : n_.div(n_.mul(i, size(axis.from - Expr(1))), size(axis.to - Expr(1)));
    mlir::Value scale = axis.scale != 0 ? number(axis.scale) : n_.div(size(axis.to), size(axis.from));
    if (coordinates_ == "asymmetric") return n_.div(i, scale);
    if (coordinates_ == "pytorch_half_pixel" && isOne) return n_.mul(i, 0);
    mlir::Value x = n_.add(n_.div(n_.add(i, 0.5), scale), -0.5);
    if (coordinates_ != "half_pixel_symmetric") return x;
    mlir::Value adjustment = n_.div(size(axis.to), n_.mul(scale, size(axis.from)));
    return n_.add(x, n_.mul(n_.mul(size(axis.from), 0.5), n_.sub(number(1), adjustment)));
  }

  mlir::Value clamped(mlir::Value x, const Axis& axis) {
    return n_.node("Clip", {x, number(0), size(axis.from - Expr(1))});
  }

  mlir::Value gathered(mlir::Value x, mlir::Value index, const Axis& axis) {
    return n_.node("Gather", {x, n_.cast(clamped(index, axis), DType::kInt64)}, {{"axis", n_.intAttr(axis.dim)}});
  }

  // Weights per index, against the operand's dims.
  mlir::Value along(mlir::Value weights, const Axis& axis) {
    Exprs dims(op_.rank(kX) - axis.dim, Expr(1));
    dims[0] = axis.to;
    return n_.reshape(weights, dims);
  }

  mlir::Value nearest(mlir::Value x, const Axis& axis) {
    const std::string rounding = op_.stringAttr("nearest_mode", "round_prefer_floor");
    // Halves of pixels never lie between two of them.
    const bool isHalf = coordinates_.find("half_pixel") != std::string::npos;
    const bool rounds = isHalf ? rounding.find("round") == 0 : coordinates_ == "asymmetric" && rounding == "floor";
    if (std::optional<Expr> times = axis.to.dividedBy(axis.from);
        rounds && times && (axis.scale == 0 || axis.scale == std::floor(axis.scale))) {
      Exprs apart = n_.dims(x), repeated, to = apart;
      apart.insert(apart.begin() + axis.dim + 1, Expr(1));
      repeated = apart;
      repeated[axis.dim + 1] = *times;
      to[axis.dim] = axis.to;
      return n_.reshape(n_.expand(n_.reshape(x, apart), repeated), to);
    }
    mlir::Value at = positions(axis);
    if (rounding == "round_prefer_floor") at = n_.node("Ceil", {n_.add(at, -0.5)});
    if (rounding == "round_prefer_ceil") at = n_.node("Floor", {n_.add(at, 0.5)});
    if (rounding == "floor") at = n_.node("Floor", {at});
    if (rounding == "ceil") at = n_.node("Ceil", {at});
    return gathered(x, at, axis);
  }

  mlir::Value linear(mlir::Value x, const Axis& axis) {
    mlir::Value at = clamped(positions(axis), axis), low = n_.node("Floor", {at});
    mlir::Value share = along(n_.sub(at, low), axis);
    return n_.add(n_.mul(gathered(x, low, axis), n_.sub(number(1), share)),
                  n_.mul(gathered(x, n_.add(low, 1), axis), share));
  }

  // Of the four neighbours, at distances 1 + t, t, 1 - t and 2 - t, by Keys' kernel with parameter a.
  mlir::Value cubic(mlir::Value x, const Axis& axis) {
    const double a = op_.floatAttr("cubic_coeff_a", -0.75);
    mlir::Value at = positions(axis), low = n_.node("Floor", {at}), t = n_.sub(at, low), sum;
    for (int k = -1; k <= 2; ++k) {
      mlir::Value distance = k <= 0 ? n_.add(t, -k) : n_.sub(number(k), t);
      // (a + 2)d³ - (a + 3)d² + 1 up to 1, then ad³ - 5ad² + 8ad - 4a.
      mlir::Value weight =
          k == 0 || k == 1
              ? n_.add(n_.mul(n_.mul(distance, distance), n_.add(n_.mul(distance, a + 2), -(a + 3))), 1)
              : n_.add(n_.mul(distance, n_.add(n_.mul(distance, n_.add(n_.mul(distance, a), -5 * a)), 8 * a)), -4 * a);
      mlir::Value term = n_.mul(gathered(x, n_.add(low, k), axis), along(weight, axis));
      sum = sum ? n_.add(sum, term) : term;
    }
    return sum;
  }

  NodeBuilder n_;
  const OpView& op_;
  std::string coordinates_;
};

std::vector<mlir::Value> expandResize(mlir::OpBuilder& builder, const OpView& op) {
  return ResizeExpansion(builder, op).run();
}

}  // namespace

llvm::ArrayRef<Row> resizeRows() {
  static const std::vector<Row> kRows = {expandedOnImport("Resize", inferResize, expandResize)};
  return kRows;
}

}  // namespace shardwright
