// Owns the public way to run a plan: open it, run it any number of times with other shapes each time, ask what it took.
// A session starts the ranks of this process, alone or with those of others; it does not read or write data files.
//
//   SW_ASSIGN_OR_RETURN(auto session, Session::open("gpt2.plan"));
//   SW_ASSIGN_OR_RETURN(std::vector<HostTensor> outputs, session->run(inputs));
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/host_tensor.h"
#include "runtime/base/status.h"
#include "runtime/comm/communicator.h"
#include "runtime/exec/rank_parts.h"
#include "runtime/session/trace.h"

namespace shardwright {

class ProcessLink;

struct SessionOptions {
  // Null: every rank is a thread of this process. Otherwise the ranks are spread over the link's processes, some consecutive
  // ones in each; the link outlives the session. All processes make the same calls with the same inputs, and the first one
  // then has the whole outputs, counts and traces.
  ProcessLink* processes = nullptr;
  int threadsPerRank = 0;  // 0: the cores that this process may use, divided among the ranks, at least 1
  // How long a rank waits for another before the run fails.
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
  std::string device = "cpu";
  bool trace = false;  // note every step of every run
  // For tests: puts something between a rank and its world, to delay or fail it.
  std::function<std::unique_ptr<World>(std::unique_ptr<World>)> wrapWorld;
};

struct PortDescription {
  std::string name;
  DType dtype = DType::kUndefined;
  std::vector<std::string> dims;  // numbers, symbols, or sums of them: "batch", "past + seq", "768"
  bool optional = false;
  std::vector<int64_t> assumedDims;  // at the sizes that the plan's costs were taken at
};

// A dense, row-major tensor of the caller, aligned to its elements; data is null for an optional input that is not there.
struct TensorView {
  DType dtype = DType::kUndefined;
  std::vector<int64_t> dims;
  void* data = nullptr;

  static TensorView of(const HostTensor& tensor) { return {tensor.dtype, tensor.dims, tensor.bytes.get()}; }
};

// One session is used by one thread at a time. After a run failed on a rank (not: was refused), every further one returns
// that failure. If a rank was inside something endless then, it may still read the inputs of that run and write its outputs.
class Session {
 public:
  // kUserError: the folder holds no plan, or a damaged one, or one of another version. kEnvironment: this machine lacks
  // what the plan needs. Returns when every rank has loaded its weights.
  static StatusOr<std::unique_ptr<Session>> open(const std::string& planFolder, const SessionOptions& options = {});
  ~Session();

  const std::vector<PortDescription>& inputs() const;
  const std::vector<PortDescription>& outputs() const;
  const plan::Plan& plan() const;
  int numRanks() const;
  int threadsPerRank() const;

  // The dims of the outputs for these inputs; where they are known only during a run, the largest they may be.
  StatusOr<std::vector<std::vector<int64_t>>> outputDims(const std::vector<TensorView>& inputs) const;

  // Runs once; the outputs, of the dims that outputDims() says, are the caller's to allocate. A refused input (kUserError)
  // leaves the session usable.
  Status run(const std::vector<TensorView>& inputs, const std::vector<TensorView>& outputs);
  // The same, with outputs allocated, or reused where they have the right type and dims already. After it, outputs have
  // the dims that the run found.
  Status run(const std::vector<HostTensor>& inputs, std::vector<HostTensor>& outputs);
  StatusOr<std::vector<HostTensor>> run(const std::vector<HostTensor>& inputs);

  // By rank; of the runs so far.
  std::vector<RankStats> stats() const;

  // What was noted since the session was opened or clearTrace() called; of no rank without SessionOptions::trace.
  Trace trace() const;
  void clearTrace();

 private:
  struct State;
  explicit Session(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;  // with the ranks' threads, so that one that never returns has what it uses
};

}  // namespace shardwright
