// Owns an interpreter of loop nests, written to be read: one element at a time, floats in double or long double. What
// generated code is compared with. And the means to run generated code in a test.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compiler/codegen/loop_nest.h"

namespace shardwright::testing {

// One value: floats in `real`, integers and bools in `whole` (sign extended if the type is signed, else zero extended).
struct Scalar {
  double real = 0;
  int64_t whole = 0;
};

Scalar readElement(const void* base, int64_t index, DType type);
void writeElement(void* base, int64_t index, DType type, Scalar value);

// A non-leaf node on given inputs; the result is rounded or wrapped to the node's dtype.
Scalar evaluate(const ScalarNode& node, const std::vector<Scalar>& inputs, const std::vector<DType>& types);

// The low bits of an integer, as that type has them; the float nearest to a value in that type.
int64_t wrap(int64_t value, DType type);
double roundTo(double value, DType type);
// A binary operation on integers, not yet wrapped.
int64_t binaryWhole(ScalarOp op, int64_t x, int64_t y, DType type);

// Runs the nest with the ABI of generated functions.
void interpret(const LoopNest& nest, void* const* buffers, const int64_t* sizes, int64_t begin, int64_t end);

using Function = void (*)(void* const*, const int64_t*, int64_t, int64_t);

// A shared object's bytes, loaded.
class LoadedObject {
 public:
  explicit LoadedObject(const std::string& bytes);
  ~LoadedObject();
  LoadedObject(const LoadedObject&) = delete;
  Function find(const std::string& name) const;
  const std::string& error() const { return error_; }

 private:
  int file_ = -1;
  void* handle_ = nullptr;
  std::string error_;
};

// Compiles one nest for the CPU (empty: this machine's) and loads it; fails the test if that fails.
struct Compiled {
  std::unique_ptr<LoadedObject> object;
  Function function = nullptr;
};
Compiled compileNest(const LoopNest& nest, const std::string& cpu = "");
// Many nests at once; null if that fails.
std::unique_ptr<LoadedObject> compileNests(const std::vector<LoopNest>& nests, const std::string& cpu = "");

// Units in the last place between two floats (or doubles): 0 for equal, NaN against NaN and 0 against -0; huge for NaN
// against a number.
double ulpsBetween(float found, double expected);
double ulpsBetween(double found, long double expected);

// Adds nodes to a phase.
class PhaseBuilder {
 public:
  explicit PhaseBuilder(Phase& phase) : phase_(phase) {}
  int load(int operand, DType type = DType::kFloat32) { return leaf(ScalarOp::kLoad, type, operand); }
  int reduced(int number, DType type = DType::kFloat32) { return leaf(ScalarOp::kReduced, type, number); }
  int index(int dim) { return leaf(ScalarOp::kIndex, DType::kInt64, dim); }
  int param(int number) { return leaf(ScalarOp::kParam, DType::kInt64, number); }
  int real(double value, DType type = DType::kFloat32);
  int whole(int64_t value, DType type = DType::kInt64);
  int op(ScalarOp op, std::vector<int> inputs);  // the result has the last input's type, or bool
  int op(ScalarOp op, DType type, std::vector<int> inputs);
  int cast(DType type, int value) { return op(ScalarOp::kCast, type, {value}); }
  void reduce(Reduction::Kind kind, int value) { phase_.reductions.push_back({kind, value}); }
  void store(int operand, int value) { phase_.stores.push_back({operand, value}); }

 private:
  int leaf(ScalarOp op, DType type, int index);
  Phase& phase_;
};

constexpr StrideKind kZ = StrideKind::kZero, kU = StrideKind::kUnit, kR = StrideKind::kRuntime;

LoopNest softmaxNest(const std::string& name = "softmax", DType type = DType::kFloat32);
LoopNest layerNormNest(const std::string& name = "layernorm");
// y = op(x), one outer and one inner dim.
LoopNest unaryNest(const std::string& name, ScalarOp op, DType from, DType to);
LoopNest binaryNest(const std::string& name, ScalarOp op, DType from, DType to);

}  // namespace shardwright::testing
