// Owns the declaration of the emitter whose parts are nest_loops.cc (ranges, segments, lanes), nest_values.cc (nodes, loads,
// stores) and nest_reductions.cc; for these sources only. Others use nest_emitter.h.
#pragma once

#include <functional>
#include <vector>

#include "compiler/codegen/nest_shape.h"
#include "compiler/codegen/scalar_emitter.h"
#include "llvm/IR/Module.h"

namespace shardwright {

class NestEmitter {
 public:
  NestEmitter(const LoopNest& nest, const TargetTraits& traits, llvm::Module& module)
      : nest_(nest), traits_(traits), shape_(shapeOf(nest, traits)), b_(module.getContext()), scalars_(b_, traits) {
    declare(module);
  }

  void run();

 private:
  // How many lanes the code at hand works on, and which of them count.
  struct Lanes {
    int width = 1;
    llvm::Value* mask = nullptr;  // null: all
  };

  // Where the loops are: each operand's element there, and the index along each dim (of lane 0).
  struct Point {
    std::vector<llvm::Value*> pointers, indices;
  };

  // A reduction's running totals, in memory that LLVM turns into registers.
  struct Accumulator {
    std::vector<llvm::Value*> vectors;  // one per unrolled vector
    llvm::Value* scalar = nullptr;      // for tails without masks
  };

  void declare(llvm::Module& module);
  llvm::Value* size(int position);
  llvm::Value* extent(int dim) { return size(dim); }
  llvm::Value* stride(int operand, int dim);
  llvm::Value* param(int number);
  llvm::Value* number(int64_t value) { return b_.getInt64(value); }
  llvm::Value* variable(llvm::Type* type);  // an alloca at the function's beginning

  void loop(llvm::Value* from, llvm::Value* to, int64_t step, const std::function<void(llvm::Value*)>& body);
  void onlyIf(llvm::Value* condition, const std::function<void()>& body);
  Point moved(const Point& point, int dim, llvm::Value* by);

  void emitRange(llvm::Value* begin, llvm::Value* end);
  void emitSegment(const Point& start, llvm::Value* count);
  void emitLinear(llvm::Value* begin, llvm::Value* end);
  llvm::Value* isLinear(llvm::Value*& innerCount);
  void emitPoint(const Point& point, const Lanes& lanes);
  void enterPhase(size_t phase);
  void emitPhase(size_t phase, const Point& point, const Lanes& lanes);
  void emitInner(int dim, const Point& point, const Lanes& lanes);
  void emitVectorLoop(const Point& point, llvm::Value* count);
  void overLanes(llvm::Value* count, int widest, int unroll, bool maskable,
                 const std::function<void(llvm::Value*, const Lanes&, int)>& body);
  void emitBody(const Point& point, const Lanes& lanes, int part);
  void emitStores(const Point& point, const Lanes& lanes, bool once);

  void emitNodes(int depth, const Point& point, const Lanes& lanes, bool afterLoops);
  llvm::Value* emitNode(int node, const Point& point, const Lanes& lanes);
  llvm::Value* emitLeaf(const ScalarNode& node, bool vector, const Point& point, const Lanes& lanes);
  llvm::Value* emitContracted(int node, const Lanes& lanes);
  llvm::Value* emitNormalisation(int node, const Lanes& lanes);
  const ScalarNode* contractible(int node, int depth) const;
  llvm::Value* value(int node, int width);  // splat where it is one for all
  llvm::Value* load(int operand, llvm::Value* pointer, const Lanes& lanes);
  void store(int operand, llvm::Value* held, llvm::Value* pointer, const Lanes& lanes);

  void beginReductions(const Lanes& lanes);
  void accumulate(const Lanes& lanes, int part);
  void endReductions(const Lanes& lanes);
  llvm::Value* acrossLanes(Reduction::Kind kind, DType type, llvm::Value* vector);

  const LoopNest& nest_;
  TargetTraits traits_;
  NestShape shape_;
  llvm::IRBuilder<> b_;
  ScalarEmitter scalars_;
  llvm::Function* function_ = nullptr;
  llvm::BasicBlock* entry_ = nullptr;
  llvm::Value *buffers_ = nullptr, *sizes_ = nullptr;
  std::vector<llvm::Value*> bases_;
  std::vector<llvm::Value*> loadedSizes_;

  // Of the phase being emitted.
  const Phase* phase_ = nullptr;
  const PhasePlan* plan_ = nullptr;
  std::vector<llvm::Value*> values_;
  std::vector<Accumulator> accumulators_;
  std::vector<llvm::Value*> reduced_;  // of all phases so far
};

}  // namespace shardwright
