#include <mpi.h>

#include "tools/bench/allreduce_bench.h"

namespace shardwright {
namespace {

class MpiAllReducer final : public AllReducer {
 public:
  MpiAllReducer() { MPI_Init(nullptr, nullptr); }
  ~MpiAllReducer() override { MPI_Finalize(); }
  Summing prepare(const float* from, float* into, int64_t count) override {
    return [=] { MPI_Allreduce(from, into, static_cast<int>(count), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD); };
  }
  void barrier() override { MPI_Barrier(MPI_COMM_WORLD); }
};

}  // namespace

std::unique_ptr<AllReducer> makeMpiAllReducer() { return std::make_unique<MpiAllReducer>(); }

}  // namespace shardwright
