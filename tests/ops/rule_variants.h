// Owns the ways in which an op may be split, each written into the module beside the whole op, and the faults that a rule might have. It
// runs nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/dist/mesh.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/status.h"

namespace shardwright {

// What a rule may have wrong.
enum class RuleFault {
  kClaimedFree,     // a factor that must be whole is said to be free
  kWrongCombiner,   // parts of a reduced factor are combined by another operation
  kDroppedPartial,  // the result of a split reduction is said to be whole
  kWrongDim,        // the result is said to be split in another dim than it is
  kDroppedGranule,  // the result's parts are said to be cut anywhere, where they are cut between wholes of a few elements
};
constexpr RuleFault kRuleFaults[] = {RuleFault::kClaimedFree, RuleFault::kWrongCombiner, RuleFault::kDroppedPartial,
                                     RuleFault::kWrongDim, RuleFault::kDroppedGranule};
const char* text(RuleFault fault);

// One op under one strategy: the outputs [first, first + count) of the module must equal those of the whole op.
struct RuleVariant {
  std::string op, description;
  int first = 0, whole = 0, count = 0;
};

// Adds to main, for each op that has a row, its results under every strategy that its rule allows; all are made outputs. With a fault
// the variants are those of rules that have it; with `only`, that one of them.
StatusOr<std::vector<RuleVariant>> addVariants(mlir::ModuleOp module, const Mesh& mesh,
                                               std::optional<RuleFault> fault = std::nullopt,
                                               std::optional<int> only = std::nullopt);

}  // namespace shardwright
