#include "compiler/analysis/op_strategy.h"

namespace shardwright {

Strategy strategyFromShardings(const Rule& rule, const OpView& op, llvm::ArrayRef<Sharding> in,
                               llvm::ArrayRef<Sharding> out) {
  Strategy strategy(rule.factors.size());
  auto take = [&](const std::vector<FactorTensor>& tensors, llvm::ArrayRef<Sharding> shardings, bool isResult) {
    for (size_t i = 0; i < tensors.size() && i < shardings.size(); ++i) {
      if (tensors[i].absent) continue;
      TensorShape shape = isResult ? op.result(i) : op.operand(i);
      std::optional<Strategy> said = strategyFrom(rule, tensors[i], shardings[i], shape.dims, op.facts());
      if (!said) continue;
      for (size_t f = 0; f < rule.factors.size(); ++f)
        if (strategy.splits[f].empty()) strategy.splits[f] = said->splits[f];
    }
  };
  take(rule.operands, in, false);
  take(rule.results, out, true);
  return strategy;
}

}  // namespace shardwright
