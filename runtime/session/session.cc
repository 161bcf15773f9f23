#include "runtime/session/session.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "runtime/comm/local/local_fabric.h"
#include "runtime/comm/processes/process_fabric.h"
#include "runtime/device/cpu/cpu_features.h"
#include "runtime/exec/kernel_table.h"
#include "runtime/exec/plan_image.h"
#include "runtime/plan/checker.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_files.h"
#include "runtime/plan/plan_io.h"
#include "runtime/session/process_clocks.h"
#include "runtime/session/process_results.h"
#include "runtime/session/rank_thread.h"
#include "runtime/session/size_binding.h"

namespace shardwright {

struct Session::State {
  std::shared_ptr<const PlanImage> image;
  SessionOptions options;
  std::vector<PortDescription> inputs, outputs;
  std::unique_ptr<Fabric> fabric;
  ProcessFabric* others = nullptr;  // the fabric, if there are other processes
  std::shared_ptr<RankCountdown> countdown = std::make_shared<RankCountdown>();
  std::vector<std::shared_ptr<RankThread>> ranks;  // of this process, from fabric->firstRank() on
  bool abandoned = false;
  Status broken;  // why no further run can be
  std::vector<int64_t> symbolValues;
  std::vector<const void*> inputData;
  std::vector<void*> outputData;
  std::vector<RankTrace> traces;  // by rank, if they are wanted
  ClockOffset clock;              // of this process, if they are
  std::vector<RankStats> stats;   // by rank; of other processes', and only in the first

  Status startRanks();
  Status awaitRanks();
  Status beginTogether();
  Status gather(const std::vector<TensorView>& out);
  StatusOr<std::vector<int64_t>> bind(const std::vector<TensorView>& tensors) const;
  Status checkOutputs(const std::vector<std::vector<int64_t>>& dims, const std::vector<TensorView>& given) const;
  Status run(const std::vector<TensorView>& in, const std::vector<TensorView>& out);
  void nameActualDims(std::vector<HostTensor>& tensors) const;
};

namespace {

Status checkMachine(const plan::Plan& plan, const std::string& folder, const SessionOptions& options) {
  if (options.device == "cuda") {
    return environmentError("no CUDA plug-in beside this program (libshardwright_cuda.so); run with --device cpu");
  }
  if (options.device != "cpu") {
    return userError("device '" + options.device + "' is not known; it is cpu or cuda");
  }
  if (!plan.target().kind().empty() && plan.target().kind() != options.device) {
    return userError(folder + " was compiled for " + plan.target().kind() + "; compile it with --target " +
                     options.device);
  }
  std::vector<std::string> features(plan.target().features().begin(), plan.target().features().end());
  std::vector<std::string> missing = missingCpuFeatures(features, hostCpuFlags());
  if (missing.empty()) return Status();
  std::string names;
  for (const std::string& feature : missing) names += (names.empty() ? "" : ", ") + feature;
  return environmentError(folder + " has code for CPU features that this machine lacks: " + names +
                          "; compile the model here, or with --target cpu:x86-64-v3 or another CPU that both have");
}

std::vector<PortDescription> describe(const plan::Plan& plan, const ExprTable& table,
                                      const google::protobuf::RepeatedPtrField<plan::Port>& ports) {
  std::vector<int64_t> assumed;
  for (const plan::Symbol& symbol : plan.symbols()) assumed.push_back(symbol.assumed());
  auto dims = portDims(plan, table, ports, assumed, true);
  std::vector<PortDescription> all;
  for (const plan::Port& port : ports) {
    PortDescription one;
    one.name = port.name();
    one.dtype = static_cast<DType>(port.dtype());
    one.optional = port.optional();
    for (uint32_t dim : port.dims()) one.dims.push_back(plan.exprs(static_cast<int>(dim)));
    if (dims.ok()) one.assumedDims = (*dims)[all.size()];
    all.push_back(std::move(one));
  }
  return all;
}

Status checkSections(const plan::Plan& plan, const std::string& folder) {
  for (const plan::Section& section : plan.sections()) {
    if (section.crc32c() == 0 || isWeightFile(section)) continue;  // ranks check the weights that they read
    auto bytes = readSection(folder, section);
    if (!bytes.ok()) return bytes.status();
  }
  return Status();
}

// What the system could give this process, as /proc/meminfo says it; nothing where it does not.
std::optional<int64_t> availableBytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string key, unit; file >> key;) {
    int64_t kibibytes = 0;
    if (!(file >> kibibytes)) file.clear();
    if (key == "MemAvailable:") return kibibytes * 1024;
    std::getline(file, unit);
  }
  return std::nullopt;
}

