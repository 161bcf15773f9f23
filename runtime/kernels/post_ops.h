// Owns the post-ops: what matmul and conv apply to a row of their float32 result while it is in cache. The list of kinds
// is in README.md.
#pragma once

#include <array>
#include <optional>

#include "runtime/kernels/strided.h"

namespace shardwright {

constexpr int kMaxPostOps = 8;

class PostOps {
 public:
  enum class Kind {
    kAdd,
    kSub,
    kMul,
    kDiv,
    kMin,
    kMax,  // binary: result OP operand
    kRelu,
    kGeluErf,
    kGeluTanh,
    kTanh,
    kSigmoid,
    kSilu,  // unary
    kScale,
    kClip,
    kLeakyRelu,  // unary with parameters
  };
  struct Op {
    Kind kind = Kind::kAdd;
    int operand = -1;             // index into the step's inputs; -1 for unary kinds
    float first = 0, second = 0;  // scale: factor; clip: low, high; leaky_relu: slope
  };

  // The spec's post-ops, in order; their operands must be inputs from number `firstOperand` on, of a type computed in
  // float32.
  static StatusOr<PostOps> parse(const KernelSpec& spec, int firstOperand);

  const std::vector<Op>& ops() const { return ops_; }
  bool empty() const { return ops_.empty(); }

 private:
  std::vector<Op> ops_;
};

// One row of a binary post-op's operand: element i is at data[first + i * stride].
struct PostOpRow {
  DType dtype = DType::kFloat32;
  const void* data = nullptr;
  int64_t first = 0, stride = 0;
};

// Applies the ops to row[0 .. n); rows[k] belongs to ops[k] and is ignored for unary kinds.
void applyPostOps(const PostOps::Op* ops, size_t numOps, const PostOpRow* rows, float* row, int64_t n);

// The strides with which an operand of numpy's broadcasting (fewer dims, or dims of size 1) follows `result`; nothing if
// it does not fit.
std::optional<std::vector<int64_t>> broadcastStrides(const TensorRef& operand, const TensorRef& result);

}  // namespace shardwright
