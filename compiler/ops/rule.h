// Owns sharding rules: their text form, one parser, one printer, one validator, and the projection from an op's strategy to
// the shardings of its operands and results. It does not choose strategies.
//
// Grammar (EBNF); blanks separate factors:
//   rule    = tensors "->" tensors
//   tensors = tensor { "," tensor }
//   tensor  = "-" | { dim }                    "-" is an absent optional operand; nothing is a scalar
//   dim     = "..." | "1" | factor | "(" factor factor { factor } ")"
//   factor  = [ "!" | "@" | "~" ] name [ "=" size ] [ ":" combiner ]
//   size    = integer | "{" expression "}"
//   combiner = "sum" | "max" | "min" | "prod"
// A name is a letter and digits. A factor in operands only is reduced (":sum" where nothing is said) and leaves a partial
// result. A factor in results only is broadcast: any split of it is free. "1" is a dim of size 1 that is not split. "!f" must
// be whole. "@f" may be split only through the op's decomposition (row.h). "~f" needs a halo. Marks and sizes may stand at any one
// occurrence. "(h d)" is a dim made of factors, major first. "..." stands for the leading batch dims, aligned from the right as ONNX broadcasts
// them, where a dim of size 1 against a larger one becomes "1". Sizes follow from the dims of operands and results; where a
// compound dim leaves a size open, "=" gives it.
//
//   "... i k, ... k j -> ... i j"        MatMul
//   "(b s) d -> b s d"                   a Reshape that splits a merged dim; sizes from the result
//   "b (t=3 r) -> b r, b r, b r"         Split into three equal parts: r split is a strided split of the operand's dim
//   "b s @v -> b s v"                    Softmax
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compiler/dist/sharding.h"

namespace shardwright {

enum class FactorKind { kPass, kReduced, kBroadcast, kWhole, kDecomposed, kHalo };

struct Factor {
  std::string name;
  Expr size;
  FactorKind kind = FactorKind::kPass;
  PartialKind combiner = PartialKind::kSum;  // if reduced
};

// factor indices of each dim, major first; empty for "1".
using FactorDim = llvm::SmallVector<int, 1>;
struct FactorTensor {
  bool absent = false;
  llvm::SmallVector<FactorDim, 4> dims;
};

struct Rule {
  std::vector<Factor> factors;
  std::vector<FactorTensor> operands, results;
  std::string str() const;
};

// Parses `text` against the sizes of operands and results (an absent operand has an empty optional). kInternal with the
// place in the text if it does not parse or sizes disagree.
struct TensorShape {
  DType dtype = DType::kUndefined;  // kUndefined: absent
  Exprs dims;
};
StatusOr<Rule> parseRule(std::string_view text, llvm::ArrayRef<TensorShape> operands,
                         llvm::ArrayRef<TensorShape> results, const Facts& facts);

// One split of a factor: its index in mixed radix is (outer, rest), and rest is split by `axes` with `granules`.
// outer = 1 is a contiguous split; outer = 3 on the fused QKV dim is a strided one.
struct FactorSplit {
  Expr outer = 1;
  AxisList axes;
  Expr granules;
};

// An op's strategy: for each factor of its rule its splits, major first (usually none or one).
struct Strategy {
  std::vector<llvm::SmallVector<FactorSplit, 1>> splits;  // by factor
  explicit Strategy(int numFactors = 0) : splits(numFactors) {}
};

// The shardings that a strategy implies, canonical. Reduced factors' axes make the results partial. An operand that has no
// dim of a split factor is whole over its axes.
Sharding project(const Rule& rule, const Strategy& strategy, const FactorTensor& tensor, bool isResult,
                 llvm::ArrayRef<Expr> dims, const Facts& facts);

// The splits of factors that a tensor's sharding asks for; nothing if some split of it cannot be said with the rule's
// factors (then it needs a reshard). Partial axes are not transferred.
std::optional<Strategy> strategyFrom(const Rule& rule, const FactorTensor& tensor, const Sharding& sharding,
                                     llvm::ArrayRef<Expr> dims, const Facts& facts);

}  // namespace shardwright
