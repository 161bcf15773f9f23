#include "compiler/codegen/nest_emitter.h"
#include "compiler/codegen/nest_function.h"

namespace shardwright {

using llvm::BasicBlock;
using llvm::FixedVectorType;
using llvm::Value;

void NestEmitter::declare(llvm::Module& module) {
  llvm::Type *pointer = b_.getPtrTy(), *integer = b_.getInt64Ty();
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), {pointer, pointer, integer, integer}, false);
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
  entry_ = BasicBlock::Create(b_.getContext(), "entry", function_);
  b_.SetInsertPoint(entry_);
  for (size_t i = 0; i < nest_.operands.size(); ++i) {
    bases_.push_back(b_.CreateLoad(pointer, b_.CreateConstGEP1_64(pointer, buffers_, i)));
  }
  int dims = nest_.numOuter + nest_.numInner;
  loadedSizes_.resize(dims * (1 + nest_.operands.size()) + nest_.numParams);
  for (size_t i = 0; i < loadedSizes_.size(); ++i) {
    loadedSizes_[i] = b_.CreateLoad(integer, b_.CreateConstGEP1_64(integer, sizes_, i));
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
  BasicBlock* before = b_.GetInsertBlock();
  auto* block = BasicBlock::Create(b_.getContext(), "loop", function_);
  auto* after = BasicBlock::Create(b_.getContext(), "done", function_);
  b_.CreateCondBr(b_.CreateICmpSLT(from, to), block, after);
  b_.SetInsertPoint(block);
  llvm::PHINode* index = b_.CreatePHI(b_.getInt64Ty(), 2);
  index->addIncoming(from, before);
  body(index);
  Value* next = b_.CreateNSWAdd(index, number(step));
  index->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpSLT(next, to), block, after);
  b_.SetInsertPoint(after);
}

