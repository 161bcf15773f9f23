// Owns the form of a generated loop nest, the language in which elementwise chains, reductions and row-wise patterns
// (softmax, normalisation) reach the code generator. It knows neither ONNX nor MLIR; it does not decide what is fused.
//
// A nest iterates over outer dims (parallel, flattened, cut over threads) and, for each outer point, runs its phases in
// order; each phase iterates over all inner dims and evaluates its body. A phase may store values to operands, and may
// reduce values over the inner dims into scalars that later phases read. Values do not flow between phases otherwise:
// a later phase recomputes or reloads them.
//
//   softmax over the last dim of x[B, D]: outer {B}, inner {D}
//     phase 0:  v = load x;                      m = reduce max v
//     phase 1:  v = load x; e = exp(v - m);      s = reduce sum e
//     phase 2:  v = load x; e = exp(v - m);      store y, e / s
//
// A nest with no inner dims has one inner point. The innermost inner dim is vectorised; code generation collapses dims.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace shardwright {

// clang-format off
enum class ScalarOp {
  // leaves
  kLoad,      // operand `index`
  kConst,     // `constant` (float types, bool) or `integer`
  kReduced,   // result of reduction number `index` (numbered over the whole nest) of an earlier phase; or of its own
              // phase, where only stores after the loops use it
  kIndex,     // the index along dim `index` (outer dims first, then inner), as int64
  kParam,     // run-time int64 parameter number `index` (e.g. a shard's global offset)
  // unary
  kNeg, kAbs, kSqrt, kReciprocal, kExp, kLog, kErf, kTanh, kSin, kCos, kTan, kAsin, kAcos, kAtan, kSinh, kCosh, kAsinh,
  kAcosh, kAtanh, kSigmoid, kFloor, kCeil, kRound /* half to even */, kSign, kNot, kBitNot, kIsNaN, kIsInf,
  kCast,      // to `dtype`, ONNX Cast semantics (float→int truncates, →bool is != 0)
  kBitCast,
  // binary; both inputs have one type
  kAdd, kSub, kMul, kDiv /* ints truncate */, kFMod, kMod /* sign of the divisor */, kPow, kMin, kMax /* NaN wins */,
  kAnd, kOr, kXor, kBitAnd, kBitOr, kBitXor, kShiftLeft, kShiftRight,
  kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual,  // → bool
  // ternary
  kSelect,    // condition, then, else
};
// clang-format on

// One SSA value of a body. float16 and bfloat16 values are computed in float32 and rounded where `dtype` says so.
struct ScalarNode {
  ScalarOp op = ScalarOp::kConst;
  DType dtype = DType::kFloat32;  // of the result
  std::vector<int> inputs;        // earlier nodes of the same phase
  int index = 0;
  double constant = 0;
  int64_t integer = 0;
};

struct Reduction {
  enum class Kind { kSum, kProd, kMax, kMin, kAnd, kOr };
  Kind kind = Kind::kSum;
  int value = 0;  // node; its dtype is the scalar's, accumulated in accumulationType
};

struct Store {
  int operand = 0;
  int value = 0;
};

struct Phase {
  std::vector<ScalarNode> nodes;
  std::vector<Reduction> reductions;
  // Inside the inner loops. A store to an operand whose inner strides are all kZero happens once per outer point, after
  // the phase's loops, with `value` computed from kReduced, kConst and loads that do not vary over the inner dims.
  std::vector<Store> stores;
};

// How an operand's address moves along one dim: the address is base + Σ index·stride, in elements.
enum class StrideKind {
  kZero,     // not at all (broadcast or reduced)
  kUnit,     // by one element
  kRuntime,  // by sizes[…]
};

struct Operand {
  DType dtype = DType::kFloat32;
  bool written = false;
  std::vector<StrideKind> strides;  // outer dims, then inner dims
};

// ABI of the generated function (runtime/kernels/kernel.h, LoopFunction):
//   extern "C" void NAME(void* const* buffers, const int64_t* sizes, int64_t begin, int64_t end)
// buffers[i] is operand i's element at index 0. sizes holds, in order: the outer extents, the inner extents, then for each
// operand its stride along every dim (outer, then inner; also where the kind is kZero or kUnit), then the parameters.
// [begin, end) is the range of flattened outer indices (row major) to run; a nest without outer dims has the range [0, 1).
// The function is thread safe, reads and writes nothing else, calls nothing, and does not allocate. Bits do not depend on
// how the outer range is cut.
struct LoopNest {
  std::string name;  // a valid C identifier, unique in the plan
  int numOuter = 0;
  int numInner = 0;
  int numParams = 0;
  std::vector<Operand> operands;
  std::vector<Phase> phases;

  // kInternal with what is wrong: indices out of range, types that do not fit, kReduced of a later phase, ….
  Status verify() const;
  std::string str() const;  // one line per node, for --dump-after-each and tests
};

// The machine that code is made for.
struct CpuTarget {
  std::string triple;                 // empty: the host's
  std::string cpu;                    // "x86-64-v3", "sapphirerapids"; empty: the host's
  std::vector<std::string> features;  // LLVM's names, without '+'; filled by resolve()
  // Fills empty fields from the host, or the features of the named CPU.
  static StatusOr<CpuTarget> resolve(const std::string& cpu);
};

// Compiles the nests to one shared object with LLVM and links it in-process with lld; deterministic. The object has no
// undefined symbols: mathematical functions are our own polynomials, vectorised, at most 4 ulp off in float32.
StatusOr<std::string> compileLoops(const std::vector<LoopNest>& nests, const CpuTarget& target);

}  // namespace shardwright
