#include "tests/unit/compiler/codegen/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/codegen/scalar_op.h"

namespace shardwright::testing {
namespace {

class Interpreter {
 public:
  Interpreter(const LoopNest& nest, void* const* buffers, const int64_t* sizes)
      : nest_(nest), buffers_(buffers), sizes_(sizes), dims_(nest.numOuter + nest.numInner), index_(dims_) {}

  void runPoint(int64_t flat) {
    for (int d = nest_.numOuter - 1; d >= 0; --d) {
      index_[d] = flat % sizes_[d];
      flat /= sizes_[d];
    }
    reduced_.clear();
    for (const Phase& phase : nest_.phases) runPhase(phase);
  }

 private:
  bool isOnce(const Store& store) const {
    return nest_.numInner > 0 && nest_.operands[store.operand].strides[nest_.numOuter] == StrideKind::kZero;
  }

  int64_t position(int operand) const {
    int64_t offset = 0;
    for (int d = 0; d < dims_; ++d) {
      StrideKind kind = nest_.operands[operand].strides[d];
      int64_t stride = kind == StrideKind::kZero   ? 0
                       : kind == StrideKind::kUnit ? 1
                                                   : sizes_[dims_ * (1 + operand) + d];
      offset += index_[d] * stride;
    }
    return offset;
  }

  Scalar leaf(const ScalarNode& node) const {
    switch (node.op) {
      case ScalarOp::kLoad: {
        DType type = nest_.operands[node.index].dtype;
        Scalar value = readElement(buffers_[node.index], position(node.index), type);
        return isFloat(type) ? Scalar{roundTo(value.real, node.dtype), 0} : value;
      }
      case ScalarOp::kConst:
        if (isFloat(node.dtype)) return {roundTo(node.constant, node.dtype), 0};
        return {0,
                node.dtype == DType::kBool ? node.constant != 0 || node.integer != 0 : wrap(node.integer, node.dtype)};
      case ScalarOp::kReduced:
        if (node.index >= static_cast<int>(reduced_.size())) return {};  // of this phase; only looked at afterwards
        return isFloat(node.dtype) ? Scalar{roundTo(reduced_[node.index].real, node.dtype), 0} : reduced_[node.index];
      case ScalarOp::kIndex:
        return {0, index_[node.index]};
      default:
        return {0, sizes_[dims_ * (1 + nest_.operands.size()) + node.index]};
    }
  }

  std::vector<Scalar> evaluateAll(const Phase& phase) const {
    std::vector<Scalar> values;
    for (const ScalarNode& node : phase.nodes) {
      if (node.inputs.empty()) {
        values.push_back(leaf(node));
        continue;
      }
      std::vector<Scalar> inputs;
      std::vector<DType> types;
      for (int input : node.inputs) {
        inputs.push_back(values[input]);
        types.push_back(phase.nodes[input].dtype);
      }
      values.push_back(evaluate(node, inputs, types));
    }
    return values;
  }

  void write(const Store& store, Scalar value) const {
    writeElement(buffers_[store.operand], position(store.operand), nest_.operands[store.operand].dtype, value);
  }

  void runPhase(const Phase& phase) {
    std::vector<long double> reals(phase.reductions.size());
    std::vector<int64_t> wholes(phase.reductions.size());
    std::vector<bool> started(phase.reductions.size());
    int64_t points = 1;
    for (int d = nest_.numOuter; d < dims_; ++d) points *= sizes_[d];
    for (int64_t point = 0; point < points; ++point) {
      int64_t rest = point;
      for (int d = dims_ - 1; d >= nest_.numOuter; --d) {
        index_[d] = rest % sizes_[d];
        rest /= sizes_[d];
      }
      std::vector<Scalar> values = evaluateAll(phase);
      for (size_t r = 0; r < phase.reductions.size(); ++r) {
        step(phase.reductions[r], phase.nodes[phase.reductions[r].value].dtype, values, reals[r], wholes[r],
             started[r]);
        started[r] = true;
      }
      for (const Store& store : phase.stores) {
        if (!isOnce(store)) write(store, values[store.value]);
      }
    }
    finish(phase, reals, wholes, started);
  }

