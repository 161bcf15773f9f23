// Owns the few facts about a CPU that decide how loops are emitted; found by compile_loops.cc from LLVM's features.
#pragma once

namespace shardwright {

struct TargetTraits {
  bool fusedMultiplyAdd = false;  // llvm.fma is an instruction; without, it would be a call
  bool halfConversions = false;   // float16 <-> float32 are instructions
  bool maskedTails = false;       // loads and stores of some lanes only, for every element size
  bool scaleInstruction = false;  // x · 2^n of 16 floats is one instruction (AVX-512)
  int vectorBytes = 16;
};

}  // namespace shardwright
