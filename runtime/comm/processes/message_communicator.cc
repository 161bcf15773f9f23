// Collectives by messages: start() sends what can be sent at once, wait() receives, combines, and sends what depends on it.
// Every element is combined in member order, so that all members, and local/, get the same bits.
#include <algorithm>
#include <utility>

#include "runtime/base/thread_pool.h"
#include "runtime/comm/combine.h"
#include "runtime/comm/operation.h"
#include "runtime/comm/processes/fabric_state.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {
namespace {

// Up to this, every member of an all-reduce combines all of it; beyond, each a slice, which it then sends to the others.
constexpr int64_t kWholeBytes = 16 * 1024;
constexpr int64_t kSliceGranule = 1024;

uint64_t streamOf(const std::string& name, const std::vector<int>& ranks, int occurrence) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  auto add = [&](uint64_t value) {
    for (int i = 0; i < 8; ++i) hash = (hash ^ (value >> (8 * i) & 255)) * 1099511628211u;
  };
  for (char c : name) add(static_cast<unsigned char>(c));
  for (int rank : ranks) add(static_cast<uint64_t>(rank) + 1000);
  add(static_cast<uint64_t>(occurrence));
  return (hash | 1ull << 63) & ~1ull;  // channels are less than that; the lowest bit is the phase's
}

class MessageCommunicator final : public Communicator {
 public:
  MessageCommunicator(std::shared_ptr<FabricState> state, std::vector<int> ranks, int index, std::string name,
                      int occurrence, std::shared_ptr<const std::chrono::milliseconds> deadline)
      : state_(std::move(state)),
        ranks_(std::move(ranks)),
        index_(index),
        name_(std::move(name)),
        deadline_(std::move(deadline)),
        stream_(streamOf(name_, ranks_, occurrence)),
        pending_(kMaxPending),
        taken_(ranks_.size()),
        results_(1) {
    for (int member = 0; member < size(); ++member) {
      for (auto phase : {kFirst, kSecond}) {
        queues_[phase].push_back(state_->link.queue({state_->epoch, rankOf(member), rankOf(index_), stream_ | phase}));
      }
    }
  }

  int size() const override { return static_cast<int>(ranks_.size()); }
  int index() const override { return index_; }
  Status prepare(const Collective& op) override { return checkCollective(op, size(), index_, name_); }
  Status start(const Collective& op) override;
  Status wait() override;

 private:
  // What start() sends, and what wait() sends: operations start before earlier ones are waited for.
  enum Phase { kFirst = 0, kSecond = 1 };

  int rankOf(int member) const { return ranks_[static_cast<size_t>(member)]; }
  bool isSliced(const Collective& op) const { return elementCount(op.recvs[0]) * copyWidth(op.dtype) > kWholeBytes; }
  Slice sliceOf(const Collective& op, int member) const {
    return threadSlice(elementCount(op.recvs[0]), member, size(), kSliceGranule);
  }

  MessagePtr newMessage(const Collective& op, Phase phase, int member, int64_t bytes) const;
  void send(const Collective& op, Phase phase, int member, const StridedBlock& block, int64_t begin,
            int64_t count) const;
  void sendAll(const Collective& op, Phase phase, const StridedBlock& block) const;
  // Waits for a message of each of the members [first, last), this one not counted, and takes them.
  Status takeAll(const Collective& op, Phase phase, int first, int last);
  // That member's message is of this operation, and of that many elements.
  Status checkTaken(const Collective& op, int member, int64_t count) const;
  Status unpackTaken(const Collective& op, int member, const StridedBlock& into, int64_t begin, int64_t count);
  Status combineTaken(const Collective& op, const StridedBlock& mine, int64_t begin, int64_t end);
  Status reduceAll(const Collective& op);
  Status permute(const Collective& op);
  Status perform(const Collective& op);

  std::shared_ptr<FabricState> state_;
  const std::vector<int> ranks_;
  const int index_;
  const std::string name_;
  std::shared_ptr<const std::chrono::milliseconds> deadline_;
  const uint64_t stream_;
  std::vector<MessageQueue*> queues_[2];  // by phase and member
  std::vector<const Collective*> pending_;
  std::vector<MessagePtr> taken_;  // by member
  std::vector<const StridedBlock*> results_;
  std::vector<Contribution> contributions_ = std::vector<Contribution>(ranks_.size());
  uint64_t started_ = 0, completed_ = 0;
};

MessagePtr MessageCommunicator::newMessage(const Collective& op, Phase phase, int member, int64_t bytes) const {
  MessagePtr message = state_->link.newMessage(bytes);
  MessageHeader& header = message->header();
  header.epoch = state_->epoch;
  header.from = rankOf(index_);
  header.to = rankOf(member);
  header.stream = stream_ | phase;
  header.code = static_cast<uint32_t>(op.kind) << 8 | static_cast<uint32_t>(op.combiner);
  header.dtype = static_cast<int32_t>(op.dtype);
  return message;
}