// Of the mesh's ranks, `ranks` are here, each with its own copy of its weights. A set's files are read by equally many ranks.
Status checkMemory(const plan::Plan& plan, const std::string& folder, double ranks) {
  double needed = 0;
  for (const plan::WeightSet& set : plan.weight_sets()) {
    for (const plan::Section& section : plan.sections()) {
      if (section.file().rfind("weights/" + set.name() + "-", 0) == 0)
        needed += static_cast<double>(section.bytes()) * ranks / static_cast<double>(set.count());
    }
  }
  std::optional<int64_t> available = availableBytes();
  if (!available || needed <= static_cast<double>(*available)) return Status();
  return environmentError(folder + ": the weights of its " + std::to_string(static_cast<int64_t>(ranks)) +
                          " ranks take " + std::to_string(static_cast<int64_t>(needed)) +
                          " bytes, and this machine has " + std::to_string(*available) +
                          " available; compile for a smaller mesh, or run on a machine with more memory");
}

// How many of the ranks are of processes that share this one's CPUs, and its memory with them.
StatusOr<double> ranksHere(const plan::Plan& plan, const std::string& folder, const ProcessLink* processes) {
  int ranks = numRanks(plan.mesh());
  if (!processes) return static_cast<double>(ranks);
  if (processes->numProcesses() > ranks) {
    return userError(folder + " has " + std::to_string(ranks) + " ranks, and " +
                     std::to_string(processes->numProcesses()) + " processes were started; start at most one per rank");
  }
  return static_cast<double>(ranks) * processes->numSharers() / processes->numProcesses();
}

}  // namespace

StatusOr<std::unique_ptr<Session>> Session::open(const std::string& planFolder, const SessionOptions& options) {
  SW_ASSIGN_OR_RETURN(plan::Plan plan, loadPlan(planFolder));
  if (plan.without_weights())
    return userError(planFolder +
                     ": was compiled with --no-weights, to be looked at; compile it with weights to run it");
  CheckOptions checks;
  checks.verifyKernel = verifyKernelStep;
  SW_RETURN_IF_ERROR(checkPlan(plan, checks).within(planFolder));
  SW_RETURN_IF_ERROR(checkMachine(plan, planFolder, options));
  SW_ASSIGN_OR_RETURN(double ranks, ranksHere(plan, planFolder, options.processes));
  SW_RETURN_IF_ERROR(checkMemory(plan, planFolder, ranks));
  SW_RETURN_IF_ERROR(checkSections(plan, planFolder));
  auto state = std::make_shared<State>();
  state->options = options;
  SW_ASSIGN_OR_RETURN(state->image, PlanImage::make(std::move(plan), planFolder));
  const plan::Plan& loaded = state->image->plan();
  state->inputs = describe(loaded, state->image->table(), loaded.inputs());
  state->outputs = describe(loaded, state->image->table(), loaded.outputs());
  std::unique_ptr<Session> session(new Session(state));
  SW_RETURN_IF_ERROR(state->startRanks());
  return session;
}

Session::~Session() {
  if (state_->abandoned) {
    for (const auto& rank : state_->ranks) rank->abandon();
    // A rank that never returned may use it until the program ends.
    static auto& leftBehind = *new std::vector<std::shared_ptr<State>>();
    leftBehind.push_back(state_);
    return;
  }
  for (const auto& rank : state_->ranks) rank->stop();
}

