// Owns the question which instruction sets LLVM takes a named CPU to have.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace shardwright {

// Sorted names of instruction sets, without hints for tuning. kUserError if LLVM does not know the CPU.
StatusOr<std::vector<std::string>> instructionSetsOf(const std::string& triple, const std::string& cpu);

// Makes the host's code generator known to LLVM; may be called many times.
void initialiseLlvm();

}  // namespace shardwright
