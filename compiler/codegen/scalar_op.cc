#include "compiler/codegen/scalar_op.h"

#include <iterator>

namespace shardwright {
namespace {

// In the order of ScalarOp.
constexpr ScalarOpTraits kTraits[] = {
    {"load", 0, TypeRule::kLeaf},
    {"const", 0, TypeRule::kLeaf},
    {"reduced", 0, TypeRule::kLeaf},
    {"index", 0, TypeRule::kLeaf},
    {"param", 0, TypeRule::kLeaf},
    {"neg", 1, TypeRule::kNumber},
    {"abs", 1, TypeRule::kNumber},
    {"sqrt", 1, TypeRule::kFloat},
    {"reciprocal", 1, TypeRule::kFloat},
    {"exp", 1, TypeRule::kFloat},
    {"log", 1, TypeRule::kFloat},
    {"erf", 1, TypeRule::kFloat},
    {"tanh", 1, TypeRule::kFloat},
    {"sin", 1, TypeRule::kFloat},
    {"cos", 1, TypeRule::kFloat},
    {"tan", 1, TypeRule::kFloat},
    {"asin", 1, TypeRule::kFloat},
    {"acos", 1, TypeRule::kFloat},
    {"atan", 1, TypeRule::kFloat},
    {"sinh", 1, TypeRule::kFloat},
    {"cosh", 1, TypeRule::kFloat},
    {"asinh", 1, TypeRule::kFloat},
    {"acosh", 1, TypeRule::kFloat},
    {"atanh", 1, TypeRule::kFloat},
    {"sigmoid", 1, TypeRule::kFloat},
    {"floor", 1, TypeRule::kFloat},
    {"ceil", 1, TypeRule::kFloat},
    {"round", 1, TypeRule::kFloat},
    {"sign", 1, TypeRule::kNumber},
    {"not", 1, TypeRule::kBool},
    {"bit_not", 1, TypeRule::kInteger},
    {"is_nan", 1, TypeRule::kFloatTest},
    {"is_inf", 1, TypeRule::kFloatTest},
    {"cast", 1, TypeRule::kCast},
    {"bit_cast", 1, TypeRule::kBitCast},
    {"add", 2, TypeRule::kNumber},
    {"sub", 2, TypeRule::kNumber},
    {"mul", 2, TypeRule::kNumber},
    {"div", 2, TypeRule::kNumber},
    {"fmod", 2, TypeRule::kNumber},
    {"mod", 2, TypeRule::kNumber},
    {"pow", 2, TypeRule::kNumber},
    {"min", 2, TypeRule::kNumber},
    {"max", 2, TypeRule::kNumber},
    {"and", 2, TypeRule::kBool},
    {"or", 2, TypeRule::kBool},
    {"xor", 2, TypeRule::kBool},
    {"bit_and", 2, TypeRule::kInteger},
    {"bit_or", 2, TypeRule::kInteger},
    {"bit_xor", 2, TypeRule::kInteger},
    {"shift_left", 2, TypeRule::kInteger},
    {"shift_right", 2, TypeRule::kInteger},
    {"equal", 2, TypeRule::kEquality},
    {"less", 2, TypeRule::kComparison},
    {"less_or_equal", 2, TypeRule::kComparison},
    {"greater", 2, TypeRule::kComparison},
    {"greater_or_equal", 2, TypeRule::kComparison},
    {"select", 3, TypeRule::kSelect},
};
static_assert(std::size(kTraits) == static_cast<size_t>(ScalarOp::kSelect) + 1, "a row per ScalarOp");

}  // namespace

const ScalarOpTraits& traitsOf(ScalarOp op) { return kTraits[static_cast<int>(op)]; }

bool isLoopType(DType type) {
  switch (type) {
    case DType::kFloat32:
    case DType::kFloat64:
    case DType::kFloat16:
    case DType::kBFloat16:
    case DType::kBool:
    case DType::kUint8:
    case DType::kInt8:
    case DType::kUint16:
    case DType::kInt16:
    case DType::kUint32:
    case DType::kInt32:
    case DType::kUint64:
    case DType::kInt64:
      return true;
    default:
      return false;
  }
}

}  // namespace shardwright
