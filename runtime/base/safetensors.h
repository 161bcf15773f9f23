// Owns the safetensors format, in which weights are stored: eight bytes of header length, a JSON header, the tensors'
// bytes. It assumes no alignment. Types narrower than a byte are written as U8, the plan knows the logical type.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/file.h"
#include "runtime/base/status.h"

namespace shardwright {

struct SafetensorsEntry {
  DType dtype = DType::kUndefined;  // kUndefined: a type of the file that we have no number for
  std::vector<int64_t> dims;
  int64_t offset = 0;  // in the file
  int64_t sizeBytes = 0;
};

class SafetensorsFile {
 public:
  // Reads the header and checks every length and offset against the file's size.
  static StatusOr<SafetensorsFile> open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const File& file() const { return file_; }
  const std::map<std::string, SafetensorsEntry, std::less<>>& entries() const { return entries_; }
  uint32_t headerChecksum() const { return headerChecksum_; }  // CRC-32C of all that precedes the tensors
  // kUserError naming the file if there is none.
  StatusOr<SafetensorsEntry> find(std::string_view name) const;
  // `bytes` bytes from byte `begin` of the entry on.
  Status read(const SafetensorsEntry& entry, int64_t begin, void* into, int64_t bytes) const;

 private:
  explicit SafetensorsFile(File file) : file_(std::move(file)) {}
  File file_;
  uint32_t headerChecksum_ = 0;
  std::map<std::string, SafetensorsEntry, std::less<>> entries_;
};

struct SafetensorsDeclaration {
  std::string name;
  DType dtype;
  std::vector<int64_t> dims;
};

// Writes one file front to back: the tensors in the order declared, each in as many pieces as one likes.
class SafetensorsWriter {
 public:
  static StatusOr<SafetensorsWriter> create(const std::string& path, std::vector<SafetensorsDeclaration> tensors);
  // Bytes that create() will write in all, header included: for the check of free disk space.
  static int64_t fileBytes(const std::vector<SafetensorsDeclaration>& tensors);
  SafetensorsWriter(SafetensorsWriter&&) = default;
  ~SafetensorsWriter();  // removes a file that was not finished

  // The next bytes; they may end one tensor and begin the next.
  Status append(const void* data, int64_t bytes);
  // Fails if bytes are missing; then the file is under its name.
  Status finish();
  uint32_t headerChecksum() const { return headerChecksum_; }
  // CRC-32C of each tensor that is complete, in the order declared.
  const std::vector<uint32_t>& checksums() const { return checksums_; }

 private:
  SafetensorsWriter(File file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  void completeTensors();
  File file_;
  std::string path_;
  std::vector<SafetensorsDeclaration> tensors_;
  std::vector<uint32_t> checksums_;
  int64_t at_ = 0;            // in the file
  int64_t leftInTensor_ = 0;  // of tensor checksums_.size()
  uint32_t partialChecksum_ = 0, headerChecksum_ = 0;
  bool finished_ = false;
};

}  // namespace shardwright
