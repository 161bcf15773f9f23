// Owns the reading side of an op of the onnx dialect, for rows' functions. It owns no op and changes nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/ops/rule.h"
#include "mlir/IR/Operation.h"

namespace shardwright {

// Two sizes that an op needs to be equal, of which nobody has proven it.
struct SizeEquality {
  Expr a, b;
};

class OpView {
 public:
  // Where `assumed` is given, it gathers what assumeEqual is called with; type inference makes facts of it.
  OpView(mlir::Operation* op, const Facts& facts, std::vector<SizeEquality>* assumed = nullptr)
      : op_(op), facts_(&facts), assumed_(assumed) {}

  mlir::Operation* operation() const { return op_; }
  const Facts& facts() const { return *facts_; }
  std::string nodeName() const;  // the ONNX node's, from the location

  int numOperands() const;
  int numResults() const;
  bool has(int operand) const;  // present and not onnx.None
  // Trailing absent operands may be missing altogether; an index past the end reads as absent.
  TensorShape operand(int i) const;
  TensorShape result(int i) const;
  Exprs dims(int operand) const;
  int rank(int operand) const;
  DType dtype(int operand) const;

  // Attributes under their ONNX names.
  int64_t intAttr(llvm::StringRef name, int64_t otherwise) const;
  double floatAttr(llvm::StringRef name, double otherwise) const;
  std::string stringAttr(llvm::StringRef name, llvm::StringRef otherwise) const;
  std::optional<std::vector<int64_t>> intsAttr(llvm::StringRef name) const;
  bool hasAttr(llvm::StringRef name) const;
  // Shape functions call it for sizes that the op needs to be equal (dims that broadcast, contracted dims, dims that are not
  // concatenated) and that are not provably different. A run in which they differ is refused.
  void assumeEqual(Expr a, Expr b) const {
    if (assumed_ && !facts_->provablyEqual(a, b)) assumed_->push_back({a, b});
  }

  bool canAssume() const { return assumed_ != nullptr; }

  // The same for another op: with these facts and assumptions.
  OpView of(mlir::Operation* op) const { return OpView(op, *facts_, assumed_); }
  // This op as if its float operands had integer contents: their numerators over the divisor (size_fractions.h).
  OpView overDivisor(int64_t divisor) const {
    OpView view = *this;
    view.divisor_ = divisor;
    return view;
  }

  // An axis attribute made non-negative against `rank`.
  int axisAttr(llvm::StringRef name, int64_t otherwise, int rank) const;

  // The integer contents of an operand where they are known: a constant, an onnx.ShapeValue, or folded into the op's
  // attribute "static" (see row.h). Flat, row major.
  std::optional<Exprs> value(int operand) const;
  // The same where all are plain numbers.
  std::optional<std::vector<int64_t>> constantInts(int operand) const;
  // The value of a one-element or splat constant of any number type.
  std::optional<double> constantScalar(int operand) const;

 private:
  mlir::Operation* op_;
  const Facts* facts_;
  std::vector<SizeEquality>* assumed_;
  int64_t divisor_ = 0;  // of overDivisor(); 0: float operands have no integer contents
};

}  // namespace shardwright
