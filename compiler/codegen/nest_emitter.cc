#include "compiler/codegen/nest_emitter.h"

#include <functional>

#include "compiler/codegen/nest_shape.h"
#include "compiler/codegen/scalar_emitter.h"
#include "compiler/codegen/scalar_op.h"

namespace shardwright {
namespace {

using llvm::BasicBlock;
using llvm::ConstantInt;
using llvm::FixedVectorType;
using llvm::Value;

// How many lanes the code at hand works on, and which of them count.
struct Lanes {
  int width = 1;
  Value* mask = nullptr;  // null: all
};

// Where the loops are: each operand's element there, and the index along each dim (of lane 0).
struct Point {
  std::vector<Value*> pointers, indices;
};

// A reduction's running totals, in memory that LLVM turns into registers.
struct Accumulator {
  std::vector<Value*> vectors;  // one per unrolled vector
  Value* scalar = nullptr;      // for tails without masks
};

class NestEmitter {
 public:
  NestEmitter(const LoopNest& nest, const TargetTraits& traits, llvm::Module& module)
      : nest_(nest), traits_(traits), shape_(shapeOf(nest, traits)), b(module.getContext()), scalars_(b, traits) {
    declare(module);
  }

  void run();

 private:
  void declare(llvm::Module& module);
  Value* size(int position);
  Value* extent(int dim) { return size(dim); }
  Value* stride(int operand, int dim);
  Value* param(int number);
  Value* number(int64_t value) { return b.getInt64(value); }
  Value* variable(llvm::Type* type);  // an alloca at the function's beginning

  void loop(Value* from, Value* to, int64_t step, const std::function<void(Value*)>& body);
  void onlyIf(Value* condition, const std::function<void()>& body);
  Point moved(const Point& point, int dim, Value* by);

  void emitRange(Value* begin, Value* end);
  void emitSegment(const Point& start, Value* count);
  void emitLinear(Value* begin, Value* end);
  Value* isLinear(Value*& innerCount);
  void emitPoint(const Point& point, const Lanes& lanes);
  void enterPhase(size_t phase);
  void emitPhase(size_t phase, const Point& point, const Lanes& lanes);
  void emitInner(int dim, const Point& point, const Lanes& lanes);
  void emitVectorLoop(const Point& point, Value* count);
  void overLanes(Value* count, int widest, int unroll, bool maskable,
                 const std::function<void(Value*, const Lanes&, int)>& body);
  void emitBody(const Point& point, const Lanes& lanes, int part);
  void emitStores(const Point& point, const Lanes& lanes, bool once);

  void emitNodes(int depth, const Point& point, const Lanes& lanes, bool afterLoops);
  Value* emitNode(int node, const Point& point, const Lanes& lanes);
  Value* emitLeaf(const ScalarNode& node, bool vector, const Point& point, const Lanes& lanes);
  Value* emitContracted(int node, const Lanes& lanes);
  const ScalarNode* contractible(int node, int depth) const;
  Value* value(int node, int width);  // splat where it is one for all
  Value* load(int operand, Value* pointer, const Lanes& lanes);
  void store(int operand, Value* held, Value* pointer, const Lanes& lanes);

  void beginReductions(const Lanes& lanes);
  void accumulate(const Lanes& lanes, int part);
  void endReductions(const Lanes& lanes);
  Value* acrossLanes(Reduction::Kind kind, DType type, Value* vector);

  const LoopNest& nest_;
  TargetTraits traits_;
  NestShape shape_;
  llvm::IRBuilder<> b;
  ScalarEmitter scalars_;
  llvm::Function* function_ = nullptr;
  BasicBlock* entry_ = nullptr;
  Value *buffers_ = nullptr, *sizes_ = nullptr;
  std::vector<Value*> bases_;
  std::vector<Value*> loadedSizes_;

