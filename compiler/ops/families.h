// Owns the list of op families: one line per file of rows. It owns no row.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// The row with an inferFractions, for lists of rows.
inline Row withFractions(Row row, std::optional<SizeFractions> (*inferFractions)(const OpView& op)) {
  row.inferFractions = inferFractions;
  return row;
}

// F(name) for every family: name##Rows() is defined in a file of that name; its rows stay where they are for the life of the
// process.
#define SHARDWRIGHT_OP_FAMILIES(F) \
  F(unary)                         \
  F(activation)                    \
  F(binary)                        \
  F(matmul)                        \
  F(einsum)                        \
  F(reshape)                       \
  F(generator)                     \
  F(slice)                         \
  F(broadcasting)                  \
  F(gather)                        \
  F(reduction)                     \
  F(order)                         \
  F(normalization)                 \
  F(conv)                          \
  F(convTranspose)                 \
  F(resize)                        \
  F(attention)                     \
  F(quantization)                  \
  F(contrib)                       \
  F(contribAttention)              \
  F(controlFlow)

#define SHARDWRIGHT_DECLARE_FAMILY(name) llvm::ArrayRef<Row> name##Rows();
SHARDWRIGHT_OP_FAMILIES(SHARDWRIGHT_DECLARE_FAMILY)
#undef SHARDWRIGHT_DECLARE_FAMILY

}  // namespace shardwright
