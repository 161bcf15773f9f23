// The plug-in libshardwright_mpi.so: the table over the MPI library that it was built with. It knows nothing of ranks.
#include <mpi.h>

#include <climits>
#include <cstring>

#include "runtime/comm/mpi/mpi_table.h"

namespace {

constexpr int kTag = 0;

MPI_Comm world = MPI_COMM_NULL;
char errorText[MPI_MAX_ERROR_STRING + 64];

template <typename Mpi>
ShardwrightMpiHandle handleOf(Mpi value) {
  static_assert(sizeof(Mpi) <= sizeof(ShardwrightMpiHandle), "a handle has room for what MPI calls it");
  ShardwrightMpiHandle handle{};
  std::memcpy(&handle, &value, sizeof value);
  return handle;
}

template <typename Mpi>
Mpi valueOf(const ShardwrightMpiHandle& handle) {
  Mpi value;
  std::memcpy(&value, &handle, sizeof value);
  return value;
}

int checked(int code) {
  if (code == MPI_SUCCESS) return 0;
  int length = 0;
  MPI_Error_string(code, errorText, &length);
  return -1;
}

int refuse(const char* why) {
  std::strncpy(errorText, why, sizeof errorText - 1);
  return -1;
}

int join(int32_t* process, int32_t* numProcesses) {
  int provided = 0, rank = 0, size = 0;
  if (checked(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided)) < 0) return -1;
  if (provided < MPI_THREAD_SERIALIZED) return refuse("this MPI library allows calls from one thread only");
  if (checked(MPI_Comm_dup(MPI_COMM_WORLD, &world)) < 0) return -1;
  MPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN);
  MPI_Comm_rank(world, &rank);
  MPI_Comm_size(world, &size);
  *process = rank;
  *numProcesses = size;
  return 0;
}

int send(int32_t process, const void* words, int64_t count, ShardwrightMpiHandle* request) {
  if (count > INT_MAX) return refuse("a message of 16 GiB or more");
  MPI_Request begun;
  int status = checked(MPI_Isend(words, static_cast<int>(count), MPI_UINT64_T, process, kTag, world, &begun));
  *request = handleOf(begun);
  return status;
}

int arrived(int32_t* process, int64_t* count, ShardwrightMpiHandle* message) {
  int flag = 0, words = 0;
  MPI_Message found;
  MPI_Status status;
  if (checked(MPI_Improbe(MPI_ANY_SOURCE, kTag, world, &flag, &found, &status)) < 0) return -1;
  if (!flag) return 0;
  MPI_Get_count(&status, MPI_UINT64_T, &words);
  *process = status.MPI_SOURCE;
  *count = words;
  *message = handleOf(found);
  return 1;
}

int receive(ShardwrightMpiHandle* message, void* words, int64_t count, ShardwrightMpiHandle* request) {
  MPI_Message found = valueOf<MPI_Message>(*message);
  MPI_Request begun;
  int status = checked(MPI_Imrecv(words, static_cast<int>(count), MPI_UINT64_T, &found, &begun));
  *request = handleOf(begun);
  return status;
}

int finished(ShardwrightMpiHandle* request) {
  MPI_Request pending = valueOf<MPI_Request>(*request);
  int flag = 0;
  int status = checked(MPI_Test(&pending, &flag, MPI_STATUS_IGNORE));
  *request = handleOf(pending);
  return status < 0 ? status : flag;
}

int leave() {
  MPI_Comm_free(&world);
  return checked(MPI_Finalize());
}

const char* lastError() { return errorText; }

}  // namespace

extern "C" __attribute__((visibility("default"))) const ShardwrightMpiTable shardwrightMpiTable = {
    SHARDWRIGHT_MPI_TABLE_VERSION, join, send, arrived, receive, finished, leave, lastError};