  void step(const Reduction& reduction, DType type, const std::vector<Scalar>& values, long double& real,
            int64_t& whole, bool started) const {
    Scalar value = values[reduction.value];
    if (!started) {
      real = value.real;
      whole = value.whole;
      return;
    }
    if (isFloat(type)) {
      bool nan = std::isnan(value.real) || std::isnan(real);
      switch (reduction.kind) {
        case Reduction::Kind::kSum:
          real += value.real;
          break;
        case Reduction::Kind::kProd:
          real *= value.real;
          break;
        case Reduction::Kind::kMax:
          real = nan ? std::nan("") : std::max<long double>(real, value.real);
          break;
        default:
          real = nan ? std::nan("") : std::min<long double>(real, value.real);
      }
      return;
    }
    static constexpr ScalarOp kOps[] = {ScalarOp::kAdd, ScalarOp::kMul,    ScalarOp::kMax,
                                        ScalarOp::kMin, ScalarOp::kBitAnd, ScalarOp::kBitOr};
    whole = wrap(binaryWhole(kOps[static_cast<int>(reduction.kind)], whole, value.whole, type), type);
  }

  void finish(const Phase& phase, const std::vector<long double>& reals, const std::vector<int64_t>& wholes,
              const std::vector<bool>& started) {
    for (size_t r = 0; r < phase.reductions.size(); ++r) {
      DType type = phase.nodes[phase.reductions[r].value].dtype;
      if (started[r]) {
        reduced_.push_back({roundTo(static_cast<double>(reals[r]), accumulationType(type)), wholes[r]});
        continue;
      }
      int bits = bitWidth(type);
      double infinity = std::numeric_limits<double>::infinity();
      int64_t least = isSignedInteger(type) ? wrap(static_cast<int64_t>(1ull << (bits - 1)), type) : 0;
      switch (phase.reductions[r].kind) {
        case Reduction::Kind::kProd:
          reduced_.push_back({1, 1});
          break;
        case Reduction::Kind::kMax:
          reduced_.push_back({-infinity, least});
          break;
        case Reduction::Kind::kMin:
          reduced_.push_back({infinity, wrap(~least, type)});
          break;
        case Reduction::Kind::kAnd:
          reduced_.push_back({0, type == DType::kBool ? 1 : wrap(-1, type)});
          break;
        default:
          reduced_.push_back({0, 0});
      }
    }
    for (int d = nest_.numOuter; d < dims_; ++d) index_[d] = 0;
    bool any = false;
    for (const Store& store : phase.stores) any |= isOnce(store);
    if (!any) return;
    std::vector<Scalar> values = evaluateAll(phase);
    for (const Store& store : phase.stores) {
      if (isOnce(store)) write(store, values[store.value]);
    }
  }

  const LoopNest& nest_;
  void* const* buffers_;
  const int64_t* sizes_;
  int dims_;
  std::vector<int64_t> index_;
  std::vector<Scalar> reduced_;
};

}  // namespace

void interpret(const LoopNest& nest, void* const* buffers, const int64_t* sizes, int64_t begin, int64_t end) {
  Interpreter interpreter(nest, buffers, sizes);
  for (int64_t flat = begin; flat < end; ++flat) interpreter.runPoint(flat);
}

double ulpsBetween(float found, double expected) {
  float rounded = static_cast<float>(expected);
  if (std::isnan(found) || std::isnan(rounded)) return std::isnan(found) && std::isnan(rounded) ? 0 : 1e30;
  if (found == rounded) return 0;
  if (std::isinf(found) || std::isinf(rounded)) return 1e30;
  float magnitude = std::max(std::fabs(rounded), std::numeric_limits<float>::min());
  double unit = static_cast<double>(std::nextafter(magnitude, INFINITY)) - magnitude;
  return std::fabs(found - expected) / unit;
}

double ulpsBetween(double found, long double expected) {
  double rounded = static_cast<double>(expected);
  if (std::isnan(found) || std::isnan(rounded)) return std::isnan(found) && std::isnan(rounded) ? 0 : 1e30;
  if (found == rounded) return 0;
  if (std::isinf(found) || std::isinf(rounded)) return 1e30;
  double magnitude = std::max(std::fabs(rounded), std::numeric_limits<double>::min());
  long double unit = static_cast<long double>(std::nextafter(magnitude, INFINITY)) - magnitude;
  return static_cast<double>(std::fabs(found - expected) / unit);
}

}  // namespace shardwright::testing
