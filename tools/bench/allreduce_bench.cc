// Times all-reduces of float32 by one of several ways, and prints a line "BYTES SECONDS" per size, of the first rank.
//
//   mpirun -n N allreduce_bench shared|mpi        our processes of one host; MPI_Allreduce
//   mpirun -n N allreduce_bench gloo:ALGORITHM FOLDER     gloo over TCP; FOLDER is empty, and shared by the processes
//   allreduce_bench threads N                     our threads
// allreduce_compare.py takes them in turns.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <thread>

#include "runtime/comm/local/local_fabric.h"
#include "runtime/comm/processes/launch.h"
#include "runtime/comm/processes/process_fabric.h"
#include "tools/bench/allreduce_bench.h"

namespace shardwright {
namespace {

constexpr int64_t kLeastBytes = 1 << 10, kMostBytes = 64 << 20;
constexpr int kSamples = 5;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "allreduce_bench: %s\n", why.c_str());
  std::_Exit(3);
}

void check(const Status& status) {
  if (!status.ok()) fail(status.message());
}

class OwnAllReducer final : public AllReducer {
 public:
  explicit OwnAllReducer(std::unique_ptr<World> world) : world_(std::move(world)) {
    std::vector<int> ranks(static_cast<size_t>(world_->size()));
    std::iota(ranks.begin(), ranks.end(), 0);
    auto made = world_->group(ranks, "all");
    check(made.status());
    group_ = std::move(made).value();
  }

  Summing prepare(const float* from, float* into, int64_t count) override {
    auto block = [&](const float* data) {
      StridedBlock block;
      block.data = const_cast<float*>(data);
      block.rank = 1;
      block.dims[0] = count;
      block.strides[0] = 1;
      return block;
    };
    op_ = {CollectiveKind::kAllReduce, Combiner::kSum, DType::kFloat32, 0, {block(from)}, {block(into)}, "bench"};
    check(group_->prepare(op_));
    return [this] { check(group_->runNow(op_)); };
  }

  void barrier() override {
    int64_t value = 1;
    StridedBlock block;
    block.data = &value;
    check(group_->runNow({CollectiveKind::kAllReduce, Combiner::kSum, DType::kInt64, 0, {block}, {block}, "barrier"}));
  }

 private:
  std::unique_ptr<World> world_;
  std::unique_ptr<Communicator> group_;
  Collective op_;
};

void measure(AllReducer& reducer, int rank, int size) {
  using Clock = std::chrono::steady_clock;
  std::vector<float> from(kMostBytes / 4, static_cast<float>(rank + 1)), into(kMostBytes / 4);
  for (int64_t bytes = kLeastBytes; bytes <= kMostBytes; bytes *= 4) {
    std::fill(into.begin(), into.begin() + bytes / 4, static_cast<float>(rank + 1));  // for those that sum in place
    Summing sum = reducer.prepare(from.data(), into.data(), bytes / 4);
    sum();
    float expected = static_cast<float>(size * (size + 1) / 2);
    if (into[0] != expected || into[static_cast<size_t>(bytes / 4 - 1)] != expected) fail("a wrong sum");
    int64_t repeats = std::clamp<int64_t>((24 << 20) / bytes, 2, 300);
    std::vector<double> samples;
    for (int s = 0; s < kSamples; ++s) {
      std::memset(into.data(), 0, static_cast<size_t>(bytes));  // sums in place stay finite
      reducer.barrier();
      auto began = Clock::now();
      for (int64_t i = 0; i < repeats; ++i) sum();
      samples.push_back(std::chrono::duration<double>(Clock::now() - began).count() / static_cast<double>(repeats));
      reducer.barrier();
    }
    std::sort(samples.begin(), samples.end());
    if (rank == 0) std::printf("%lld %.9f\n", static_cast<long long>(bytes), samples[kSamples / 2]);
  }
}

void measureThreads(int size) {
  LocalFabric fabric(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&fabric, rank, size] {
      OwnAllReducer reducer(fabric.world(rank));
      measure(reducer, rank, size);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void measureProcesses() {
  ProcessLink::Ending ending;
  ending.tell = [](const Status& reason) { std::fprintf(stderr, "allreduce_bench: %s\n", reason.message().c_str()); };
  ending.exit = [](StatusCode code) { std::_Exit(static_cast<int>(code)); };
  auto link = joinProcesses("auto", std::chrono::seconds(60), ending);
  if (!link) return check(userError("start it with mpirun, as two processes or more"));
  if (!link->failed()) {
    ProcessFabric fabric(*link, link->numProcesses());
    OwnAllReducer reducer(fabric.world(link->process()));
    measure(reducer, link->process(), link->numProcesses());
  }
  check(link->settle(Status()));
  check(link->leave());
}

int numberIn(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : 0;
}

int run(const std::vector<std::string>& arguments) {
  int rank = numberIn("OMPI_COMM_WORLD_RANK"), size = numberIn("OMPI_COMM_WORLD_SIZE");
  std::string how = arguments.empty() ? "" : arguments[0];
  if (how == "threads" && arguments.size() == 2) {
    measureThreads(std::atoi(arguments[1].c_str()));
  } else if (how == "shared" && size > 1) {
    measureProcesses();
  } else if (how == "mpi" && size > 1) {
    auto reducer = makeMpiAllReducer();
    measure(*reducer, rank, size);
#ifdef SHARDWRIGHT_HAS_GLOO
  } else if (how.rfind("gloo:", 0) == 0 && arguments.size() == 2 && size > 1) {
    auto reducer = makeGlooAllReducer(rank, size, arguments[1], how.substr(5));
    measure(*reducer, rank, size);
#endif
  } else {
    std::fprintf(stderr, "usage: [mpirun -n N] allreduce_bench threads N | shared | mpi | gloo:ALGORITHM FOLDER\n");
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace shardwright

int main(int argc, char** argv) { return shardwright::run({argv + 1, argv + argc}); }
