// Owns the bytes of a rank's constants: read from weight files or the plan, checked, packed for the kernels that use
// them, and freed where every use is packed. It does not own the kernels.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/safetensors.h"
#include "runtime/device/cpu/page_memory.h"
#include "runtime/exec/kernel_table.h"

namespace shardwright {

class ConstantStore {
 public:
  // `sizes` are evaluated at the rank's coordinates alone. All of them must outlive the store.
  ConstantStore(const PlanImage& image, const KernelTable& kernels, const Sizes& sizes);

  // What the init entry reads or writes: constants as they are, and room for those that it computes.
  Status loadForInit();
  // The rest; after it a constant is in memory as it is only if something uses it so. One constant is in memory twice
  // at a time.
  Status loadAndPack(ThreadPool& pool);

  // The bytes as they are; null if not loaded, or packed for all uses.
  char* data(int constant) const { return raw_[static_cast<size_t>(constant)].data(); }
  // The packed bytes of a kernel's operand; null if it is used as it is.
  const void* packed(int program, int step, int input) const;

  // Bytes of all constants that were loaded, as the plan says them; and bytes held now, packed or not.
  int64_t shardBytes() const { return shardBytes_; }
  int64_t heldBytes() const;

 private:
  Status load(int constant);
  Status readFromFile(int constant, char* into, int64_t bytes);
  StatusOr<const SafetensorsFile*> fileOf(int weightSet);
  Status pack(int constant, const std::vector<const ConstantUse*>& uses, bool* allPacked, ThreadPool& pool);

  const PlanImage& image_;
  const KernelTable& kernels_;
  const Sizes& sizes_;
  std::vector<PageMemory> raw_;                             // by constant
  std::map<std::string, PageMemory> packed_;                // by layout; an empty one: used as it is
  std::map<std::vector<int>, const PageMemory*> operands_;  // by program, step, input
  int64_t shardBytes_ = 0;
  std::map<int, SafetensorsFile> files_;  // by weight set, while loading
};

}  // namespace shardwright
