#include "compiler/codegen/nest_function.h"
#include "compiler/codegen/scalar_op.h"

namespace shardwright {

using llvm::FixedVectorType;
using llvm::Value;

// The nodes of one depth; those that use this phase's reductions come after its loops.
void NestEmitter::emitNodes(int depth, const Point& point, const Lanes& lanes, bool afterLoops) {
  for (size_t n = 0; n < plan_->nodes.size(); ++n) {
    const NodePlace& place = plan_->nodes[n];
    if (place.depth != depth || !(place.inLoops || place.afterLoops) || place.ownReductions != afterLoops) continue;
    values_[n] = emitNode(static_cast<int>(n), point, lanes);
  }
}

Value* NestEmitter::value(int node, int width) {
  Value* held = values_[node];
  return width == 1 || plan_->nodes[node].vector ? held : b_.CreateVectorSplat(width, held);
}

Value* NestEmitter::emitNode(int number, const Point& point, const Lanes& lanes) {
  const ScalarNode& node = phase_->nodes[number];
  bool vector = plan_->nodes[number].vector;
  if (traitsOf(node.op).types == TypeRule::kLeaf) return emitLeaf(node, vector, point, lanes);
  if (Value* contracted = emitContracted(number, lanes)) return contracted;
  if (Value* normalised = emitNormalisation(number, lanes)) return normalised;
  std::vector<Value*> inputs;
  std::vector<DType> types;
  for (int input : node.inputs) {
    inputs.push_back(value(input, vector ? lanes.width : 1));
    types.push_back(phase_->nodes[input].dtype);
  }
  return scalars_.operation(node, inputs, types);
}

// The product that may be fused into a sum at this depth: used there alone, and not rounded to 16 bits in between.
const ScalarNode* NestEmitter::contractible(int number, int depth) const {
  const ScalarNode& node = phase_->nodes[number];
  const NodePlace& place = plan_->nodes[number];
  bool fits = node.op == ScalarOp::kMul && isFloat(node.dtype) && heldType(node.dtype) == node.dtype &&
              place.uses == 1 && place.depth == depth;
  return fits ? &node : nullptr;
}

// a·b + c and its kin in one rounding; null where there is none. Decided by the nest alone, so that every lane agrees.
Value* NestEmitter::emitContracted(int number, const Lanes& lanes) {
  const ScalarNode& node = phase_->nodes[number];
  bool subtracts = node.op == ScalarOp::kSub;
  if ((node.op != ScalarOp::kAdd && !subtracts) || !isFloat(node.dtype)) return nullptr;
  const NodePlace& place = plan_->nodes[number];
  int width = place.vector ? lanes.width : 1;
  for (int side = 0; side < 2; ++side) {
    const ScalarNode* product = contractible(node.inputs[side], place.depth);
    if (!product) continue;
    Value* left = value(product->inputs[0], width);
    Value* right = value(product->inputs[1], width);
    Value* addend = value(node.inputs[1 - side], width);
    if (subtracts && side == 0) addend = b_.CreateFNeg(addend);
    if (subtracts && side == 1) left = b_.CreateFNeg(left);
    return scalars_.rounded(scalars_.math().mulAdd(left, right, addend), node.dtype);
  }
  return nullptr;
}

// A division by what the inner points have in common and a reduction made (softmax's sum, a norm) is a multiplication by its
// reciprocal, hoisted out of the loop: one more rounding for many divisions less. Null where that is not so.
Value* NestEmitter::emitNormalisation(int number, const Lanes& lanes) {
  const ScalarNode& node = phase_->nodes[number];
  if (node.op != ScalarOp::kDiv || !isFloat(node.dtype)) return nullptr;
  const NodePlace& place = plan_->nodes[number];
  const NodePlace& divisor = plan_->nodes[node.inputs[1]];
  if (!divisor.fromReduction || divisor.depth >= place.depth) return nullptr;
  Value* reciprocal = scalars_.math().unary(ScalarOp::kReciprocal, values_[node.inputs[1]]);
  int width = place.vector ? lanes.width : 1;
  if (width > 1 && !divisor.vector) reciprocal = b_.CreateVectorSplat(width, reciprocal);
  return scalars_.rounded(b_.CreateFMul(value(node.inputs[0], width), reciprocal), node.dtype);
}

Value* NestEmitter::emitLeaf(const ScalarNode& node, bool vector, const Point& point, const Lanes& lanes) {
  Lanes here = vector ? lanes : Lanes();
  switch (node.op) {
    case ScalarOp::kLoad: {
      Value* held = load(node.index, point.pointers[node.index], here);
      return node.dtype == nest_.operands[node.index].dtype ? held : scalars_.rounded(held, node.dtype);
    }
    case ScalarOp::kConst:
      return scalars_.constant(node, 1);
    case ScalarOp::kReduced:
      return scalars_.rounded(reduced_[node.index], node.dtype);
    case ScalarOp::kParam:
      return param(node.index);
    default:
      break;
  }
  Value* index = point.indices[node.index];
  if (here.width == 1) return index;
  Value* steps = b_.CreateStepVector(FixedVectorType::get(b_.getInt64Ty(), here.width));
  return b_.CreateAdd(b_.CreateVectorSplat(here.width, index), steps);
}

Value* NestEmitter::load(int operand, Value* pointer, const Lanes& lanes) {
  DType type = nest_.operands[operand].dtype;
  llvm::Type* scalar = scalars_.memoryLanes(type, 1);
  llvm::Type* memory = scalars_.memoryLanes(type, lanes.width);
  llvm::Align alignment(bitWidth(type) / 8);
  Value* raw = nullptr;
  if (lanes.width == 1) {
    raw = b_.CreateAlignedLoad(scalar, pointer, alignment);
  } else if (nest_.operands[operand].strides[shape_.laneDim] == StrideKind::kRuntime) {
    raw = llvm::PoisonValue::get(memory);
    for (int lane = 0; lane < lanes.width; ++lane) {
      raw = b_.CreateInsertElement(raw, b_.CreateAlignedLoad(scalar, pointer, alignment), lane);
      pointer = b_.CreateInBoundsGEP(scalar, pointer, stride(operand, shape_.laneDim));
    }
  } else if (lanes.mask) {
    raw = b_.CreateMaskedLoad(memory, pointer, alignment, lanes.mask, llvm::Constant::getNullValue(memory));
  } else {
    raw = b_.CreateAlignedLoad(memory, pointer, alignment);
  }
  return scalars_.fromMemory(raw, type);
}

void NestEmitter::store(int operand, Value* held, Value* pointer, const Lanes& lanes) {
  DType type = nest_.operands[operand].dtype;
  llvm::Align alignment(bitWidth(type) / 8);
  Value* raw = scalars_.toMemory(held, type);
  StrideKind along = shape_.laneDim < 0 ? StrideKind::kZero : nest_.operands[operand].strides[shape_.laneDim];
  if (lanes.width > 1 && along == StrideKind::kRuntime) {
    for (int lane = 0; lane < lanes.width; ++lane) {
      b_.CreateAlignedStore(b_.CreateExtractElement(raw, lane), pointer, alignment);
      pointer = b_.CreateInBoundsGEP(scalars_.memoryLanes(type, 1), pointer, stride(operand, shape_.laneDim));
    }
    return;
  }
  if (lanes.width > 1 && along == StrideKind::kZero) raw = b_.CreateExtractElement(raw, uint64_t{0});  // of extent 1
  if (lanes.mask && along == StrideKind::kUnit) {
    b_.CreateMaskedStore(raw, pointer, alignment, lanes.mask);
  } else {
    b_.CreateAlignedStore(raw, pointer, alignment);
  }
}

}  // namespace shardwright
