// Owns the evaluation of polynomials by LaneMath; for its sources only.
#pragma once

#include "compiler/codegen/lane_math.h"

namespace shardwright {

template <size_t N>
llvm::Value* LaneMath::poly(const double (&coefficients)[N], Value* x) {
  Value* total = num(x, coefficients[N - 1]);
  for (size_t i = N - 1; i-- > 0;) total = mulAdd(total, x, num(x, coefficients[i]));
  return total;
}

}  // namespace shardwright
