// Owns the list of op families: one line per file of rows. It owns no row.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// Each is defined in <family>.cc; rows stay where they are for the life of the process.
llvm::ArrayRef<Row> unaryRows();
llvm::ArrayRef<Row> activationRows();
llvm::ArrayRef<Row> binaryRows();
llvm::ArrayRef<Row> matmulRows();
llvm::ArrayRef<Row> reshapeRows();

}  // namespace shardwright
