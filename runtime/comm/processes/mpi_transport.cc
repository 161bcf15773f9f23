#include "runtime/comm/processes/mpi_transport.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>

#include "runtime/comm/mpi/mpi_table.h"

namespace shardwright {
namespace {

constexpr char kFile[] = "libshardwright_mpi.so";

std::string programFolder() {
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  std::string program = length > 0 ? std::string(path, static_cast<size_t>(length)) : std::string("./");
  return program.substr(0, program.rfind('/'));
}

class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(const ShardwrightMpiTable& mpi) : mpi_(mpi) {}

  Status join(int32_t& process, int32_t& numProcesses) override {
    return mpi_.join(&process, &numProcesses) < 0 ? environmentError(lastError()) : Status();
  }
  int send(int process, const void* words, int64_t count, Handle& transfer) override {
    ShardwrightMpiHandle handle{};
    return told(mpi_.send(process, words, count, &handle), handle, transfer);
  }
  int arrived(int32_t& process, int64_t& count, Handle& message) override {
    ShardwrightMpiHandle handle{};
    return told(mpi_.arrived(&process, &count, &handle), handle, message);
  }
  int receive(Handle& message, void* words, int64_t count, Handle& transfer) override {
    ShardwrightMpiHandle from{message.bits}, handle{};
    return told(mpi_.receive(&from, words, count, &handle), handle, transfer);
  }
  int finished(Handle& transfer) override {
    ShardwrightMpiHandle handle{transfer.bits};
    return told(mpi_.finished(&handle), handle, transfer);
  }
  void leave() override { mpi_.leave(); }
  std::string lastError() const override { return std::string("MPI: ") + mpi_.lastError(); }
  std::string name() const override { return "MPI"; }

 private:
  static int told(int result, const ShardwrightMpiHandle& handle, Handle& to) {
    to.bits = handle.bits;
    return result;
  }

  const ShardwrightMpiTable& mpi_;
};

}  // namespace

StatusOr<std::unique_ptr<Transport>> makeMpiTransport() {
  std::string folder = programFolder();
  for (const std::string& path : {folder + "/" + kFile, folder + "/../lib/" + kFile}) {
    if (access(path.c_str(), F_OK) == 0) return makeMpiTransport(path);
  }
  return environmentError(
      std::string("no MPI plug-in ") + kFile + " beside this program in " + folder +
      " or in ../lib; it is built where an MPI library with its headers is installed (Debian: "
      "libopenmpi-dev); without it, the ranks run on one host: start the program there, with or without mpirun");
}

StatusOr<std::unique_ptr<Transport>> makeMpiTransport(const std::string& path) {
  // MPI libraries load parts of themselves that look for the rest of it among the global symbols.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library) return environmentError(std::string("the MPI plug-in cannot be loaded: ") + dlerror());
  auto* table = static_cast<const ShardwrightMpiTable*>(dlsym(library, SHARDWRIGHT_MPI_TABLE_NAME));
  if (!table) return environmentError(path + " is no MPI plug-in of Shardwright");
  if (table->version != SHARDWRIGHT_MPI_TABLE_VERSION) {
    return environmentError(path + " is of version " + std::to_string(table->version) +
                            ", this program takes version " + std::to_string(SHARDWRIGHT_MPI_TABLE_VERSION) +
                            "; install both from one build");
  }
  return std::unique_ptr<Transport>(std::make_unique<MpiTransport>(*table));
}

}  // namespace shardwright