  // Of the phase being emitted.
  const Phase* phase_ = nullptr;
  const PhasePlan* plan_ = nullptr;
  std::vector<Value*> values_;
  std::vector<Accumulator> accumulators_;
  std::vector<Value*> reduced_;  // of all phases so far
};

void NestEmitter::declare(llvm::Module& module) {
  llvm::Type *pointer = b.getPtrTy(), *integer = b.getInt64Ty();
  auto* type = llvm::FunctionType::get(b.getVoidTy(), {pointer, pointer, integer, integer}, false);
  function_ = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, nest_.name, module);
  for (unsigned i = 0; i < 2; ++i) {
    function_->addParamAttr(i, llvm::Attribute::NoAlias);
    function_->addParamAttr(i, llvm::Attribute::ReadOnly);
  }
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  function_->addFnAttr("no-builtins");  // loops that copy stay loops: a call would be an undefined symbol
  function_->addFnAttr("prefer-vector-width", std::to_string(traits_.vectorBytes * 8));
  function_->addFnAttr("min-legal-vector-width", std::to_string(traits_.vectorBytes * 8));
  buffers_ = function_->getArg(0);
  sizes_ = function_->getArg(1);
  entry_ = BasicBlock::Create(b.getContext(), "entry", function_);
  b.SetInsertPoint(entry_);
  for (size_t i = 0; i < nest_.operands.size(); ++i) {
    bases_.push_back(b.CreateLoad(pointer, b.CreateConstGEP1_64(pointer, buffers_, i)));
  }
  int dims = nest_.numOuter + nest_.numInner;
  loadedSizes_.resize(dims * (1 + nest_.operands.size()) + nest_.numParams);
  for (size_t i = 0; i < loadedSizes_.size(); ++i) {
    loadedSizes_[i] = b.CreateLoad(integer, b.CreateConstGEP1_64(integer, sizes_, i));
  }
}

Value* NestEmitter::size(int position) { return loadedSizes_[position]; }

Value* NestEmitter::stride(int operand, int dim) {
  int dims = nest_.numOuter + nest_.numInner;
  switch (nest_.operands[operand].strides[dim]) {
    case StrideKind::kZero:
      return number(0);
    case StrideKind::kUnit:
      return number(1);
    case StrideKind::kRuntime:
      return size(dims * (1 + operand) + dim);
  }
  return nullptr;
}

Value* NestEmitter::param(int number) {
  int dims = nest_.numOuter + nest_.numInner;
  return size(dims * (1 + static_cast<int>(nest_.operands.size())) + number);
}

Value* NestEmitter::variable(llvm::Type* type) {
  llvm::IRBuilder<> first(entry_, entry_->begin());
  return first.CreateAlloca(type);
}

// for (i = from; i < to; i += step)
void NestEmitter::loop(Value* from, Value* to, int64_t step, const std::function<void(Value*)>& body) {
  BasicBlock* before = b.GetInsertBlock();
  auto* block = BasicBlock::Create(b.getContext(), "loop", function_);
  auto* after = BasicBlock::Create(b.getContext(), "done", function_);
  b.CreateCondBr(b.CreateICmpSLT(from, to), block, after);
  b.SetInsertPoint(block);
  llvm::PHINode* index = b.CreatePHI(b.getInt64Ty(), 2);
  index->addIncoming(from, before);
  body(index);
  Value* next = b.CreateNSWAdd(index, number(step));
  index->addIncoming(next, b.GetInsertBlock());
  b.CreateCondBr(b.CreateICmpSLT(next, to), block, after);
  b.SetInsertPoint(after);
}

void NestEmitter::onlyIf(Value* condition, const std::function<void()>& body) {
  auto* block = BasicBlock::Create(b.getContext(), "then", function_);
  auto* after = BasicBlock::Create(b.getContext(), "after", function_);
  b.CreateCondBr(condition, block, after);
  b.SetInsertPoint(block);
  body();
  b.CreateBr(after);
  b.SetInsertPoint(after);
}

Point NestEmitter::moved(const Point& point, int dim, Value* by) {
  Point result = point;
  for (size_t i = 0; i < nest_.operands.size(); ++i) {
    if (nest_.operands[i].strides[dim] == StrideKind::kZero) continue;
    Value* offset = b.CreateNSWMul(by, stride(static_cast<int>(i), dim));
    result.pointers[i] =
        b.CreateInBoundsGEP(scalars_.memoryLanes(nest_.operands[i].dtype, 1), point.pointers[i], offset);
  }
  result.indices[dim] = b.CreateNSWAdd(point.indices[dim], by);
  return result;
}

void NestEmitter::run() {
  Value *begin = function_->getArg(2), *end = function_->getArg(3);
  onlyIf(b.CreateICmpSLT(begin, end), [&] {
    if (!shape_.mayBeLinear) return emitRange(begin, end);
    Value* innerCount = nullptr;
    Value* linear = isLinear(innerCount);
    onlyIf(linear, [&] { emitLinear(b.CreateNSWMul(begin, innerCount), b.CreateNSWMul(end, innerCount)); });
    onlyIf(b.CreateNot(linear), [&] { emitRange(begin, end); });
  });
  b.CreateRetVoid();
}

// Whether each operand that moves is row major without gaps.
Value* NestEmitter::isLinear(Value*& innerCount) {
  int dims = nest_.numOuter + nest_.numInner;
  Value* linear = b.getTrue();
  innerCount = number(1);
  Value* count = number(1);  // elements below dim d
  for (int d = dims - 1; d >= 0; --d) {
    for (size_t i = 0; i < nest_.operands.size(); ++i) {
      if (nest_.operands[i].strides[d] == StrideKind::kZero) continue;
      linear = b.CreateAnd(linear, b.CreateICmpEQ(stride(static_cast<int>(i), d), count));
    }
    count = b.CreateNSWMul(count, extent(d));
    if (d == nest_.numOuter) innerCount = count;
  }
  return linear;
}

// The whole range as one row: every moving operand is contiguous along the last dim, which lanes lie along.
void NestEmitter::emitLinear(Value* begin, Value* end) {
  int lastDim = nest_.numOuter + nest_.numInner - 1;
  Point start = moved({bases_, std::vector<Value*>(lastDim + 1, number(0))}, lastDim, begin);
  Value* count = b.CreateNSWSub(end, begin);
  if (shape_.lanesAreOuter) return emitSegment(start, count);
  enterPhase(0);
  for (int depth = 0; depth < nest_.numInner; ++depth) emitNodes(depth, start, Lanes(), /*afterLoops=*/false);
  emitVectorLoop(start, count);
}

// Outer points begin … end-1 in row-major order, cut into segments along the last outer dim.
void NestEmitter::emitRange(Value* begin, Value* end) {
  int numDims = nest_.numOuter + nest_.numInner;
  Point origin{bases_, std::vector<Value*>(numDims, number(0))};
  if (nest_.numOuter == 0) return emitPoint(origin, Lanes());
  int last = nest_.numOuter - 1;
  if (last == 0) return emitSegment(moved(origin, 0, begin), b.CreateNSWSub(end, begin));

  llvm::Type* integer = b.getInt64Ty();
  Value* flat = variable(integer);
  b.CreateStore(begin, flat);
  std::vector<Value*> indices;  // of the segment's first point, along each outer dim
  Value* rest = begin;
  for (int d = 0; d <= last; ++d) indices.push_back(variable(integer));
  for (int d = last; d > 0; --d) {
    b.CreateStore(b.CreateURem(rest, extent(d)), indices[d]);
    rest = b.CreateUDiv(rest, extent(d));
  }
  b.CreateStore(rest, indices[0]);

  auto* segment = BasicBlock::Create(b.getContext(), "segment", function_);
  auto* after = BasicBlock::Create(b.getContext(), "segments.end", function_);
  b.CreateBr(segment);
  b.SetInsertPoint(segment);
  Value* done = b.CreateLoad(integer, flat);
  Value* first = b.CreateLoad(integer, indices[last]);
  Value* inRow = b.CreateNSWSub(extent(last), first);
  Value* left = b.CreateNSWSub(end, done);
  Value* count = b.CreateSelect(b.CreateICmpSLT(inRow, left), inRow, left);
  Point start = origin;
  for (int d = 0; d <= last; ++d) start = moved(start, d, b.CreateLoad(integer, indices[d]));
  emitSegment(start, count);
  Value* next = b.CreateNSWAdd(done, count);
  b.CreateStore(next, flat);
  // Only the last segment may end within a row; what its indices become is not used.
  b.CreateStore(number(0), indices[last]);
  for (int d = last - 1; d >= 0; --d) {
    Value* index = b.CreateNSWAdd(b.CreateLoad(integer, indices[d]), number(1));
    Value* carry = d == 0 ? b.getFalse() : b.CreateICmpEQ(index, extent(d));
    b.CreateStore(b.CreateSelect(carry, number(0), index), indices[d]);
    if (d == 0) break;
    auto* carried = BasicBlock::Create(b.getContext(), "carry", function_);
    auto* counted = BasicBlock::Create(b.getContext(), "counted", function_);
    b.CreateCondBr(carry, carried, counted);
    b.SetInsertPoint(counted);
    b.CreateCondBr(b.CreateICmpSLT(next, end), segment, after);
    b.SetInsertPoint(carried);
  }
  b.CreateCondBr(b.CreateICmpSLT(next, end), segment, after);
  b.SetInsertPoint(after);
}

// `count` outer points along the last outer dim.
void NestEmitter::emitSegment(const Point& start, Value* count) {
  int last = nest_.numOuter - 1;
  if (!shape_.lanesAreOuter) {
    return loop(number(0), count, 1, [&](Value* i) { emitPoint(moved(start, last, i), Lanes()); });
  }
  int unroll = 4;
  bool maskable = true;
  for (const PhasePlan& plan : shape_.phases) {
    unroll = std::min(unroll, plan.unroll);
    maskable &= plan.maskable;
  }
  // Wider vectors here, which LLVM splits: lanes need no accumulators of their own.
  overLanes(count, shape_.width * unroll, 1, maskable,
            [&](Value* i, const Lanes& lanes, int) { emitPoint(moved(start, last, i), lanes); });
}

// Covers 0 … count-1 by vectors: `unroll` of `widest` lanes per iteration, then single ones of the shape's width, then the
// tail under a mask or one by one.
void NestEmitter::overLanes(Value* count, int widest, int unroll, bool maskable,
                            const std::function<void(Value*, const Lanes&, int)>& body) {
  int width = shape_.width;
  auto roundedDown = [&](int64_t multiple) { return b.CreateAnd(count, number(-multiple)); };
  Value* from = number(0);
  if (widest * unroll > width) {
    Value* to = roundedDown(widest * unroll);
    loop(from, to, widest * unroll, [&](Value* i) {
      for (int part = 0; part < unroll; ++part) body(b.CreateNSWAdd(i, number(part * widest)), {widest, nullptr}, part);
    });
    from = to;
  }
  Value* to = roundedDown(width);
  loop(from, to, width, [&](Value* i) { body(i, {width, nullptr}, 0); });
  if (maskable && traits_.maskedTails) {
    onlyIf(b.CreateICmpSLT(to, count), [&] {
      llvm::Type* bits = b.getIntNTy(width);
      Value* shift = b.CreateTrunc(b.CreateNSWSub(count, to), bits);
      Value* low = b.CreateNot(b.CreateShl(llvm::Constant::getAllOnesValue(bits), shift));
      body(to, {width, b.CreateBitCast(low, FixedVectorType::get(b.getInt1Ty(), width))}, 0);
    });
  } else {
    loop(to, count, 1, [&](Value* i) { body(i, Lanes(), 0); });
  }
}

void NestEmitter::emitPoint(const Point& point, const Lanes& lanes) {
  reduced_.clear();
  for (size_t p = 0; p < nest_.phases.size(); ++p) emitPhase(p, point, lanes);
}

void NestEmitter::enterPhase(size_t phase) {
  phase_ = &nest_.phases[phase];
  plan_ = &shape_.phases[phase];
  values_.assign(phase_->nodes.size(), nullptr);
}

void NestEmitter::emitPhase(size_t phase, const Point& point, const Lanes& lanes) {
  enterPhase(phase);
  beginReductions(lanes);
  emitNodes(0, point, lanes, /*afterLoops=*/false);
  if (plan_->hasLoops) emitInner(0, point, lanes);
  endReductions(lanes);
  emitNodes(0, point, lanes, /*afterLoops=*/true);
  emitStores(point, lanes, /*once=*/true);
}

void NestEmitter::emitInner(int dim, const Point& point, const Lanes& lanes) {
  int numbered = nest_.numOuter + dim;
  if (dim == nest_.numInner) return emitBody(point, lanes, 0);
  if (numbered == shape_.laneDim) return emitVectorLoop(point, extent(numbered));
  loop(number(0), extent(numbered), 1, [&](Value* i) {
    Point inside = moved(point, numbered, i);
    emitNodes(dim + 1, inside, lanes, /*afterLoops=*/false);
    emitInner(dim + 1, inside, lanes);
  });
}

// Along the innermost inner dim.
void NestEmitter::emitVectorLoop(const Point& point, Value* count) {
  overLanes(count, shape_.width, plan_->unroll, plan_->maskable, [&](Value* i, const Lanes& lanes, int part) {
    Point inside = moved(point, shape_.laneDim, i);
    emitNodes(nest_.numInner, inside, lanes, /*afterLoops=*/false);
    emitBody(inside, lanes, part);
  });
}

void NestEmitter::emitBody(const Point& point, const Lanes& lanes, int part) {
  accumulate(lanes, part);
  emitStores(point, lanes, /*once=*/false);
}

void NestEmitter::emitStores(const Point& point, const Lanes& lanes, bool once) {
  for (size_t i = 0; i < phase_->stores.size(); ++i) {
    if (plan_->storeOnce[i] != once) continue;
    const Store& each = phase_->stores[i];
    store(each.operand, value(each.value, lanes.width), point.pointers[each.operand], lanes);
  }
}

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
  return width == 1 || plan_->nodes[node].vector ? held : b.CreateVectorSplat(width, held);
}

