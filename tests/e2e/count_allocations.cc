// Counts what a plan's ranks allocate once every size has been seen:
//
//   count_allocations PLAN DATA...
//
// Runs every folder of inputs once, then all of them again twice. Prints as JSON how often the ranks' threads allocated:
// in the first runs by themselves ("firstRuns"), in the later ones by themselves ("ours", memory maps included) and inside
// of oneDNN ("library"), and how often oneDNN was called then.
#include <dlfcn.h>
#include <dnnl.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdio>

#include "runtime/session/data_dir.h"
#include "runtime/session/session.h"
#include "tests/unit/runtime/exec/interposed_malloc.h"

namespace {

thread_local bool isCaller = false, isLibrary = false;
std::atomic<long> ours{0}, library{0}, libraryCalls{0};

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

void shardwright::onAllocation() {
  if (!isCaller) (isLibrary ? library : ours).fetch_add(1);
}

// Ours call them through the program's table of symbols, where these come first.
extern "C" dnnl_status_t dnnl_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                                                const dnnl_exec_arg_t* arguments) {
  static const auto execute = next<decltype(&dnnl_primitive_execute)>("dnnl_primitive_execute");
  libraryCalls.fetch_add(1);
  isLibrary = true;
  dnnl_status_t status = execute(primitive, stream, count, arguments);
  isLibrary = false;
  return status;
}

extern "C" void* mmap(void* at, size_t length, int protection, int flags, int file, off_t offset) noexcept {
  static const auto map = next<decltype(&mmap)>("mmap");
  shardwright::onAllocation();
  return map(at, length, protection, flags, file, offset);
}

namespace shardwright {
namespace {

Status count(const std::string& plan, const std::vector<std::string>& folders) {
  SessionOptions options;
  options.threadsPerRank = 2;
  SW_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::open(plan, options));
  std::vector<std::vector<HostTensor>> inputs(folders.size()), outputs(folders.size());
  for (size_t i = 0; i < folders.size(); ++i) {
    SW_ASSIGN_OR_RETURN(inputs[i], readInputs(folders[i], session->inputs()));
  }
  long firstRuns = 0;
  for (int round = 0; round < 3; ++round) {
    if (round <= 1) firstRuns = ours, ours = library = libraryCalls = 0;
    for (size_t i = 0; i < folders.size(); ++i) SW_RETURN_IF_ERROR(session->run(inputs[i], outputs[i]));
  }
  std::printf("{\"firstRuns\": %ld, \"ours\": %ld, \"library\": %ld, \"libraryCalls\": %ld}\n", firstRuns, ours.load(),
              library.load(), libraryCalls.load());
  return Status();
}

}  // namespace
}  // namespace shardwright

int main(int argc, char** argv) {
  isCaller = true;
  if (argc < 3) {
    std::fprintf(stderr, "count_allocations PLAN DATA...\n");
    return 2;
  }
  shardwright::Status status = shardwright::count(argv[1], std::vector<std::string>(argv + 2, argv + argc));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return static_cast<int>(status.code());
}
