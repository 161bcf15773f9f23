// Owns how files and folders are opened, read, written and replaced. It knows no format.
// A path that is not there is a kUserError; everything else that the system refuses is a kEnvironment, with its text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace shardwright {

class File {
 public:
  static StatusOr<File> openForReading(const std::string& path);
  static StatusOr<File> create(const std::string& path);  // truncates what was there
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  StatusOr<int64_t> sizeBytes() const;
  // All of it or a failure; threads may call them at the same time.
  Status readAt(int64_t offset, void* into, int64_t bytes) const;
  Status writeAt(int64_t offset, const void* from, int64_t bytes) const;
  // Tells the system that these pages will not be read again.
  void dropPages(int64_t offset, int64_t bytes) const;
  // Says what close() has to say about a file that was written.
  Status close();

 private:
  File(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_;
  std::string path_;
};

StatusOr<std::string> readWholeFile(const std::string& path);
// Writes beside `path` and renames, so that a reader sees the old or the new file. What is there and no file, such as
// /dev/stdout, is written to.
Status writeFileAtomically(const std::string& path, std::string_view bytes);

// A folder being filled beside `path`, which it replaces when committed; removed if it is not.
class FolderReplacement {
 public:
  // Makes "<path>.part-<pid>", empty. The parent of path must exist.
  static StatusOr<FolderReplacement> begin(const std::string& path);
  FolderReplacement(FolderReplacement&& other) noexcept;
  FolderReplacement& operator=(FolderReplacement&&) = delete;
  ~FolderReplacement();

  const std::string& partPath() const { return part_; }
  // Exchanges the two folders in one system call and removes the old one.
  Status commit();

 private:
  FolderReplacement(std::string path, std::string part) : path_(std::move(path)), part_(std::move(part)) {}
  std::string path_, part_;  // part_ is empty once committed or moved from
};

// Bytes that an unprivileged user may still write to the file system that holds `path` or its nearest existing parent.
StatusOr<int64_t> freeDiskBytes(const std::string& path);

}  // namespace shardwright