Value* NestEmitter::emitNode(int number, const Point& point, const Lanes& lanes) {
  const ScalarNode& node = phase_->nodes[number];
  bool vector = plan_->nodes[number].vector;
  if (traitsOf(node.op).types == TypeRule::kLeaf) return emitLeaf(node, vector, point, lanes);
  if (Value* contracted = emitContracted(number, lanes)) return contracted;
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
    if (subtracts && side == 0) addend = b.CreateFNeg(addend);
    if (subtracts && side == 1) left = b.CreateFNeg(left);
    return scalars_.rounded(scalars_.math().mulAdd(left, right, addend), node.dtype);
  }
  return nullptr;
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
  Value* steps = b.CreateStepVector(FixedVectorType::get(b.getInt64Ty(), here.width));
  return b.CreateAdd(b.CreateVectorSplat(here.width, index), steps);
}

Value* NestEmitter::load(int operand, Value* pointer, const Lanes& lanes) {
  DType type = nest_.operands[operand].dtype;
  llvm::Type* scalar = scalars_.memoryLanes(type, 1);
  llvm::Type* memory = scalars_.memoryLanes(type, lanes.width);
  llvm::Align alignment(bitWidth(type) / 8);
  Value* raw = nullptr;
  if (lanes.width == 1) {
    raw = b.CreateAlignedLoad(scalar, pointer, alignment);
  } else if (nest_.operands[operand].strides[shape_.laneDim] == StrideKind::kRuntime) {
    raw = llvm::PoisonValue::get(memory);
    for (int lane = 0; lane < lanes.width; ++lane) {
      raw = b.CreateInsertElement(raw, b.CreateAlignedLoad(scalar, pointer, alignment), lane);
      pointer = b.CreateInBoundsGEP(scalar, pointer, stride(operand, shape_.laneDim));
    }
  } else if (lanes.mask) {
    raw = b.CreateMaskedLoad(memory, pointer, alignment, lanes.mask, llvm::Constant::getNullValue(memory));
  } else {
    raw = b.CreateAlignedLoad(memory, pointer, alignment);
  }
  return scalars_.fromMemory(raw, type);
}

