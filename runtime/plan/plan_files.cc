#include "runtime/plan/plan_files.h"

#include <algorithm>
#include <map>

#include "runtime/base/crc32c.h"
#include "runtime/base/safetensors.h"
#include "runtime/plan/plan_io.h"

namespace shardwright {
namespace {

constexpr char kWeightFolder[] = "weights/";
constexpr int64_t kBlockBytes = int64_t{1} << 20;

StatusOr<uint32_t> checksumOf(const SafetensorsFile& file, const SafetensorsEntry& entry, std::vector<char>& block) {
  uint32_t checksum = 0;
  block.resize(static_cast<size_t>(kBlockBytes));
  for (int64_t at = 0; at < entry.sizeBytes; at += kBlockBytes) {
    int64_t bytes = std::min(kBlockBytes, entry.sizeBytes - at);
    SW_RETURN_IF_ERROR(file.read(entry, at, block.data(), bytes));
    checksum = crc32c(block.data(), static_cast<size_t>(bytes), checksum);
  }
  return checksum;
}

Status checkChunk(const SafetensorsFile& file, const plan::Constant& constant, uint32_t expected,
                  std::vector<char>& block) {
  SW_ASSIGN_OR_RETURN(SafetensorsEntry entry, file.find(constant.name()));
  SW_ASSIGN_OR_RETURN(uint32_t found, checksumOf(file, entry, block));
  if (found == expected) return Status();
  return userError(file.path() + ": tensor \"" + constant.name() + "\" is damaged: its checksum is " +
                   std::to_string(found) + ", the plan says " + std::to_string(expected));
}

}  // namespace

bool isWeightFile(const plan::Section& section) { return section.file().rfind(kWeightFolder, 0) == 0; }

StatusOr<SafetensorsFile> openWeightFile(const std::string& folder, const plan::Plan& plan, int weightSet,
                                         int64_t index) {
  std::string name = kWeightFolder + plan.weight_sets(weightSet).name() + "-" + std::to_string(index) + ".safetensors";
  SW_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(folder + "/" + name));
  for (const plan::Section& section : plan.sections()) {
    if (section.file() != name || section.crc32c() == 0 || section.crc32c() == file.headerChecksum()) continue;
    return userError(file.path() + ": is damaged: its header's checksum is " + std::to_string(file.headerChecksum()) +
                     ", the plan says " + std::to_string(section.crc32c()) +
                     "; copy the plan again or compile the model again");
  }
  return file;
}

std::vector<std::string> damagedFiles(const std::string& folder, const plan::Plan& plan) {
  std::vector<std::string> messages;
  auto note = [&](const Status& status) {
    if (!status.ok()) messages.push_back(status.message());
  };
  for (const plan::Section& section : plan.sections())
    if (section.crc32c() != 0 && !isWeightFile(section)) note(readSection(folder, section).status());
  std::vector<char> block;
  for (int set = 0; set < plan.weight_sets_size() && !plan.without_weights(); ++set) {
    for (int64_t k = 0; k < plan.weight_sets(set).count(); ++k) {
      StatusOr<SafetensorsFile> file = openWeightFile(folder, plan, set, k);
      note(file.status());
      if (!file.ok()) continue;
      for (const plan::Constant& constant : plan.constants())
        if (static_cast<int>(constant.weight_set()) == set + 1)
          note(checkChunk(*file, constant, constant.crc32c(static_cast<int>(k)), block));
    }
  }
  for (const plan::Constant& constant : plan.constants())
    if (!constant.inline_data().empty() && crc32c(constant.inline_data()) != constant.crc32c(0))
      messages.push_back("plan.pb: constant \"" + constant.name() + "\" has another checksum than its data");
  return messages;
}

}  // namespace shardwright
