// Owns the translation of small constants in the IR to bytes of a plan.
#pragma once

#include "mlir/IR/BuiltinAttributes.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

// Sets inline_data (little endian, one byte per bool) and its checksum.
void setInlineData(mlir::DenseElementsAttr value, plan::Constant& constant);

}  // namespace shardwright
