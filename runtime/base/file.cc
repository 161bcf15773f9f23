#include "runtime/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace shardwright {
namespace {

Status systemError(const char* call, const std::string& path, int error) {
  std::string message = path + ": " + call + ": " + std::system_category().message(error);
  bool isUsers = error == ENOENT || error == ENOTDIR || error == EISDIR;
  return {isUsers ? StatusCode::kUserError : StatusCode::kEnvironment, std::move(message)};
}

// A folder is refused, and what is no file, such as /dev/stdout, cannot be replaced.
Status writeInPlace(const std::string& path, std::string_view bytes) {
  int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return systemError("open for writing", path, errno);
  Status written;
  for (size_t done = 0; done < bytes.size() && written.ok();) {
    ssize_t n = ::write(descriptor, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno != EINTR) written = systemError("write", path, errno);
    if (n > 0) done += static_cast<size_t>(n);
  }
  if (::close(descriptor) != 0 && written.ok()) written = systemError("close", path, errno);
  return written;
}

}  // namespace

StatusOr<File> File::openForReading(const std::string& path) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return systemError("open for reading", path, errno);
  File file(descriptor, path);
  struct stat status;
  if (::fstat(descriptor, &status) != 0) return systemError("fstat", path, errno);
  if (S_ISDIR(status.st_mode)) return systemError("open for reading", path, EISDIR);
  return file;
}

StatusOr<File> File::create(const std::string& path) {
  int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return systemError("create", path, errno);
  return File(descriptor, path);
}

File::File(File&& other) noexcept : descriptor_(other.descriptor_), path_(std::move(other.path_)) {
  other.descriptor_ = -1;
}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status File::close() {
  int descriptor = descriptor_;
  descriptor_ = -1;
  return descriptor >= 0 && ::close(descriptor) != 0 ? systemError("close", path_, errno) : Status();
}

StatusOr<int64_t> File::sizeBytes() const {
  struct stat status;
  if (::fstat(descriptor_, &status) != 0) return systemError("fstat", path_, errno);
  return static_cast<int64_t>(status.st_size);
}

Status File::readAt(int64_t offset, void* into, int64_t bytes) const {
  auto* at = static_cast<char*>(into);
  for (int64_t done = 0; done < bytes;) {
    ssize_t n = ::pread(descriptor_, at + done, static_cast<size_t>(bytes - done), offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return systemError("pread", path_, errno);
    if (n == 0) {
      return userError(path_ + ": ends at byte " + std::to_string(offset + done) + ", but " + std::to_string(bytes) +
                       " bytes at offset " + std::to_string(offset) + " are needed; the file is truncated");
    }
    done += n;
  }
  return Status();
}

Status File::writeAt(int64_t offset, const void* from, int64_t bytes) const {
  auto* at = static_cast<const char*>(from);
  for (int64_t done = 0; done < bytes;) {
    ssize_t n = ::pwrite(descriptor_, at + done, static_cast<size_t>(bytes - done), offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return systemError("pwrite", path_, errno);
    done += n;
  }
  return Status();
}

void File::dropPages(int64_t offset, int64_t bytes) const {
  ::posix_fadvise(descriptor_, offset, bytes, POSIX_FADV_DONTNEED);
}

StatusOr<std::string> readWholeFile(const std::string& path) {
  SW_ASSIGN_OR_RETURN(File file, File::openForReading(path));
  SW_ASSIGN_OR_RETURN(int64_t size, file.sizeBytes());
  std::string bytes(static_cast<size_t>(size), '\0');
  SW_RETURN_IF_ERROR(file.readAt(0, bytes.data(), size));
  return bytes;
}

Status writeFileAtomically(const std::string& path, std::string_view bytes) {
  struct stat present;
  if (::stat(path.c_str(), &present) == 0 && !S_ISREG(present.st_mode)) return writeInPlace(path, bytes);
  std::string part = path + ".part-" + std::to_string(::getpid());
  Status written = [&]() -> Status {
    SW_ASSIGN_OR_RETURN(File file, File::create(part));
    SW_RETURN_IF_ERROR(file.writeAt(0, bytes.data(), static_cast<int64_t>(bytes.size())));
    SW_RETURN_IF_ERROR(file.close());
    return ::rename(part.c_str(), path.c_str()) == 0 ? Status() : systemError("rename to", path, errno);
  }();
  if (!written.ok()) ::unlink(part.c_str());
  return written;
}

StatusOr<FolderReplacement> FolderReplacement::begin(const std::string& path) {
  std::string target = path;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  std::string part = target + ".part-" + std::to_string(::getpid());
  std::error_code error;
  std::filesystem::remove_all(part, error);  // left by a process of the same number that died
  if (error) return systemError("remove", part, error.value());
  if (::mkdir(part.c_str(), 0777) != 0) {
    int failure = errno;
    if (failure == ENOENT) return userError(target + ": the folder that is to hold it is not there; make it first");
    return systemError("mkdir", part, failure);
  }
  return FolderReplacement(target, part);
}

FolderReplacement::FolderReplacement(FolderReplacement&& other) noexcept
    : path_(std::move(other.path_)), part_(std::move(other.part_)) {
  other.part_.clear();
}

FolderReplacement::~FolderReplacement() {
  std::error_code ignored;
  if (!part_.empty()) std::filesystem::remove_all(part_, ignored);
}

Status FolderReplacement::commit() {
  bool replaces = ::access(path_.c_str(), F_OK) == 0;
  int result = replaces ? ::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE)
                        : ::rename(part_.c_str(), path_.c_str());
  if (result != 0 && replaces && (errno == EINVAL || errno == ENOSYS)) {  // a file system without exchange
    std::string old = part_ + ".old";
    if (::rename(path_.c_str(), old.c_str()) != 0) return systemError("rename", path_, errno);
    if (::rename(part_.c_str(), path_.c_str()) != 0) return systemError("rename to", path_, errno);
    part_ = old;
  } else if (result != 0) {
    return systemError("rename to", path_, errno);
  } else if (!replaces) {
    part_.clear();
  }
  if (part_.empty()) return Status();
  std::error_code error;
  std::filesystem::remove_all(part_, error);
  std::string old = std::move(part_);
  part_.clear();
  return error ? systemError("remove", old, error.value()) : Status();
}

StatusOr<int64_t> freeDiskBytes(const std::string& path) {
  std::error_code error;
  std::filesystem::path existing = std::filesystem::absolute(path, error);
  while (!std::filesystem::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  std::filesystem::space_info space = std::filesystem::space(existing, error);
  if (error) return systemError("statvfs", existing.string(), error.value());
  return static_cast<int64_t>(space.available);
}

}  // namespace shardwright