void MessageCommunicator::send(const Collective& op, Phase phase, int member, const StridedBlock& block, int64_t begin,
                               int64_t count) const {
  int width = copyWidth(op.dtype);
  MessagePtr message = newMessage(op, phase, member, count * width);
  message->header().count = count;
  packElements(block, width, begin, count, message->payload());
  state_->post(std::move(message));
}

void MessageCommunicator::sendAll(const Collective& op, Phase phase, const StridedBlock& block) const {
  for (int i = 1; i < size(); ++i) send(op, phase, (index_ + i) % size(), block, 0, elementCount(block));
}

Status MessageCommunicator::start(const Collective& op) {
  if (state_->local.failed()) return state_->failure();
  SW_RETURN_IF_ERROR(checkCollective(op, size(), index_, name_));
  if (started_ - completed_ >= static_cast<uint64_t>(kMaxPending)) {
    return internalError(op.name + ": more than " + std::to_string(kMaxPending) + " pending operations on group " +
                         name_);
  }
  state_->link.note(rankOf(index_), op.name);
  pending_[started_++ % kMaxPending] = &op;
  switch (op.kind) {
    case CollectiveKind::kAllReduce:
      if (!isSliced(op)) {
        sendAll(op, kFirst, op.sends[0]);
        return Status();
      }
      for (int i = 1; i < size(); ++i) {
        int member = (index_ + i) % size();
        Slice slice = sliceOf(op, member);
        send(op, kFirst, member, op.sends[0], slice.begin, slice.end - slice.begin);
      }
      return Status();
    case CollectiveKind::kAllGather:
      sendAll(op, kFirst, op.sends[0]);
      return Status();
    case CollectiveKind::kBroadcast:
      if (index_ == 0) sendAll(op, kFirst, op.sends[0]);
      return Status();
    case CollectiveKind::kReduceScatter:
    case CollectiveKind::kAllToAll:
      for (int i = 1; i < size(); ++i) {
        int member = (index_ + i) % size();
        const StridedBlock& block = op.sends[static_cast<size_t>(member)];
        send(op, kFirst, member, block, 0, elementCount(block));
      }
      return Status();
    case CollectiveKind::kPermute:
      break;
  }
  // Only its receiver knows whose block it takes: it tells every member whether it is theirs.
  for (int i = 1; i < size(); ++i) {
    int member = (index_ + i) % size();
    MessagePtr question = newMessage(op, kFirst, member, 0);
    question->header().count = member == op.peer ? 1 : 0;
    state_->post(std::move(question));
  }
  return Status();
}

Status MessageCommunicator::takeAll(const Collective& op, Phase phase, int first, int last) {
  auto missing = [&](int member) { return member != index_ && queues_[phase][static_cast<size_t>(member)]->empty(); };
  auto ready = [&] {
    for (int member = first; member < last; ++member) {
      if (missing(member)) return false;
    }
    return true;
  };
  auto failed = [&] { return state_->local.failed(); };
  auto outcome = state_->link.waitUntil(std::ref(ready), std::ref(failed), ProcessLink::Clock::now() + *deadline_);
  if (outcome == ProcessLink::Outcome::kFailed) return state_->failure();
  if (outcome == ProcessLink::Outcome::kDeadline) {
    std::string names;
    state_->link.locked([&] {
      for (int member = first; member < last; ++member) {
        if (missing(member)) names += (names.empty() ? "" : ", ") + std::to_string(rankOf(member));
      }
    });
    return environmentError(op.name + ": " + kindName(op.kind) + " over group " + name_ + " waited " +
                            std::to_string(deadline_->count()) + " ms: rank " + names +
                            " has not come to it; a slow rank needs a longer --timeout");
  }
  for (int member = first; member < last; ++member) {
    if (member != index_)
      taken_[static_cast<size_t>(member)] = state_->link.take(queues_[phase][static_cast<size_t>(member)]);
  }
  return Status();
}

Status MessageCommunicator::checkTaken(const Collective& op, int member, int64_t count) const {
  const MessageHeader& header = taken_[static_cast<size_t>(member)]->header();
  return checkPeer(op, name_, rankOf(index_), count, rankOf(member),
                   {static_cast<CollectiveKind>(header.code >> 8), static_cast<DType>(header.dtype),
                    static_cast<Combiner>(header.code & 255), header.count});
}

Status MessageCommunicator::unpackTaken(const Collective& op, int member, const StridedBlock& into, int64_t begin,
                                        int64_t count) {
  SW_RETURN_IF_ERROR(checkTaken(op, member, count));
  MessagePtr& message = taken_[static_cast<size_t>(member)];
  unpackElements(into, copyWidth(op.dtype), begin, count, message->payload());
  state_->link.recycle(std::move(message));
  return Status();
}

