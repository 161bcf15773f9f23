#include "runtime/comm/processes/process_fabric.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "runtime/comm/operation.h"
#include "runtime/comm/processes/fabric_state.h"
#include "runtime/comm/shared/shared_group.h"
#include "runtime/comm/shared/shared_mailbox.h"
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
    if (std::all_of(ranks.begin(), ranks.end(), [&](int rank) { return state_->sharesMemory(rank); })) {
      // The run's hooks are the state's, which is to live as long.
      auto group = SharedGroup::find({state_, state_->shared.get()}, ranks, name, occurrence);
      if (!group) return environmentError("group " + name + ": no shared memory is left for it");
      return makeSharedCommunicator(std::move(group), inside->index(), deadline_);
    }
    return makeMessageCommunicator(state_, ranks, inside->index(), name, occurrence, deadline_);
  }

  Status send(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) override {
    if (peer < 0 || peer >= size() || state_->isHere(peer)) return local_->send(peer, channel, block, dtype, name);
    if (state_->local.failed()) return state_->failure();
    SW_RETURN_IF_ERROR(checkMovable(dtype, name));
    int width = copyWidth(dtype);
    int64_t count = elementCount(block);
    if (state_->sharesMemory(peer)) {
      SW_ASSIGN_OR_RETURN(SharedMailbox * box, mailbox(rank_, peer, channel));
      state_->link.note(rank_, name);
      Status sent = box->put(block, dtype, width);
      state_->shared->wake(peer, awaitedOf(rank_, Awaited::kMessage));
      return sent.ok() ? sent : sent.within(name + ": to rank " + std::to_string(peer));
    }
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
    link.note(rank_, name);
    if (state_->sharesMemory(peer)) return receiveShared(peer, channel, block, dtype, name);
    MessageQueue* queue = queueOf(peer, channel);
    auto outcome = link.waitUntil([&] { return !queue->empty(); }, [&] { return state_->local.failed(); },
                                  ProcessLink::Clock::now() + *deadline_);
    if (outcome == ProcessLink::Outcome::kFailed) return state_->failure();
    if (outcome == ProcessLink::Outcome::kDeadline) return late(peer, channel, name);
    MessagePtr message = link.take(queue);
    const MessageHeader& header = message->header();
    Status fits = checkMessage(block, dtype, header.count, static_cast<DType>(header.dtype));
    if (!fits.ok()) return fits.within(name + ": from rank " + std::to_string(peer));
    unpackElements(block, copyWidth(dtype), 0, header.count, message->payload());
    link.recycle(std::move(message));
    return Status();
  }

  void abort(const Status& reason) override { state_->link.abort(state_->epoch, reason); }

  void setDeadline(std::chrono::milliseconds perWait) override {
    *deadline_ = perWait;
    local_->setDeadline(perWait);
  }
  void expectMessages(int atOnce) override { local_->expectMessages(atOnce); }

  int64_t messageBytes() const override { return state_->messageBytes[static_cast<size_t>(rank_)]; }

 private:
  Status receiveShared(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) {
    SW_ASSIGN_OR_RETURN(SharedMailbox * box, mailbox(peer, rank_, channel));
    auto outcome =
        state_->shared->wait(rank_, *deadline_, [&] { return box->empty() ? awaitedOf(peer, Awaited::kMessage) : 0; });
    if (outcome == SharedRun::Outcome::kFailed) return state_->failure();
    if (outcome == SharedRun::Outcome::kDeadline) return late(peer, channel, name);
    Status taken = box->take(block, dtype, copyWidth(dtype));
    return taken.ok() ? taken : taken.within(name + ": from rank " + std::to_string(peer));
  }

  Status late(int peer, uint32_t channel, const std::string& name) const {
    return environmentError(name + ": waited " + std::to_string(deadline_->count()) + " ms for rank " +
                            std::to_string(peer) + ", which has sent nothing on channel " + std::to_string(channel) +
                            "; a slow rank needs a longer --timeout");
  }

  StatusOr<SharedMailbox*> mailbox(int from, int to, uint32_t channel) {
    SharedMailbox& box = boxes_[{from, to, channel}];
    if (box.isOpen() || box.open(state_->shared->region(), from, to, channel)) return &box;
    return environmentError("no shared memory is left for the messages of rank " + std::to_string(from) + " to rank " +
                            std::to_string(to));
  }

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
  std::map<std::tuple<int, int, uint32_t>, SharedMailbox> boxes_;
};

namespace {

std::string rankNames(int first, int end) {
  if (first >= end) return "";
  if (end - first == 1) return "rank " + std::to_string(first);
  return "ranks " + std::to_string(first) + " to " + std::to_string(end - 1);
}

}  // namespace

ProcessFabric::ProcessFabric(ProcessLink& link, int numRanks, int threadsPerRank,
                             const std::function<bool(int process)>& mayShare)
    : state_(std::make_shared<FabricState>(link, numRanks, threadsPerRank, mayShare)) {
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
  auto outcome = link.waitUntil([&] { return !queue->empty(); }, [&] { return state_->local.failed(); },
                                ProcessLink::Clock::time_point::max());
  if (outcome != ProcessLink::Outcome::kReady) return failure();
  MessagePtr message = link.take(queue);
  std::vector<char> bytes(message->payload(), message->payload() + message->header().bytes);
  link.recycle(std::move(message));
  return bytes;
}

}  // namespace shardwright
