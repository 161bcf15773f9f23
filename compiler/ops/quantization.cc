// Rows of quantised values: QuantizeLinear, DequantizeLinear, and ONNX Runtime's MatMulNBits. Import writes them as casts and
// arithmetic, so that weights are made floats once, at load, wherever a rank's part of them is.
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

#include <cmath>

namespace shardwright {
namespace {

using Values = std::vector<mlir::Value>;

// --- QuantizeLinear and DequantizeLinear. ----------------------------------------------------------------------------------------

enum Linear { kX, kScale, kZeroPoint };

bool isQuantized(DType type) { return isInteger(type) && bitWidth(type) >= 8 && bitWidth(type) <= 32; }

Status checkScale(const OpView& op, DType quantized) {
  if (!isQuantized(quantized))
    return nodeError(
        op, "is of type " + std::string(dtypeName(quantized)) + "; supported are integers of 8, 16 and 32 bits");
  const Exprs x = op.dims(kX), scale = op.dims(kScale);
  if (scale.empty() || (scale.size() == 1 && scale[0] == Expr(1))) return {};
  SW_ASSIGN_OR_RETURN(const int axis, normalizedAxis(op, op.intAttr("axis", 1), op.rank(kX)));
  if (scale.size() == 1) return requireEqual(op, scale[0], x[axis], "the number of scales and the size of the axis");
  const Expr block = op.intAttr("block_size", 0);
  if (scale.size() != x.size() || block == Expr(0))
    return nodeError(op, "has scales of sizes " + str(scale) + " for values of sizes " + str(x));
  for (int i = 0; i < op.rank(kX); ++i)
    SW_RETURN_IF_ERROR(
        requireEqual(op, i == axis ? scale[i] * block : scale[i], x[i], "the sizes of blocks and values"));
  return {};
}

// A scale or zero point as what broadcasts against x.
mlir::Value alongAxis(NodeBuilder& n, const OpView& op, mlir::Value value) {
  const Exprs x = op.dims(kX), from = n.dims(value);
  const int axis = op.axisAttr("axis", 1, op.rank(kX));
  if (from.size() <= 1) return n.along(value, axis, op.rank(kX));
  Exprs repeated = from;
  repeated.insert(repeated.begin() + axis + 1, Expr(op.intAttr("block_size", 0)));
  value = n.expand(n.node("Unsqueeze", {value, n.ints({axis + 1})}), repeated);
  return n.reshape(value, x);
}

DType dequantizedType(const OpView& op) {
  const int64_t given = op.intAttr("output_dtype", 0);
  return given ? static_cast<DType>(given) : op.dtype(kScale);
}

Status inferDequantize(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(checkScale(op, op.dtype(kX)));
  return allResults(op, {dequantizedType(op), op.dims(kX)}, results);
}

Values expandDequantize(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  mlir::Value x = n.cast(n.operand(kX), DType::kFloat32);
  if (op.has(kZeroPoint)) x = n.sub(x, alongAxis(n, op, n.cast(n.operand(kZeroPoint), DType::kFloat32)));
  x = n.mul(x, alongAxis(n, op, n.cast(n.operand(kScale), DType::kFloat32)));
  return {n.cast(x, dequantizedType(op))};
}

DType quantizedType(const OpView& op) {
  if (op.has(kZeroPoint)) return op.dtype(kZeroPoint);
  const int64_t given = op.intAttr("output_dtype", 0);
  return given ? static_cast<DType>(given) : DType::kUint8;
}

Status inferQuantize(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(checkScale(op, quantizedType(op)));
  return allResults(op, {quantizedType(op), op.dims(kX)}, results);
}

bool isSignedInteger(DType type) { return type == DType::kInt8 || type == DType::kInt16 || type == DType::kInt32; }

// Rounds to nearest, ties to even, and saturates.
Values expandQuantize(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType to = quantizedType(op), computed = bitWidth(to) > 16 ? DType::kFloat64 : DType::kFloat32;
  mlir::Value x = n.cast(n.operand(kX), computed);
  x = n.node("Round", {n.div(x, alongAxis(n, op, n.cast(n.operand(kScale), computed)))});
  if (op.has(kZeroPoint)) x = n.add(x, alongAxis(n, op, n.cast(n.operand(kZeroPoint), computed)));
  const double range = std::ldexp(1.0, bitWidth(to)), least = isSignedInteger(to) ? -range / 2 : 0;
  x = n.node("Clip", {x, n.scalar(least, computed), n.scalar(least + range - 1, computed)});
  return {n.cast(x, to)};
}

// --- MatMulNBits: x · transposed B, B [N, blocks, bytes] of `bits` bits with a scale and a zero point per block of a row. -----------

enum NBits { kA, kB, kScales, kZeroPoints, kGroups, kBias };

struct Blocks {
  int64_t n = 0, k = 0, size = 0, bits = 0;
  int64_t count() const { return (k + size - 1) / size; }
  int64_t perByte() const { return 8 / bits; }
};

Blocks blocksOf(const OpView& op) {
  return {op.intAttr("N", 0), op.intAttr("K", 0), op.intAttr("block_size", 0), op.intAttr("bits", 4)};
}

Expr elementsOf(const OpView& op, int operand) {
  Expr count = 1;
  for (Expr dim : op.dims(operand)) count *= dim;
  return count;
}

Status inferMatMulNBits(const OpView& op, ResultShapes& results) {
  const Blocks b = blocksOf(op);
  if (b.n <= 0 || b.k <= 0 || b.size <= 0 || (b.bits != 2 && b.bits != 4 && b.bits != 8) || b.size % b.perByte())
    return nodeError(op, "needs N, K and block_size above 0, and 2, 4 or 8 bits");
  if (op.has(kGroups)) return nodeError(op, "permutes its rows (g_idx), which is not supported");
  if (op.dtype(kB) != DType::kUint8) return nodeError(op, "needs weights of type uint8");
  SW_RETURN_IF_ERROR(requireEqual(op, op.dims(kA).back(), b.k, "the contracted sizes"));
  SW_RETURN_IF_ERROR(
      requireEqual(op, elementsOf(op, kB), b.n * b.count() * b.size / b.perByte(), "the bytes of weights"));
  SW_RETURN_IF_ERROR(requireEqual(op, elementsOf(op, kScales), b.n * b.count(), "the numbers of scales and of blocks"));
  if (op.has(kZeroPoints)) {
    const bool isPacked = op.dtype(kZeroPoints) == DType::kUint8;
    const int64_t row = isPacked ? (b.count() + b.perByte() - 1) / b.perByte() : b.count();
    SW_RETURN_IF_ERROR(requireEqual(op, elementsOf(op, kZeroPoints), b.n * row, "the sizes of zero points"));
  }
  Exprs dims = op.dims(kA);
  dims.back() = b.n;
  return allResults(op, {op.dtype(kA), dims}, results);
}

// uint8 [N, m, bytes] -> float32 [N, m, bytes·8/bits], the low bits first.
mlir::Value unpacked(NodeBuilder& n, mlir::Value packed, int64_t bits) {
  if (bits == 8) return n.cast(packed, DType::kFloat32);
  const Exprs dims = n.dims(packed);
  Values parts;
  for (int64_t shift = 0; shift < 8; shift += bits) {
    mlir::Value part = packed;
    if (shift)
      part = n.node("BitShift", {part, n.scalar(static_cast<double>(shift), DType::kUint8)},
                    {{"direction", n.stringAttr("RIGHT")}});
    part = n.node("BitwiseAnd", {part, n.scalar(static_cast<double>((1 << bits) - 1), DType::kUint8)});
    parts.push_back(n.node("Unsqueeze", {n.cast(part, DType::kFloat32), n.ints({3})}));
  }
  return n.reshape(n.concat(parts, 3), {dims[0], dims[1], dims[2] * Expr(8 / bits)});
}

Values expandMatMulNBits(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Blocks b = blocksOf(op);
  const DType type = op.dtype(kA);
  const Exprs perBlock = {b.n, b.count(), 1};
  mlir::Value weights = unpacked(n, n.reshape(n.operand(kB), {b.n, b.count(), b.size / b.perByte()}), b.bits);
  mlir::Value zero = n.scalar(std::ldexp(1.0, static_cast<int>(b.bits) - 1), DType::kFloat32);
  if (op.has(kZeroPoints) && op.dtype(kZeroPoints) == DType::kUint8) {
    const int64_t bytes = (b.count() + b.perByte() - 1) / b.perByte();
    zero = unpacked(n, n.reshape(n.operand(kZeroPoints), {b.n, 1, bytes}), b.bits);
    zero = n.reshape(n.slice(zero, 2, 0, b.count()), perBlock);
  } else if (op.has(kZeroPoints)) {
    zero = n.reshape(n.cast(n.operand(kZeroPoints), DType::kFloat32), perBlock);
  }
  mlir::Value scales = n.reshape(n.cast(n.operand(kScales), DType::kFloat32), perBlock);
  weights = n.reshape(n.mul(n.sub(weights, zero), scales), {b.n, b.count() * b.size});
  if (b.count() * b.size != b.k) weights = n.slice(weights, 1, 0, b.k);
  mlir::Value y = n.node("MatMul", {n.operand(kA), n.transpose(n.cast(weights, type), {1, 0})});
  return {op.has(kBias) ? n.add(y, n.operand(kBias)) : y};
}

}  // namespace

llvm::ArrayRef<Row> quantizationRows() {
  static const std::vector<Row> kRows = {
      expandedOnImport("QuantizeLinear", inferQuantize, expandQuantize),
      expandedOnImport("DequantizeLinear", inferDequantize, expandDequantize),
      expandedOnImport("MatMulNBits", inferMatMulNBits, expandMatMulNBits, "com.microsoft"),
  };
  return kRows;
}

}  // namespace shardwright