Status Session::State::startRanks() {
  int n = shardwright::numRanks(image->plan().mesh());
  std::vector<int> cpus = usableCpus();
  int numCpus = static_cast<int>(cpus.size());
  ProcessLink* link = options.processes;
  // Processes that may use the same CPUs share them; the most ranks that one of them has.
  int sharers = link ? link->numSharers() : 1, processes = link ? link->numProcesses() : 1;
  int slots = (n + processes - 1) / processes * sharers;
  int& threads = options.threadsPerRank;
  if (threads <= 0) threads = std::max(1, numCpus / slots);
  if (link) {
    auto spread = std::make_unique<ProcessFabric>(*link, n, threads);
    others = spread.get();
    fabric = std::move(spread);
  } else {
    fabric = std::make_unique<LocalFabric>(n, threads);
  }
  int first = fabric->firstRank(), end = fabric->endRank();
  countdown->begin(end - first);
  if (options.trace) traces.resize(static_cast<size_t>(n));
  for (int rank = first; rank < end; ++rank) {
    std::unique_ptr<World> world = fabric->world(rank);
    if (options.wrapWorld) world = options.wrapWorld(std::move(world));
    world->setDeadline(options.timeout);
    // Where some cores stay free, others may want to use them, and two pinned programs would meet on the same ones.
    std::vector<int> mine;
    int slot = (link ? link->sharerIndex() * (slots / sharers) : 0) + rank - first;
    if (slots * threads == numCpus) mine.assign(cpus.begin() + slot * threads, cpus.begin() + (slot + 1) * threads);
    ranks.push_back(RankThread::start(image, std::move(world), threads, mine, countdown));
  }
  while (!countdown->waitFor(std::chrono::hours(1))) {
  }
  Status failure = fabric->failure();
  for (const auto& rank : ranks) {
    if (failure.ok()) failure = rank->loaded();
  }
  if (!failure.ok() || !others || !options.trace) return failure;
  SW_ASSIGN_OR_RETURN(clock, compareClocks(*others, *link));
  return Status();
}

Status Session::State::awaitRanks() {
  while (!countdown->waitFor(std::chrono::milliseconds(100))) {
    Status failure = fabric->failure();
    if (failure.ok() || countdown->waitFor(options.timeout)) continue;
    // A rank that is inside something endless cannot be stopped from here.
    abandoned = true;
    return failure;
  }
  Status failure = fabric->failure();
  for (const auto& rank : ranks) {
    if (failure.ok()) failure = rank->result();
  }
  return failure;
}

StatusOr<std::vector<int64_t>> Session::State::bind(const std::vector<TensorView>& tensors) const {
  std::vector<GivenTensor> given;
  for (const TensorView& tensor : tensors)
    given.push_back({tensor.data ? tensor.dtype : DType::kUndefined, tensor.dims});
  return bindSymbols(image->plan(), image->table(), given);
}

Status Session::State::checkOutputs(const std::vector<std::vector<int64_t>>& dims,
                                    const std::vector<TensorView>& given) const {
  if (given.size() != dims.size()) {
    return userError("found room for " + std::to_string(given.size()) + " outputs; the model has " +
                     std::to_string(dims.size()));
  }
  for (size_t i = 0; i < dims.size(); ++i) {
    if (given[i].dtype == outputs[i].dtype && given[i].dims == dims[i] && given[i].data) continue;
    return userError("output '" + outputs[i].name + "': found room for " + std::string(dtypeName(given[i].dtype)) +
                     " " + dimsText(given[i].dims) + "; the result is " + std::string(dtypeName(outputs[i].dtype)) +
                     " " + dimsText(dims[i]));
  }
  return Status();
}

Status Session::State::run(const std::vector<TensorView>& in, const std::vector<TensorView>& out) {
  if (!broken.ok()) return broken;
  SW_ASSIGN_OR_RETURN(symbolValues, bind(in));
  SW_ASSIGN_OR_RETURN(int entry, entryFor(image->plan(), image->table(), symbolValues));
  SW_ASSIGN_OR_RETURN(auto dims, portDims(image->plan(), image->table(), image->plan().outputs(), symbolValues, true));
  SW_RETURN_IF_ERROR(checkOutputs(dims, out));
  inputData.clear();
  outputData.clear();
  for (const TensorView& tensor : in) inputData.push_back(tensor.data);
  for (const TensorView& tensor : out) outputData.push_back(tensor.data);
  if (others && options.trace) SW_RETURN_IF_ERROR(broken = beginTogether());
  countdown->begin(static_cast<int>(ranks.size()));
  size_t first = static_cast<size_t>(fabric->firstRank());
  for (size_t r = 0; r < ranks.size(); ++r) {
    RankTrace* trace = options.trace ? &traces[first + r] : nullptr;
    ranks[r]->post({entry, &symbolValues, inputData.data(), outputData.data(), trace});
  }
  broken = awaitRanks();
  if (broken.ok() && others) broken = gather(out);
  return broken;
}

// A process that is through with a run may begin the next one while others end the last, with what needs nothing of them;
// where runs are looked at one by one, none begins before the first process does.
Status Session::State::beginTogether() {
  if (options.processes->process() > 0) return others->receiveFrom(0).status();
  for (int process = 1; process < options.processes->numProcesses(); ++process) others->sendTo(process, {});
  return Status();
}

