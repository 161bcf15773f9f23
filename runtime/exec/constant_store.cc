#include "runtime/exec/constant_store.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "runtime/base/crc32c.h"
#include "runtime/plan/plan_files.h"

namespace shardwright {
namespace {

constexpr int64_t kReadBytes = int64_t{1} << 20;  // read and checked while in cache

std::string hex(uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

Status damaged(const std::string& where, uint32_t found, uint32_t expected) {
  return userError(where + " is damaged: its checksum is " + hex(found) + ", the plan says " + hex(expected) +
                   "; copy the plan again, or compile the model again");
}

}  // namespace

ConstantStore::ConstantStore(const PlanImage& image, const KernelTable& kernels, const Sizes& sizes)
    : image_(image), kernels_(kernels), sizes_(sizes), raw_(static_cast<size_t>(image.plan().constants_size())) {}

Status ConstantStore::loadForInit() {
  for (int i = 0; i < image_.plan().constants_size(); ++i) {
    if (kernels_.neededByInit()[static_cast<size_t>(i)]) SW_RETURN_IF_ERROR(load(i));
  }
  return Status();
}

Status ConstantStore::loadAndPack(ThreadPool& pool) {
  std::vector<std::vector<const ConstantUse*>> uses(raw_.size());
  for (const ConstantUse& use : kernels_.constantUses()) uses[static_cast<size_t>(use.constant)].push_back(&use);
  for (int i = 0; i < image_.plan().constants_size(); ++i) {
    size_t at = static_cast<size_t>(i);
    bool asIs = kernels_.neededAsIs()[at];
    if (!asIs && uses[at].empty()) {
      raw_[at] = PageMemory();  // only init looked at it
      continue;
    }
    SW_RETURN_IF_ERROR(load(i));
    bool allPacked = true;
    SW_RETURN_IF_ERROR(
        pack(i, uses[at], &allPacked, pool).within("constant '" + image_.plan().constants(i).name() + "'"));
    if (allPacked && !asIs) raw_[at] = PageMemory();
  }
  files_.clear();
  return Status();
}

Status ConstantStore::load(int index) {
  PageMemory& memory = raw_[static_cast<size_t>(index)];
  if (memory.data()) return Status();
  const plan::Constant& constant = image_.plan().constants(index);
  int64_t count = 1;
  for (uint32_t dim : constant.dims()) count *= sizes_[dim];
  int64_t bytes = byteSize(static_cast<DType>(constant.dtype()), count);
  SW_ASSIGN_OR_RETURN(memory, PageMemory::allocate(bytes));
  shardBytes_ += bytes;
  if (constant.weight_set() != 0) return readFromFile(index, memory.data(), bytes);
  if (constant.inline_data().empty()) {
    std::memset(memory.data(), 0, static_cast<size_t>(bytes));  // init writes it
    return Status();
  }
  std::string where = "constant '" + constant.name() + "' of " + image_.folder();
  if (static_cast<int64_t>(constant.inline_data().size()) != bytes) {
    return userError(where + " has " + std::to_string(constant.inline_data().size()) + " bytes in the plan and needs " +
                     std::to_string(bytes) + "; compile the model again");
  }
  uint32_t found = crc32c(constant.inline_data());
  if (constant.crc32c_size() == 1 && constant.crc32c(0) != found) return damaged(where, found, constant.crc32c(0));
  std::memcpy(memory.data(), constant.inline_data().data(), static_cast<size_t>(bytes));
  return Status();
}

StatusOr<const SafetensorsFile*> ConstantStore::fileOf(int weightSet) {
  auto found = files_.find(weightSet);
  if (found == files_.end()) {
    const plan::WeightSet& set = image_.plan().weight_sets(weightSet);
    SW_ASSIGN_OR_RETURN(SafetensorsFile file,
                        openWeightFile(image_.folder(), image_.plan(), weightSet, sizes_[set.index()]));
    found = files_.emplace(weightSet, std::move(file)).first;
  }
  return &found->second;
}

Status ConstantStore::readFromFile(int index, char* into, int64_t bytes) {
  const plan::Constant& constant = image_.plan().constants(index);
  int weightSet = static_cast<int>(constant.weight_set()) - 1;
  SW_ASSIGN_OR_RETURN(const SafetensorsFile* file, fileOf(weightSet));
  SW_ASSIGN_OR_RETURN(SafetensorsEntry entry, file->find(constant.name()));
  std::string where = file->path() + ": tensor '" + constant.name() + "'";
  if (entry.sizeBytes != bytes) {
    return userError(where + " has " + std::to_string(entry.sizeBytes) + " bytes, the plan says " +
                     std::to_string(bytes) + "; copy the plan again, or compile the model again");
  }
  uint32_t found = 0;
  for (int64_t at = 0; at < bytes; at += kReadBytes) {
    int64_t count = std::min(kReadBytes, bytes - at);
    SW_RETURN_IF_ERROR(file->read(entry, at, into + at, count));
    found = crc32c(into + at, static_cast<size_t>(count), found);
  }
  auto which = static_cast<int>(sizes_[image_.plan().weight_sets(weightSet).index()]);
  if (which < constant.crc32c_size() && constant.crc32c(which) != found) {
    return damaged(where, found, constant.crc32c(which));
  }
  return Status();
}

Status ConstantStore::pack(int constant, const std::vector<const ConstantUse*>& uses, bool* allPacked,
                           ThreadPool& pool) {
  for (const ConstantUse* use : uses) {
    auto [place, isNew] = packed_.try_emplace(use->layout);
    PageMemory& memory = place->second;
    // Every kernel is asked, also where another of the same layout has packed: by asking it learns that its operand is.
    TensorRef ref = use->window.ref;
    ref.data = data(constant) + use->window.byteOffset;
    Kernel& kernel = kernels_.kernel(use->program, use->step);
    int64_t bytes = kernel.packedBytes(use->input, ref);
    if (isNew && bytes > 0) {
      SW_ASSIGN_OR_RETURN(memory, PageMemory::allocate(bytes));
      SW_RETURN_IF_ERROR(kernel.pack(use->input, ref, memory.data(), pool));
    }
    operands_[{use->program, use->step, use->input}] = &memory;
    *allPacked = *allPacked && memory.data();
  }
  return Status();
}

const void* ConstantStore::packed(int program, int step, int input) const {
  auto found = operands_.find({program, step, input});
  return found == operands_.end() ? nullptr : found->second->data();
}

int64_t ConstantStore::heldBytes() const {
  int64_t bytes = 0;
  for (const PageMemory& memory : raw_) bytes += memory.sizeBytes();
  for (const auto& [layout, memory] : packed_) bytes += memory.sizeBytes();
  return bytes;
}

}  // namespace shardwright