void NestEmitter::store(int operand, Value* held, Value* pointer, const Lanes& lanes) {
  DType type = nest_.operands[operand].dtype;
  llvm::Align alignment(bitWidth(type) / 8);
  Value* raw = scalars_.toMemory(held, type);
  StrideKind along = shape_.laneDim < 0 ? StrideKind::kZero : nest_.operands[operand].strides[shape_.laneDim];
  if (lanes.width == 1) {
    b.CreateAlignedStore(raw, pointer, alignment);
  } else if (along == StrideKind::kZero) {
    b.CreateAlignedStore(b.CreateExtractElement(raw, uint64_t{0}), pointer, alignment);  // the dim's extent is 1
  } else if (along == StrideKind::kRuntime) {
    for (int lane = 0; lane < lanes.width; ++lane) {
      b.CreateAlignedStore(b.CreateExtractElement(raw, lane), pointer, alignment);
      pointer = b.CreateInBoundsGEP(scalars_.memoryLanes(type, 1), pointer, stride(operand, shape_.laneDim));
    }
  } else if (lanes.mask) {
    b.CreateMaskedStore(raw, pointer, alignment, lanes.mask);
  } else {
    b.CreateAlignedStore(raw, pointer, alignment);
  }
}

void NestEmitter::beginReductions(const Lanes& lanes) {
  accumulators_.assign(phase_->reductions.size(), {});
  bool alongInner = shape_.laneDim >= 0 && !shape_.lanesAreOuter;
  for (size_t r = 0; r < phase_->reductions.size(); ++r) {
    const Reduction& reduction = phase_->reductions[r];
    DType type = phase_->nodes[reduction.value].dtype;
    auto begin = [&](int width) {
      Value* total = variable(scalars_.heldLanes(type, width));
      b.CreateStore(scalars_.identity(reduction.kind, type, width), total);
      return total;
    };
    int parts = alongInner ? plan_->unroll : 1;
    for (int part = 0; part < parts; ++part)
      accumulators_[r].vectors.push_back(begin(alongInner ? shape_.width : lanes.width));
    if (alongInner) accumulators_[r].scalar = begin(1);
  }
}

