#include "runtime/comm/processes/mpi_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>

namespace shardwright {
namespace {

constexpr char kFile[] = "libshardwright_mpi.so";

std::string programFolder() {
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  std::string program = length > 0 ? std::string(path, static_cast<size_t>(length)) : std::string("./");
  return program.substr(0, program.rfind('/'));
}

}  // namespace

StatusOr<const ShardwrightMpiTable*> loadMpi() {
  std::string folder = programFolder();
  for (const std::string& path : {folder + "/" + kFile, folder + "/../lib/" + kFile}) {
    if (access(path.c_str(), F_OK) == 0) return loadMpi(path);
  }
  return environmentError(
      std::string("no MPI plug-in ") + kFile + " beside this program in " + folder +
      " or in ../lib; it is built where an MPI library with its headers is installed (Debian: "
      "libopenmpi-dev); without it, every rank runs in one process: start the program without mpirun");
}

StatusOr<const ShardwrightMpiTable*> loadMpi(const std::string& path) {
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
  return table;
}

}  // namespace shardwright