// The elements [begin, end) of the result; the messages hold just these.
Status MessageCommunicator::combineTaken(const Collective& op, const StridedBlock& mine, int64_t begin, int64_t end) {
  for (int member = 0; member < size(); ++member) {
    Contribution& from = contributions_[static_cast<size_t>(member)];
    from = {&mine, nullptr, 0};
    if (member == index_) continue;
    SW_RETURN_IF_ERROR(checkTaken(op, member, end - begin));
    from = {nullptr, taken_[static_cast<size_t>(member)]->payload(), begin};
  }
  results_[0] = &op.recvs[0];
  SW_RETURN_IF_ERROR(combineInOrder(op, contributions_, begin, end, results_));
  for (MessagePtr& message : taken_) {
    if (message) state_->link.recycle(std::move(message));
  }
  return Status();
}

Status MessageCommunicator::reduceAll(const Collective& op) {
  SW_RETURN_IF_ERROR(takeAll(op, kFirst, 0, size()));
  if (!isSliced(op)) return combineTaken(op, op.sends[0], 0, elementCount(op.recvs[0]));
  Slice mine = sliceOf(op, index_);
  SW_RETURN_IF_ERROR(combineTaken(op, op.sends[0], mine.begin, mine.end));
  for (int i = 1; i < size(); ++i) {
    send(op, kSecond, (index_ + i) % size(), op.recvs[0], mine.begin, mine.end - mine.begin);
  }
  SW_RETURN_IF_ERROR(takeAll(op, kSecond, 0, size()));
  for (int member = 0; member < size(); ++member) {
    Slice slice = sliceOf(op, member);
    if (member == index_) continue;
    SW_RETURN_IF_ERROR(unpackTaken(op, member, op.recvs[0], slice.begin, slice.end - slice.begin));
  }
  return Status();
}

Status MessageCommunicator::permute(const Collective& op) {
  SW_RETURN_IF_ERROR(takeAll(op, kFirst, 0, size()));
  const StridedBlock& block = op.sends[0];
  for (int member = 0; member < size(); ++member) {
    MessagePtr& question = taken_[static_cast<size_t>(member)];
    if (!question) continue;
    bool asked = question->header().count == 1;
    question->header().count = 0;
    SW_RETURN_IF_ERROR(checkTaken(op, member, 0));
    if (asked) send(op, kSecond, member, block, 0, elementCount(block));
    state_->link.recycle(std::move(question));
  }
  if (op.peer == index_) {
    copyBlock(block, op.recvs[0], copyWidth(op.dtype));
    return Status();
  }
  SW_RETURN_IF_ERROR(takeAll(op, kSecond, op.peer, op.peer + 1));
  return unpackTaken(op, op.peer, op.recvs[0], 0, elementCount(op.recvs[0]));
}

Status MessageCommunicator::perform(const Collective& op) {
  bool fromFirst = op.kind == CollectiveKind::kBroadcast;
  if (op.kind == CollectiveKind::kAllReduce) return reduceAll(op);
  if (op.kind == CollectiveKind::kPermute) return permute(op);
  SW_RETURN_IF_ERROR(takeAll(op, kFirst, 0, fromFirst ? 1 : size()));
  if (op.kind == CollectiveKind::kReduceScatter) {
    return combineTaken(op, op.sends[static_cast<size_t>(index_)], 0, elementCount(op.recvs[0]));
  }
  for (int member = 0; member < (fromFirst ? 1 : size()); ++member) {
    const StridedBlock& into = op.recvs[fromFirst ? 0 : static_cast<size_t>(member)];
    if (member == index_) {
      bool addressed = op.kind == CollectiveKind::kAllToAll;
      copyBlock(op.sends[addressed ? static_cast<size_t>(member) : 0], into, copyWidth(op.dtype));
    } else {
      SW_RETURN_IF_ERROR(unpackTaken(op, member, into, 0, elementCount(into)));
    }
  }
  return Status();
}

Status MessageCommunicator::wait() {
  if (completed_ == started_) return internalError("group " + name_ + ": wait without a started operation");
  const Collective& op = *pending_[completed_ % kMaxPending];
  SW_RETURN_IF_ERROR(perform(op));
  ++completed_;
  return Status();
}

}  // namespace

std::unique_ptr<Communicator> makeMessageCommunicator(std::shared_ptr<FabricState> state, std::vector<int> ranks,
                                                      int index, const std::string& name, int occurrence,
                                                      std::shared_ptr<const std::chrono::milliseconds> deadline) {
  return std::make_unique<MessageCommunicator>(std::move(state), std::move(ranks), index, name, occurrence,
                                               std::move(deadline));
}

}  // namespace shardwright
