// Owns how rule functions name dims. It knows no op.
#pragma once

#include <string>

#include "compiler/ops/op_view.h"

namespace shardwright {

// "d0 d1 d2", with the mark before each: "!d0 !d1".
std::string dimNames(const std::string& name, size_t count, const std::string& mark = "");

// The text of a size operand that is folded or still there: "-", "!sizes1" or, for a scalar, nothing.
std::string sizesOperand(const OpView& op, int operand);
// ", <that>" for every operand from `first` on.
std::string sizesOperands(const OpView& op, int first);

// The names of an operand's dims where it broadcasts, aligned from the right, to dims named `names`; "1" for sizes of 1.
std::string broadcastNames(llvm::ArrayRef<Expr> dims, llvm::ArrayRef<std::string> names);

}  // namespace shardwright