void NestEmitter::accumulate(const Lanes& lanes, int part) {
  for (size_t r = 0; r < phase_->reductions.size(); ++r) {
    const Reduction& reduction = phase_->reductions[r];
    DType type = phase_->nodes[reduction.value].dtype;
    const Accumulator& accumulator = accumulators_[r];
    Value* memory = accumulator.scalar && lanes.width == 1 ? accumulator.scalar : accumulator.vectors[part];
    Value* total = b.CreateLoad(scalars_.heldLanes(type, lanes.width), memory);
    Value* next = nullptr;
    const ScalarNode* product = contractible(reduction.value, nest_.numInner);
    if (product && reduction.kind == Reduction::Kind::kSum) {
      Value* left = value(product->inputs[0], lanes.width);
      next = scalars_.math().mulAdd(left, value(product->inputs[1], lanes.width), total);
    } else {
      next = scalars_.combine(reduction.kind, type, total, value(reduction.value, lanes.width));
    }
    if (lanes.mask) next = b.CreateSelect(lanes.mask, next, total);
    b.CreateStore(next, memory);
  }
}

// Halves against halves, until one is left.
Value* NestEmitter::acrossLanes(Reduction::Kind kind, DType type, Value* vector) {
  for (int width = shape_.width; width > 1; width /= 2) {
    llvm::SmallVector<int, 64> low, high;
    for (int lane = 0; lane < width / 2; ++lane) {
      low.push_back(lane);
      high.push_back(lane + width / 2);
    }
    vector = scalars_.combine(kind, type, b.CreateShuffleVector(vector, low), b.CreateShuffleVector(vector, high));
  }
  return b.CreateExtractElement(vector, uint64_t{0});
}

