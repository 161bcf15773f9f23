#include "runtime/kernels/post_ops.h"

#include <algorithm>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/vector_math.h"

namespace shardwright {
namespace {

constexpr int64_t kChunk = 256;  // elements of a row that stay in L1 while all ops pass over them

struct KindName {
  const char* name;
  PostOps::Kind kind;
  bool binary;
  size_t numParams;
};

using Kind = PostOps::Kind;
constexpr KindName kKinds[] = {
    {"add", Kind::kAdd, true, 0},
    {"sub", Kind::kSub, true, 0},
    {"mul", Kind::kMul, true, 0},
    {"div", Kind::kDiv, true, 0},
    {"min", Kind::kMin, true, 0},
    {"max", Kind::kMax, true, 0},
    {"relu", Kind::kRelu, false, 0},
    {"gelu_erf", Kind::kGeluErf, false, 0},
    {"gelu_tanh", Kind::kGeluTanh, false, 0},
    {"tanh", Kind::kTanh, false, 0},
    {"sigmoid", Kind::kSigmoid, false, 0},
    {"silu", Kind::kSilu, false, 0},
    {"scale", Kind::kScale, false, 1},
    {"clip", Kind::kClip, false, 2},
    {"leaky_relu", Kind::kLeakyRelu, false, 1},
};

SW_MULTIVERSION(void, binaryChunk, (Kind kind, float* x, const float* y, int64_t n), (kind, x, y, n)) {
  switch (kind) {
    case Kind::kAdd:
      for (int64_t i = 0; i < n; ++i) x[i] += y[i];
      break;
    case Kind::kSub:
      for (int64_t i = 0; i < n; ++i) x[i] -= y[i];
      break;
    case Kind::kMul:
      for (int64_t i = 0; i < n; ++i) x[i] *= y[i];
      break;
    case Kind::kDiv:
      for (int64_t i = 0; i < n; ++i) x[i] /= y[i];
      break;
    case Kind::kMin:
      for (int64_t i = 0; i < n; ++i) x[i] = y[i] < x[i] ? y[i] : x[i];
      break;
    default:
      for (int64_t i = 0; i < n; ++i) x[i] = y[i] > x[i] ? y[i] : x[i];
      break;
  }
}

// The end of a residual block, in one pass.
SW_MULTIVERSION(void, addReluChunk, (float* x, const float* y, int64_t n), (x, y, n)) {
  for (int64_t i = 0; i < n; ++i) {
    float sum = x[i] + y[i];
    x[i] = sum < 0.f ? 0.f : sum;
  }
}

SW_MULTIVERSION(void, unaryChunk, (Kind kind, float a, float b, float* x, int64_t n), (kind, a, b, x, n)) {
  switch (kind) {
    case Kind::kRelu:
      for (int64_t i = 0; i < n; ++i) x[i] = x[i] < 0.f ? 0.f : x[i];
      break;
    case Kind::kGeluErf:
      for (int64_t i = 0; i < n; ++i) x[i] = fastGelu(x[i]);
      break;
    case Kind::kGeluTanh:  // 0.5 (1 + tanh u) is sigmoid(2u)
      for (int64_t i = 0; i < n; ++i) {
        x[i] *= fastSigmoid(1.595769122f * (x[i] + 0.044715f * x[i] * x[i] * x[i]));
      }
      break;
    case Kind::kTanh:
      for (int64_t i = 0; i < n; ++i) x[i] = fastTanh(x[i]);
      break;
    case Kind::kSigmoid:
      for (int64_t i = 0; i < n; ++i) x[i] = fastSigmoid(x[i]);
      break;
    case Kind::kSilu:
      for (int64_t i = 0; i < n; ++i) x[i] *= fastSigmoid(x[i]);
      break;
    case Kind::kScale:
      for (int64_t i = 0; i < n; ++i) x[i] *= a;
      break;
    case Kind::kClip:
      for (int64_t i = 0; i < n; ++i) x[i] = x[i] < a ? a : x[i] > b ? b : x[i];
      break;
    default:
      for (int64_t i = 0; i < n; ++i) x[i] = x[i] < 0.f ? a * x[i] : x[i];
      break;
  }
}

}  // namespace

StatusOr<PostOps> PostOps::parse(const KernelSpec& spec, int firstOperand) {
  PostOps result;
  if (spec.postOps.size() > kMaxPostOps) {
    return stepError(spec, "has " + std::to_string(spec.postOps.size()) + " post-ops; at most " +
                               std::to_string(kMaxPostOps) + " are allowed");
  }
  for (const PostOpSpec& wanted : spec.postOps) {
    const KindName* known =
        std::find_if(std::begin(kKinds), std::end(kKinds), [&](const KindName& k) { return wanted.kind == k.name; });
    if (known == std::end(kKinds)) {
      std::string all;
      for (const KindName& k : kKinds) all += (all.empty() ? "" : ", ") + std::string(k.name);
      return stepError(spec, "has the post-op \"" + wanted.kind + "\"; known are " + all);
    }
    if (wanted.params.size() != known->numParams) {
      return stepError(spec, "post-op \"" + wanted.kind + "\" has " + std::to_string(wanted.params.size()) +
                                 " parameters; it takes " + std::to_string(known->numParams));
    }
    Op op;
    op.kind = known->kind;
    if (known->numParams > 0) op.first = static_cast<float>(wanted.params[0]);
    if (known->numParams > 1) op.second = static_cast<float>(wanted.params[1]);
    if (known->binary) {
      op.operand = wanted.operand;
      if (op.operand < firstOperand || op.operand >= static_cast<int>(spec.inputs.size()) ||
          !isComputedInFloat(spec.inputs[op.operand])) {
        return stepError(spec, "post-op \"" + wanted.kind + "\" names input " + std::to_string(op.operand) +
                                   "; it must be one from " + std::to_string(firstOperand) +
                                   " on, of type float32, float16 or bfloat16");
      }
    }
    result.ops_.push_back(op);
  }
  return result;
}

void applyPostOps(const PostOps::Op* ops, size_t numOps, const PostOpRow* rows, float* row, int64_t n) {
  float buffer[kChunk];
  for (int64_t c = 0; c < n; c += kChunk) {
    int64_t width = std::min(kChunk, n - c);
    for (size_t k = 0; k < numOps; ++k) {
      const PostOps::Op& op = ops[k];
      if (op.operand < 0) {
        unaryChunk(op.kind, op.first, op.second, row + c, width);
        continue;
      }
      const PostOpRow& other = rows[k];
      int64_t first = other.first + c * other.stride;
      const float* values = buffer;
      if (other.dtype == DType::kFloat32 && other.stride == 1) {
        values = static_cast<const float*>(other.data) + first;
      } else {
        loadFloats(other.dtype, other.data, first, other.stride, width, buffer);
      }
      if (op.kind == Kind::kAdd && k + 1 < numOps && ops[k + 1].kind == Kind::kRelu) {
        addReluChunk(row + c, values, width);
        ++k;
        continue;
      }
      binaryChunk(op.kind, row + c, values, width);
    }
  }
}

std::optional<std::vector<int64_t>> broadcastStrides(const TensorRef& operand, const TensorRef& result) {
  int missing = result.rank - operand.rank;
  if (missing < 0) return {};
  std::vector<int64_t> strides(result.rank, 0);
  for (int i = 0; i < operand.rank; ++i) {
    if (operand.dims[i] == result.dims[missing + i]) {
      strides[missing + i] = operand.strides[i];
    } else if (operand.dims[i] != 1) {
      return {};
    }
  }
  return strides;
}

}  // namespace shardwright
