#include "compiler/codegen/nest_function.h"

namespace shardwright {

using llvm::Value;

void NestEmitter::beginReductions(const Lanes& lanes) {
  accumulators_.assign(phase_->reductions.size(), {});
  bool alongInner = shape_.laneDim >= 0 && !shape_.lanesAreOuter;
  for (size_t r = 0; r < phase_->reductions.size(); ++r) {
    const Reduction& reduction = phase_->reductions[r];
    DType type = phase_->nodes[reduction.value].dtype;
    auto begin = [&](int width) {
      Value* total = variable(scalars_.heldLanes(type, width));
      b_.CreateStore(scalars_.identity(reduction.kind, type, width), total);
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
    Value* total = b_.CreateLoad(scalars_.heldLanes(type, lanes.width), memory);
    Value* next = nullptr;
    const ScalarNode* product = contractible(reduction.value, nest_.numInner);
    if (product && reduction.kind == Reduction::Kind::kSum) {
      Value* left = value(product->inputs[0], lanes.width);
      next = scalars_.math().mulAdd(left, value(product->inputs[1], lanes.width), total);
    } else {
      next = scalars_.combine(reduction.kind, type, total, value(reduction.value, lanes.width));
    }
    if (lanes.mask) next = b_.CreateSelect(lanes.mask, next, total);
    b_.CreateStore(next, memory);
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
    vector = scalars_.combine(kind, type, b_.CreateShuffleVector(vector, low), b_.CreateShuffleVector(vector, high));
  }
  return b_.CreateExtractElement(vector, uint64_t{0});
}

void NestEmitter::endReductions(const Lanes& lanes) {
  for (size_t r = 0; r < phase_->reductions.size(); ++r) {
    const Reduction& reduction = phase_->reductions[r];
    DType type = phase_->nodes[reduction.value].dtype;
    const Accumulator& accumulator = accumulators_[r];
    if (!accumulator.scalar) {
      reduced_.push_back(b_.CreateLoad(scalars_.heldLanes(type, lanes.width), accumulator.vectors[0]));
      continue;
    }
    std::vector<Value*> parts;
    for (Value* memory : accumulator.vectors)
      parts.push_back(b_.CreateLoad(scalars_.heldLanes(type, shape_.width), memory));
    for (; parts.size() > 1; parts.resize(parts.size() / 2)) {
      for (size_t i = 0; i < parts.size() / 2; ++i) {
        parts[i] = scalars_.combine(reduction.kind, type, parts[i], parts[i + parts.size() / 2]);
      }
    }
    Value* total = acrossLanes(reduction.kind, type, parts[0]);
    reduced_.push_back(
        scalars_.combine(reduction.kind, type, total, b_.CreateLoad(scalars_.heldLanes(type, 1), accumulator.scalar)));
  }
}

}  // namespace shardwright
