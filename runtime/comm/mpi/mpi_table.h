/* Owns what the plug-in libshardwright_mpi.so offers: messages of 8-byte words between the processes of an MPI job, none of
 * which makes its caller wait. C only, so that the plug-in and its user may come from different compilers. Calls are made
 * by one thread at a time, of any number of threads. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHARDWRIGHT_MPI_TABLE_VERSION 1
#define SHARDWRIGHT_MPI_TABLE_NAME "shardwrightMpiTable"

/* What MPI calls a request or a message, as it is. */
typedef struct {
  uint64_t bits;
} ShardwrightMpiHandle;

/* Functions return 0 or what is said, and < 0 for a failure, of which lastError() then tells. */
typedef struct {
  int32_t version;
  int (*join)(int32_t* process, int32_t* numProcesses);
  /* The words stay as they are until finished(request) returns 1. Messages from one process to another arrive in order. */
  int (*send)(int32_t process, const void* words, int64_t count, ShardwrightMpiHandle* request);
  /* 1 if a message has come; it is then to be received. */
  int (*arrived)(int32_t* process, int64_t* count, ShardwrightMpiHandle* message);
  int (*receive)(ShardwrightMpiHandle* message, void* words, int64_t count, ShardwrightMpiHandle* request);
  /* 1 once the send or receive is over. */
  int (*finished)(ShardwrightMpiHandle* request);
  /* Ends the job for this process; waits for all others to do the same. */
  int (*leave)(void);
  const char* (*lastError)(void);
} ShardwrightMpiTable;

#ifdef __cplusplus
}
#endif
