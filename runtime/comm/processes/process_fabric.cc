#include "runtime/comm/processes/process_fabric.h"

#include <algorithm>
#include <map>
#include <utility>

#include "runtime/comm/processes/fabric_state.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {

class ProcessWorld final : public World {
 public:
  ProcessWorld(std::shared_ptr<FabricState> state, int rank)
      : state_(std::move(state)), rank_(rank), local_(state_->local.world(rank)) {}

  int size() const override { return state_->numRanks; }
  int rank() const override { return rank_; }

  StatusOr<std::unique_ptr<Communicator>> group(const std::vector<int>& ranks, const std::string& name) override {
    // Refuses what is no group; its communicator serves where all members are here.
    SW_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> inside, local_->group(ranks, name));
    bool allHere = std::all_of(ranks.begin(), ranks.end(), [&](int rank) { return state_->isHere(rank); });
    int occurrence = alike_[{name, ranks}]++;
    if (allHere) return inside;
    return makeMessageCommunicator(state_, ranks, inside->index(), name, occurrence, deadline_);
  }

  Status send(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) override {
    if (peer < 0 || peer >= size() || state_->isHere(peer)) return local_->send(peer, channel, block, dtype, name);
    if (state_->local.failed()) return state_->failure();
    SW_RETURN_IF_ERROR(checkMovable(dtype, name));
    int width = copyWidth(dtype);
    int64_t count = elementCount(block);
    MessagePtr message = state_->link.newMessage(count * width);
    MessageHeader& header = message->header();
    header.epoch = state_->epoch;
    header.from = rank_;
    header.to = peer;
    header.stream = channel;
    header.dtype = static_cast<int32_t>(dtype);
    header.count = count;
    packElements(block, width, 0, count, message->payload());
    state_->link.note(rank_, name);
    state_->post(std::move(message));
    return Status();
  }

  Status receive(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) override {
    if (peer < 0 || peer >= size() || state_->isHere(peer)) return local_->receive(peer, channel, block, dtype, name);
    SW_RETURN_IF_ERROR(checkMovable(dtype, name));
    ProcessLink& link = state_->link;
    MessageQueue* queue = queueOf(peer, channel);
    link.note(rank_, name);
    auto outcome = link.waitUntil([&] { return !queue->messages.empty(); }, [&] { return state_->local.failed(); },
                                  ProcessLink::Clock::now() + *deadline_);
    if (outcome == ProcessLink::Outcome::kFailed) return state_->failure();
    if (outcome == ProcessLink::Outcome::kDeadline) {
      return environmentError(name + ": waited " + std::to_string(deadline_->count()) + " ms for rank " +
                              std::to_string(peer) + ", which has sent nothing on channel " + std::to_string(channel) +
                              "; a slow rank needs a longer --timeout");
    }
    MessagePtr message = link.take(queue);
    const MessageHeader& header = message->header();
    int64_t count = elementCount(block);
    int width = copyWidth(dtype);
    if (header.dtype != static_cast<int32_t>(dtype) || header.count != count || header.bytes != count * width) {
      return internalError(name + ": from rank " + std::to_string(peer) + ": a message of " +
                           std::to_string(header.count) + " " +
                           std::string(dtypeName(static_cast<DType>(header.dtype))) + " meets a block of " +
                           std::to_string(count) + " " + std::string(dtypeName(dtype)));
    }
    unpackElements(block, width, 0, count, message->payload());
    link.recycle(std::move(message));
    return Status();
  }

  // A wait that ended because a process died somewhere behind the one waited for is to name the dead one.
  void abort(const Status& reason) override {
    Status silent = reason.code() == StatusCode::kEnvironment ? state_->link.silentProcess() : Status();
    state_->link.abort(state_->epoch,
                       silent.ok() ? reason : environmentError(silent.message() + "; noticed by " + reason.message()));
  }

  void setDeadline(std::chrono::milliseconds perWait) override {
    *deadline_ = perWait;
    local_->setDeadline(perWait);
  }

  int64_t networkBytes() const override { return state_->networkBytes[static_cast<size_t>(rank_)]; }

 private:
  Status checkMovable(DType dtype, const std::string& name) const {
    if (copyWidth(dtype) != 0) return Status();
    return internalError(name + ": elements of type " + std::string(dtypeName(dtype)) + " cannot be moved one by one");
  }

  MessageQueue* queueOf(int from, uint32_t channel) {
    auto [found, isNew] = queues_.try_emplace({from, channel}, nullptr);
    if (isNew) found->second = state_->link.queue({state_->epoch, from, rank_, channel});
    return found->second;
  }

  std::shared_ptr<FabricState> state_;
  const int rank_;
  std::unique_ptr<World> local_;
  std::shared_ptr<std::chrono::milliseconds> deadline_ =
      std::make_shared<std::chrono::milliseconds>(std::chrono::seconds(60));
  std::map<std::pair<std::string, std::vector<int>>, int> alike_;
  std::map<std::pair<int, uint32_t>, MessageQueue*> queues_;
};

namespace {

std::string rankNames(int first, int end) {
  if (first >= end) return "";
  if (end - first == 1) return "rank " + std::to_string(first);
  return "ranks " + std::to_string(first) + " to " + std::to_string(end - 1);
}

}  // namespace

ProcessFabric::ProcessFabric(ProcessLink& link, int numRanks, int threadsPerRank)
    : state_(std::make_shared<FabricState>(link, numRanks, threadsPerRank)) {
  int processes = link.numProcesses();
  link.nameRanks([numRanks, processes](int process) {
    auto first = [&](int p) { return static_cast<int>(static_cast<int64_t>(numRanks) * p / processes); };
    return rankNames(first(process), first(process + 1));
  });
}

ProcessFabric::~ProcessFabric() = default;

int ProcessFabric::firstRank() const { return state_->firstRankOf(state_->link.process()); }
int ProcessFabric::endRank() const { return state_->firstRankOf(state_->link.process() + 1); }

std::unique_ptr<World> ProcessFabric::world(int rank) { return std::make_unique<ProcessWorld>(state_, rank); }

Status ProcessFabric::failure() const { return state_->local.failure(); }

void ProcessFabric::abort(const Status& reason) { state_->link.abort(state_->epoch, reason); }

void ProcessFabric::sendTo(int process, const std::vector<char>& bytes) {
  MessagePtr message = state_->link.newMessage(static_cast<int64_t>(bytes.size()));
  message->header().epoch = state_->epoch;
  message->header().from = -1 - state_->link.process();
  message->header().to = -1 - process;
  std::copy(bytes.begin(), bytes.end(), message->payload());
  state_->link.post(process, std::move(message));
}

StatusOr<std::vector<char>> ProcessFabric::receiveFrom(int process) {
  ProcessLink& link = state_->link;
  MessageQueue* queue = link.queue({state_->epoch, -1 - process, -1 - link.process(), 0});
  auto outcome = link.waitUntil([&] { return !queue->messages.empty(); }, [&] { return state_->local.failed(); },
                                ProcessLink::Clock::time_point::max());
  if (outcome != ProcessLink::Outcome::kReady) return failure();
  MessagePtr message = link.take(queue);
  std::vector<char> bytes(message->payload(), message->payload() + message->header().bytes);
  link.recycle(std::move(message));
  return bytes;
}

}  // namespace shardwright
