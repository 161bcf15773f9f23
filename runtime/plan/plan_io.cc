#include "runtime/plan/plan_io.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>
#include <cstdio>

#include "runtime/base/crc32c.h"
#include "runtime/base/file.h"

namespace shardwright {
namespace {

constexpr std::string_view kMagic = "SHWDPLAN";
constexpr size_t kChecksumAt = 12, kHeaderBytes = 16;

std::string littleEndian(uint32_t v) {
  std::string bytes(4, '\0');
  for (size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>(v >> (8 * i));
  return bytes;
}

uint32_t fromLittleEndian(std::string_view bytes) {
  uint32_t v = 0;
  for (size_t i = 4; i-- > 0;) v = v << 8 | static_cast<unsigned char>(bytes[i]);
  return v;
}

uint32_t checksumOf(std::string_view file) {
  std::string_view payload = file.substr(kHeaderBytes);
  return crc32c(payload.data(), payload.size(), crc32c(file.substr(0, kChecksumAt)));
}

class ErrorText : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!text.empty()) text += "; ";
    text += "line " + std::to_string(line + 1) + ", column " + std::to_string(column + 1) + ": " + message;
  }
  std::string text;
};

}  // namespace

std::string serializePlan(const plan::Plan& plan) {
  std::string payload;
  {
    google::protobuf::io::StringOutputStream stream(&payload);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    plan.SerializeToCodedStream(&coded);
  }
  std::string bytes = std::string(kMagic) + littleEndian(plan.version()) + littleEndian(0) + payload;
  bytes.replace(kChecksumAt, 4, littleEndian(checksumOf(bytes)));
  return bytes;
}

StatusOr<plan::Plan> deserializePlan(std::string_view bytes, const std::string& where) {
  if (bytes.size() < kHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic)
    return userError(where + ": is not a plan; give a folder that shardc wrote");
  uint32_t stored = fromLittleEndian(bytes.substr(kChecksumAt)), found = checksumOf(bytes);
  if (stored != found) {
    return userError(where + ": is damaged: its checksum is " + std::to_string(found) + ", it was written with " +
                     std::to_string(stored) + "; copy it again or compile the model again");
  }
  uint32_t version = fromLittleEndian(bytes.substr(kMagic.size()));
  plan::Plan plan;
  bool parsed = version == kPlanVersion && bytes.size() <= INT32_MAX &&
                plan.ParseFromArray(bytes.data() + kHeaderBytes, static_cast<int>(bytes.size() - kHeaderBytes));
  if (parsed && plan.version() != version) version = plan.version();
  if (version != kPlanVersion) {
    return userError(where + ": found plan version " + std::to_string(version) + "; this program reads version " +
                     std::to_string(kPlanVersion) + "; compile the model again with its own shardc");
  }
  if (!parsed) return userError(where + ": is not a plan; compile the model again");
  return plan;
}

std::string planFingerprint(const plan::Plan& plan) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", fromLittleEndian(serializePlan(plan).substr(kChecksumAt, 4)));
  return text;
}

Status savePlan(const std::string& folder, const plan::Plan& plan) {
  return writeFileAtomically(folder + "/" + kPlanFileName, serializePlan(plan));
}

StatusOr<plan::Plan> loadPlan(const std::string& folder) {
  std::string path = folder + "/" + kPlanFileName;
  SW_ASSIGN_OR_RETURN(std::string bytes, readWholeFile(path));
  SW_ASSIGN_OR_RETURN(plan::Plan plan, deserializePlan(bytes, path));
  for (const plan::Section& section : plan.sections()) {
    SW_ASSIGN_OR_RETURN(File file, File::openForReading(folder + "/" + section.file()));
    SW_ASSIGN_OR_RETURN(int64_t size, file.sizeBytes());
    if (static_cast<uint64_t>(size) != section.bytes()) {
      return userError(file.path() + ": found " + std::to_string(size) + " bytes; the plan says " +
                       std::to_string(section.bytes()) + "; copy the plan again or compile the model again");
    }
  }
  return plan;
}

bool isPlanFolder(const std::string& folder) {
  StatusOr<File> file = File::openForReading(folder + "/" + kPlanFileName);
  char magic[8];
  return file.ok() && file->readAt(0, magic, 8).ok() && std::string_view(magic, 8) == kMagic;
}

StatusOr<std::string> readSection(const std::string& folder, const plan::Section& section) {
  std::string path = folder + "/" + section.file();
  SW_ASSIGN_OR_RETURN(std::string bytes, readWholeFile(path));
  bool intact = bytes.size() == section.bytes() && (section.crc32c() == 0 || crc32c(bytes) == section.crc32c());
  if (intact) return bytes;
  return userError(
      path + ": is damaged: its size or checksum is not the plan's; copy the plan again or compile the model again");
}

StatusOr<plan::Plan> parsePlanText(std::string_view text) {
  plan::Plan plan;
  ErrorText errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  if (!parser.ParseFromString(std::string(text), &plan)) return userError("plan text: " + errors.text);
  return plan;
}

std::string printPlan(const plan::Plan& plan) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(plan, &text);
  return text;
}

}  // namespace shardwright
