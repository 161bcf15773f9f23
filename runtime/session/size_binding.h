// Owns what the caller's tensors say about a plan's sizes: the values of its symbols, and that everything fits. It does
// not run anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"
#include "runtime/plan/expr_table.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

// What the caller gives for one port; kUndefined: an optional input that is not there.
struct GivenTensor {
  DType dtype = DType::kUndefined;
  std::vector<int64_t> dims;
};

// One value per Plan.symbols; those bound at run time are ExprTable::kUnknown. kUserError with a line for everything that
// is wrong: a type or number of dims, a dim that differs from what the plan fixes, a symbol that two dims give different
// values, or a value outside of what the plan allows.
//   x [batch, seq] = [2, 16], mask [batch, past + seq] = [2, 21]  ->  batch 2, seq 16, past 5
StatusOr<std::vector<int64_t>> bindSymbols(const plan::Plan& plan, const ExprTable& table,
                                           const std::vector<GivenTensor>& inputs);

// The dims of ports at these values; dims that depend on a run-time symbol are at that symbol's maximum, or unknown if
// that is not wanted.
StatusOr<std::vector<std::vector<int64_t>>> portDims(const plan::Plan& plan, const ExprTable& table,
                                                     const google::protobuf::RepeatedPtrField<plan::Port>& ports,
                                                     const std::vector<int64_t>& symbolValues, bool runTimeAtMaximum);

// The first entry but "init" whose guards hold; kUserError that says the guards if there is none.
StatusOr<int> entryFor(const plan::Plan& plan, const ExprTable& table, const std::vector<int64_t>& symbolValues);

// "[batch, 7, past + seq]", and of numbers "[2, 7, 21]".
std::string dimsText(const plan::Plan& plan, const plan::Port& port);
std::string dimsText(const std::vector<int64_t>& dims);

}  // namespace shardwright
