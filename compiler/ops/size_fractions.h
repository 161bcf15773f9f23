// Owns what is known of float tensors that follow from sizes, as exporters compute ceil(height / 2.0) or floor(width * 1.5) in
// floats: each element is an expression over a power of two, and exactly what the model's float is. It does not own integers;
// see Row::inferValue.
#pragma once

#include <optional>

#include "compiler/ops/op_view.h"

namespace shardwright {

struct SizeFractions {
  Exprs numerators;     // flat, row major
  int64_t divisor = 1;  // of all of them
};

// The contents of a float operand: of a small constant, or of a result whose row says it (Row::inferFractions, or Row::inferValue
// where that moves elements). Nothing where a float could be rounded: a size is then bounded by an assumption (OpView::assumeEqual),
// or nothing is known.
std::optional<SizeFractions> sizeFractions(const OpView& op, int operand);

// Of rows: casts to floats, arithmetic, and rounding to whole numbers.
std::optional<SizeFractions> castFractions(const OpView& op);
std::optional<SizeFractions> addFractions(const OpView& op);
std::optional<SizeFractions> subFractions(const OpView& op);
std::optional<SizeFractions> mulFractions(const OpView& op);
std::optional<SizeFractions> divFractions(const OpView& op);
std::optional<SizeFractions> floorFractions(const OpView& op);
std::optional<SizeFractions> ceilFractions(const OpView& op);

// The integers that a cast makes of them, which drops what is behind the point.
std::optional<Exprs> truncated(const OpView& op, const SizeFractions& fractions);

}  // namespace shardwright