// The first process then has all that the ranks of the others wrote and noted.
Status Session::State::gather(const std::vector<TensorView>& out) {
  stats.resize(static_cast<size_t>(shardwright::numRanks(image->plan().mesh())));
  RunResults results{&image->plan(), outputData, {}, &stats, &traces, clock.offset};
  for (const TensorView& tensor : out) {
    int64_t count = 1;
    for (int64_t dim : tensor.dims) count *= dim;
    results.outputBytes.push_back(byteSize(tensor.dtype, count));
  }
  auto failed = [&](const Status& status) {
    fabric->abort(status);
    return status;
  };
  if (options.processes->process() > 0) {
    auto packed = packResults(ranks, fabric->firstRank(), results);
    if (!packed.ok()) return failed(packed.status());
    others->sendTo(0, *packed);
    return Status();
  }
  for (int process = 1; process < options.processes->numProcesses(); ++process) {
    SW_ASSIGN_OR_RETURN(std::vector<char> packed, others->receiveFrom(process));
    Status unpacked = unpackResults(packed, results).within("process " + std::to_string(process));
    if (!unpacked.ok()) return failed(unpacked);
  }
  return Status();
}

// Outputs were made for the largest dims; they lie densely at the dims that the run found.
void Session::State::nameActualDims(std::vector<HostTensor>& tensors) const {
  const ExprTable::Symbols& bound = ranks[0]->executor()->lastSymbols();
  auto dims = portDims(image->plan(), image->table(), image->plan().outputs(), bound, true);
  for (size_t i = 0; dims.ok() && i < tensors.size(); ++i) tensors[i].dims = (*dims)[i];
}

const std::vector<PortDescription>& Session::inputs() const { return state_->inputs; }
const std::vector<PortDescription>& Session::outputs() const { return state_->outputs; }
const plan::Plan& Session::plan() const { return state_->image->plan(); }
int Session::numRanks() const { return shardwright::numRanks(plan().mesh()); }
int Session::threadsPerRank() const { return state_->options.threadsPerRank; }

StatusOr<std::vector<std::vector<int64_t>>> Session::outputDims(const std::vector<TensorView>& inputs) const {
  SW_ASSIGN_OR_RETURN(std::vector<int64_t> values, state_->bind(inputs));
  const PlanImage& image = *state_->image;
  return portDims(image.plan(), image.table(), image.plan().outputs(), values, true);
}

Status Session::run(const std::vector<TensorView>& inputs, const std::vector<TensorView>& outputs) {
  return state_->run(inputs, outputs);
}

Status Session::run(const std::vector<HostTensor>& inputs, std::vector<HostTensor>& outputs) {
  std::vector<TensorView> in, out;
  for (const HostTensor& tensor : inputs) in.push_back(TensorView::of(tensor));
  SW_ASSIGN_OR_RETURN(auto dims, outputDims(in));
  outputs.resize(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    DType dtype = state_->outputs[i].dtype;
    if (!outputs[i].bytes || outputs[i].dtype != dtype || outputs[i].dims != dims[i]) {
      outputs[i] = HostTensor::make(dtype, dims[i]);
    }
    out.push_back(TensorView::of(outputs[i]));
  }
  SW_RETURN_IF_ERROR(state_->run(in, out));
  state_->nameActualDims(outputs);
  return Status();
}

StatusOr<std::vector<HostTensor>> Session::run(const std::vector<HostTensor>& inputs) {
  std::vector<HostTensor> outputs;
  SW_RETURN_IF_ERROR(run(inputs, outputs));
  return outputs;
}

Trace Session::trace() const {
  std::vector<const RankTrace*> all;
  for (const RankTrace& rank : state_->traces) all.push_back(&rank);
  return traceOf(plan(), all, state_->clock.error);
}

void Session::clearTrace() {
  for (RankTrace& rank : state_->traces) rank.clear();
}

std::vector<RankStats> Session::stats() const {
  std::vector<RankStats> all = state_->stats;
  all.resize(static_cast<size_t>(numRanks()));
  size_t rank = static_cast<size_t>(state_->fabric->firstRank());
  for (const auto& here : state_->ranks) {
    if (!state_->abandoned && here->executor()) all[rank] = here->executor()->stats();
    ++rank;
  }
  return all;
}

}  // namespace shardwright