void NestEmitter::onlyIf(Value* condition, const std::function<void()>& body) {
  auto* block = BasicBlock::Create(b_.getContext(), "then", function_);
  auto* after = BasicBlock::Create(b_.getContext(), "after", function_);
  b_.CreateCondBr(condition, block, after);
  b_.SetInsertPoint(block);
  body();
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

NestEmitter::Point NestEmitter::moved(const Point& point, int dim, Value* by) {
  Point result = point;
  for (size_t i = 0; i < nest_.operands.size(); ++i) {
    if (nest_.operands[i].strides[dim] == StrideKind::kZero) continue;
    Value* offset = b_.CreateNSWMul(by, stride(static_cast<int>(i), dim));
    result.pointers[i] =
        b_.CreateInBoundsGEP(scalars_.memoryLanes(nest_.operands[i].dtype, 1), point.pointers[i], offset);
  }
  result.indices[dim] = b_.CreateNSWAdd(point.indices[dim], by);
  return result;
}

void NestEmitter::run() {
  Value *begin = function_->getArg(2), *end = function_->getArg(3);
  onlyIf(b_.CreateICmpSLT(begin, end), [&] {
    if (!shape_.mayBeLinear) return emitRange(begin, end);
    Value* innerCount = nullptr;
    Value* linear = isLinear(innerCount);
    onlyIf(linear, [&] { emitLinear(b_.CreateNSWMul(begin, innerCount), b_.CreateNSWMul(end, innerCount)); });
    onlyIf(b_.CreateNot(linear), [&] { emitRange(begin, end); });
  });
  b_.CreateRetVoid();
}

// Whether each operand that moves is row major without gaps.
Value* NestEmitter::isLinear(Value*& innerCount) {
  int dims = nest_.numOuter + nest_.numInner;
  Value* linear = b_.getTrue();
  innerCount = number(1);
  Value* count = number(1);  // elements below dim d
  for (int d = dims - 1; d >= 0; --d) {
    for (size_t i = 0; i < nest_.operands.size(); ++i) {
      if (nest_.operands[i].strides[d] == StrideKind::kZero) continue;
      linear = b_.CreateAnd(linear, b_.CreateICmpEQ(stride(static_cast<int>(i), d), count));
    }
    count = b_.CreateNSWMul(count, extent(d));
    if (d == nest_.numOuter) innerCount = count;
  }
  return linear;
}

// The whole range as one row: every moving operand is contiguous along the last dim, which lanes lie along.
void NestEmitter::emitLinear(Value* begin, Value* end) {
  int lastDim = nest_.numOuter + nest_.numInner - 1;
  Point start = moved({bases_, std::vector<Value*>(lastDim + 1, number(0))}, lastDim, begin);
  Value* count = b_.CreateNSWSub(end, begin);
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
  if (last == 0) return emitSegment(moved(origin, 0, begin), b_.CreateNSWSub(end, begin));

  llvm::Type* integer = b_.getInt64Ty();
  Value* flat = variable(integer);
  b_.CreateStore(begin, flat);
  std::vector<Value*> indices;  // of the segment's first point, along each outer dim
  Value* rest = begin;
  for (int d = 0; d <= last; ++d) indices.push_back(variable(integer));
  for (int d = last; d > 0; --d) {
    b_.CreateStore(b_.CreateURem(rest, extent(d)), indices[d]);
    rest = b_.CreateUDiv(rest, extent(d));
  }
  b_.CreateStore(rest, indices[0]);

  auto* segment = BasicBlock::Create(b_.getContext(), "segment", function_);
  auto* after = BasicBlock::Create(b_.getContext(), "segments.end", function_);
  b_.CreateBr(segment);
  b_.SetInsertPoint(segment);
  Value* done = b_.CreateLoad(integer, flat);
  Value* first = b_.CreateLoad(integer, indices[last]);
  Value* inRow = b_.CreateNSWSub(extent(last), first);
  Value* left = b_.CreateNSWSub(end, done);
  Value* count = b_.CreateSelect(b_.CreateICmpSLT(inRow, left), inRow, left);
  Point start = origin;
  for (int d = 0; d <= last; ++d) start = moved(start, d, b_.CreateLoad(integer, indices[d]));
  emitSegment(start, count);
  Value* next = b_.CreateNSWAdd(done, count);
  b_.CreateStore(next, flat);
  // Only the last segment may end within a row; what its indices become is not used.
  b_.CreateStore(number(0), indices[last]);
  for (int d = last - 1; d >= 0; --d) {
    Value* index = b_.CreateNSWAdd(b_.CreateLoad(integer, indices[d]), number(1));
    Value* carry = d == 0 ? b_.getFalse() : b_.CreateICmpEQ(index, extent(d));
    b_.CreateStore(b_.CreateSelect(carry, number(0), index), indices[d]);
    if (d == 0) break;
    auto* carried = BasicBlock::Create(b_.getContext(), "carry", function_);
    auto* counted = BasicBlock::Create(b_.getContext(), "counted", function_);
    b_.CreateCondBr(carry, carried, counted);
    b_.SetInsertPoint(counted);
    b_.CreateCondBr(b_.CreateICmpSLT(next, end), segment, after);
    b_.SetInsertPoint(carried);
  }
  b_.CreateCondBr(b_.CreateICmpSLT(next, end), segment, after);
  b_.SetInsertPoint(after);
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
  auto roundedDown = [&](int64_t multiple) { return b_.CreateAnd(count, number(-multiple)); };
  Value* from = number(0);
  if (widest * unroll > width) {
    Value* to = roundedDown(widest * unroll);
    loop(from, to, widest * unroll, [&](Value* i) {
      for (int part = 0; part < unroll; ++part)
        body(b_.CreateNSWAdd(i, number(part * widest)), {widest, nullptr}, part);
    });
    from = to;
  }
  Value* to = roundedDown(width);
  loop(from, to, width, [&](Value* i) { body(i, {width, nullptr}, 0); });
  if (maskable && traits_.maskedTails) {
    onlyIf(b_.CreateICmpSLT(to, count), [&] {
      llvm::Type* bits = b_.getIntNTy(width);
      Value* shift = b_.CreateTrunc(b_.CreateNSWSub(count, to), bits);
      Value* low = b_.CreateNot(b_.CreateShl(llvm::Constant::getAllOnesValue(bits), shift));
      body(to, {width, b_.CreateBitCast(low, FixedVectorType::get(b_.getInt1Ty(), width))}, 0);
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

void emitNest(const LoopNest& nest, const TargetTraits& traits, llvm::Module& module) {
  NestEmitter(nest, traits, module).run();
}

}  // namespace shardwright