void NestEmitter::endReductions(const Lanes& lanes) {
  for (size_t r = 0; r < phase_->reductions.size(); ++r) {
    const Reduction& reduction = phase_->reductions[r];
    DType type = phase_->nodes[reduction.value].dtype;
    const Accumulator& accumulator = accumulators_[r];
    if (!accumulator.scalar) {
      reduced_.push_back(b.CreateLoad(scalars_.heldLanes(type, lanes.width), accumulator.vectors[0]));
      continue;
    }
    std::vector<Value*> parts;
    for (Value* memory : accumulator.vectors)
      parts.push_back(b.CreateLoad(scalars_.heldLanes(type, shape_.width), memory));
    for (; parts.size() > 1; parts.resize(parts.size() / 2)) {
      for (size_t i = 0; i < parts.size() / 2; ++i) {
        parts[i] = scalars_.combine(reduction.kind, type, parts[i], parts[i + parts.size() / 2]);
      }
    }
    Value* total = acrossLanes(reduction.kind, type, parts[0]);
    reduced_.push_back(
        scalars_.combine(reduction.kind, type, total, b.CreateLoad(scalars_.heldLanes(type, 1), accumulator.scalar)));
  }
}

}  // namespace

void emitNest(const LoopNest& nest, const TargetTraits& traits, llvm::Module& module) {
  NestEmitter(nest, traits, module).run();
}

}  // namespace shardwright
