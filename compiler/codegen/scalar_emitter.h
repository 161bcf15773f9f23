// Owns the LLVM IR of single scalar operations on every dtype, for one value or a vector of lanes: how values are held,
// loaded and stored, what happens at the edges (division by zero, shifts too far, casts out of range, NaN). It does not own
// loops or addresses (nest_emitter.h), nor polynomials (lane_math.h).
//
// A value is held as its heldType(): bool as i1, integers as such, float16 and bfloat16 as float. In memory a bool is a byte
// of 0 or 1 (any other byte reads as true).
//
// Where ONNX leaves a result open: integer division and remainder by 0 give 0; INT_MIN / -1 wraps; a shift by the width or
// more gives 0, or the sign; a float cast to an integer saturates, NaN becomes 0.
#pragma once

#include "compiler/codegen/lane_math.h"
#include "compiler/codegen/loop_nest.h"
#include "compiler/codegen/target_traits.h"

namespace shardwright {

class ScalarEmitter {
 public:
  ScalarEmitter(llvm::IRBuilder<>& builder, const TargetTraits& traits)
      : b_(builder), traits_(traits), math_(builder, traits) {}

  // The LLVM types of `width` lanes; width 1 is no vector.
  llvm::Type* heldLanes(DType type, int width) const;
  llvm::Type* memoryLanes(DType type, int width) const;

  llvm::Value* fromMemory(llvm::Value* raw, DType type);
  llvm::Value* toMemory(llvm::Value* held, DType type);
  // Rounds a held value to what its dtype can represent.
  llvm::Value* rounded(llvm::Value* held, DType type);

  llvm::Value* constant(const ScalarNode& node, int width);
  // A node that is no leaf; inputs are held values of these types and of one width.
  llvm::Value* operation(const ScalarNode& node, llvm::ArrayRef<llvm::Value*> inputs, llvm::ArrayRef<DType> inputTypes);

  // What a reduction starts with, and one step of it, in the held type.
  llvm::Value* identity(Reduction::Kind kind, DType type, int width);
  llvm::Value* combine(Reduction::Kind kind, DType type, llvm::Value* total, llvm::Value* value);

  LaneMath& math() { return math_; }

 private:
  using Value = llvm::Value;

  Value* unary(const ScalarNode& node, Value* x, DType from);
  Value* binary(const ScalarNode& node, Value* x, Value* y, DType from, std::optional<double> constantExponent);
  Value* compare(ScalarOp op, Value* x, Value* y, DType type);
  Value* cast(Value* x, DType from, DType to);
  Value* floatFromInteger(Value* x, DType from, DType to);
  Value* narrowToOdd(Value* x);
  Value* sign(Value* x, DType type);
  Value* divideIntegers(Value* x, Value* y, DType type);
  Value* remainder(ScalarOp op, Value* x, Value* y, DType type);
  Value* shift(ScalarOp op, Value* x, Value* y, DType type);
  Value* fenced(Value* held);
  Value* halfToFloat(Value* raw);
  Value* floatToHalf(Value* held);
  Value* floatToBfloat(Value* held);
  static llvm::Type* sameLanes(Value* like, llvm::Type* scalar);
  Value* intConstant(Value* like, uint64_t value);

  llvm::IRBuilder<>& b_;
  TargetTraits traits_;
  LaneMath math_;
};

}  // namespace shardwright
