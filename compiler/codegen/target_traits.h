// Owns the few facts about a CPU that decide how loops are emitted; found by compile_loops.cc from LLVM's features.
#pragma once

namespace shardwright {

struct TargetTraits {
  bool fusedMultiplyAdd = false;  // llvm.fma is an instruction; without, it would be a call
  bool halfConversions = false;   // float16 <-> float32 are instructions
  bool maskedTails = false;       // loads and stores of some lanes only, for every element size
  int vectorBytes = 16;
};

}  // namespace shardwright
