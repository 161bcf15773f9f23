#include "compiler/codegen/shared_object.h"

#include <mutex>

#include "lld/Common/Driver.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

namespace shardwright {
namespace {

// A folder of our own below the system's for temporary files, removed with what is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() { error_ = llvm::sys::fs::createUniqueDirectory("shardwright", path_); }
  ~TemporaryFolder() {
    if (error_) return;
    error_ = llvm::sys::fs::remove_directories(path_);  // where that fails, a leftover does no harm
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::error_code error() const { return error_; }
  std::string file(const char* name) const {
    llvm::SmallString<128> path(path_);
    llvm::sys::path::append(path, name);
    return path.str().str();
  }

 private:
  llvm::SmallString<128> path_;
  std::error_code error_;
};

}  // namespace

StatusOr<std::string> linkSharedObject(const std::string& object) {
  static std::mutex oneLink;  // lld keeps its state in globals
  std::lock_guard<std::mutex> lock(oneLink);
  TemporaryFolder folder;
  if (folder.error()) return environmentError("no temporary folder for linking: " + folder.error().message());
  std::string input = folder.file("loops.o"), output = folder.file("loops.so");
  std::error_code error;
  {
    llvm::raw_fd_ostream stream(input, error);
    if (!error) stream << object;
    stream.close();
    if (!error) error = stream.error();
    stream.clear_error();
  }
  if (error) return environmentError(input + ": cannot be written: " + error.message());

  // No build id, no symbol or section that would tell one run from another; -z defs: whatever is undefined is an error.
  const char* arguments[] = {"ld.lld",
                             "-shared",
                             "-z",
                             "defs",
                             "-z",
                             "norelro",
                             "--strip-all",
                             "--build-id=none",
                             "--hash-style=gnu",
                             "--threads=1",
                             "--color-diagnostics=never",
                             "-o",
                             output.c_str(),
                             input.c_str()};
  std::string messages;
  llvm::raw_string_ostream log(messages);
  llvm::CrashRecoveryContext::Enable();  // lld leaves by exit() where a file fails; this brings it back here
  lld::Result result = lld::lldMain(arguments, log, log, {{lld::Gnu, &lld::elf::link}});
  llvm::CrashRecoveryContext::Disable();
  if (result.retCode != 0) return internalError("linking the generated loops: " + log.str());
  auto buffer = llvm::MemoryBuffer::getFile(output, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) return environmentError(output + ": cannot be read: " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

}  // namespace shardwright
