// Collectives through shared memory: start() announces, and copies what is little; wait() does the rest, round by round:
// in each, a member leaves a chunk of what it sends, combines its lane of all members' chunks of the round before, in member
// order like local/ and to the same bits, and takes the results of the round before that. Of kinds that combine nothing, it
// takes the chunks themselves.
#include <algorithm>
#include <utility>

#include "runtime/base/thread_pool.h"
#include "runtime/comm/combine.h"
#include "runtime/comm/operation.h"
#include "runtime/comm/shared/shared_group.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {
namespace {

constexpr int64_t kSliceGranule = 1024;

// Elements of a block, in the order of the block.
struct Part {
  const StridedBlock* block = nullptr;
  int64_t begin = 0, count = 0;
};

class SharedCommunicator final : public Communicator {
 public:
  SharedCommunicator(std::unique_ptr<SharedGroup> group, int index,
                     std::shared_ptr<const std::chrono::milliseconds> deadline)
      : group_(std::move(group)),
        run_(*group_->run),
        index_(index),
        deadline_(std::move(deadline)),
        results_(2),
        sources_(group_->ranks.size()) {}

  int size() const override { return group_->size(); }
  int index() const override { return index_; }
  Status prepare(const Collective& op) override;
  Status start(const Collective& op) override;
  Status wait() override;

 private:
  using Announcement = SharedGroup::Announcement;
  using Counter = std::atomic<uint64_t> SharedGroup::Member::*;

  static bool combines(const Collective& op) {
    return op.kind == CollectiveKind::kAllReduce || op.kind == CollectiveKind::kReduceScatter;
  }
  // Whether each member gets a part of its own of what one sends.
  static bool isAddressed(const Collective& op) { return combines(op) || op.kind == CollectiveKind::kAllToAll; }

  int rankOf(int member) const { return group_->ranks[static_cast<size_t>(member)]; }
  SharedGroup::Member& mine() const { return group_->member(index_); }
  const Announcement& announced(int member) const { return group_->announcement(member, completed_); }
  int64_t laneElements(const Collective& op) const {
    return (isAddressed(op) ? group_->laneBytes() : SharedGroup::kChunkBytes) / copyWidth(op.dtype);
  }
  int64_t chunksFor(const Collective& op, int64_t count) const {
    return (count + laneElements(op) - 1) / laneElements(op);
  }
  Slice sliceOf(const Collective& op, int member) const {
    return threadSlice(elementCount(op.recvs[0]), member, size(), kSliceGranule);
  }
  int64_t sentBytes(const Collective& op) const;
  // What goes to that member; to any, where all get the same.
  Part sentTo(const Collective& op, int member) const;
  // How many chunks this member leaves of what it sends, and of what it combined.
  int64_t chunksToSend(const Collective& op) const;
  int64_t chunksToCombine(const Collective& op) const;
  // The members [first, last) whose blocks this one takes.
  std::pair<int, int> senders(const Collective& op) const;
  // What that member sends here.
  int64_t expectedFrom(const Collective& op, int member) const;

  // Stores a counter of this member, and wakes whoever waits for it.
  void advance(Counter counter, uint64_t value, Awaited what) const;
  void wakeOthers(Awaited what) const;
  // Waits until there is nothing that lacks(member) says of one of [first, last), this one not asked.
  template <typename Lacks>
  Status await(const Collective& op, int first, int last, Awaited what, Lacks lacks);
  Status late(const Collective& op, const std::string& names, bool haveCome) const;
  // Waits until nobody reads any more what lies where chunk or result `number` is to be.
  Status awaitFree(const Collective& op, const uint64_t (&owners)[SharedGroup::kChunks], uint64_t number);
  // Waits for round `round` of what is sent here, and looks in the first one whether the members do the same.
  Status awaitSent(const Collective& op, int64_t round);
  Status checkSenders(const Collective& op) const;

  Status sendChunk(const Collective& op, int64_t round);
  Status takeChunks(const Collective& op, int64_t round);
  Status combineChunks(const Collective& op, int64_t round);
  Status takeResults(const Collective& op, int64_t round);
  Status combineCopies(const Collective& op);
  void takeOwn(const Collective& op) const;
  Status performRounds(const Collective& op);

  std::unique_ptr<SharedGroup> group_;
  SharedRun& run_;
  const int index_;
  std::shared_ptr<const std::chrono::milliseconds> deadline_;
  const Collective* pending_[kMaxPending] = {};
  uint64_t started_ = 0, completed_ = 0;
  uint64_t numChunks_ = 0, numResults_ = 0;  // of all operations started
  uint64_t chunkOwners_[SharedGroup::kChunks] = {}, resultOwners_[SharedGroup::kChunks] = {};
  std::vector<const StridedBlock*> results_;
  std::vector<Contribution> sources_;  // by member
};

int64_t SharedCommunicator::sentBytes(const Collective& op) const {
  if (op.kind == CollectiveKind::kBroadcast && index_ != 0) return 0;
  int64_t count = 0;
  for (const StridedBlock& block : op.sends) count += elementCount(block);
  return count * copyWidth(op.dtype);
}

Part SharedCommunicator::sentTo(const Collective& op, int member) const {
  if (op.kind == CollectiveKind::kAllReduce) {
    Slice slice = sliceOf(op, member);
    return {&op.sends[0], slice.begin, slice.end - slice.begin};
  }
  const StridedBlock& block = op.sends[isAddressed(op) ? static_cast<size_t>(member) : 0];
  return {&block, 0, elementCount(block)};
}

int64_t SharedCommunicator::chunksToSend(const Collective& op) const {
  if (sentBytes(op) <= SharedGroup::kEagerBytes) return 0;
  int64_t most = 0;
  for (int member = 0; member < size(); ++member) {
    if (member != index_) most = std::max(most, chunksFor(op, sentTo(op, member).count));
  }
  return most;
}

int64_t SharedCommunicator::chunksToCombine(const Collective& op) const {
  if (op.kind != CollectiveKind::kAllReduce || sentBytes(op) <= SharedGroup::kEagerBytes) return 0;
  return chunksFor(op, sentTo(op, index_).count);
}

std::pair<int, int> SharedCommunicator::senders(const Collective& op) const {
  if (op.kind == CollectiveKind::kBroadcast) return {0, 1};
  if (op.kind == CollectiveKind::kPermute) return {op.peer, op.peer + 1};
  return {0, size()};
}

int64_t SharedCommunicator::expectedFrom(const Collective& op, int member) const {
  bool gathers = op.kind == CollectiveKind::kAllGather || op.kind == CollectiveKind::kAllToAll;
  if (op.kind == CollectiveKind::kAllReduce) return sentTo(op, index_).count;
  return elementCount(op.recvs[gathers ? static_cast<size_t>(member) : 0]);
}

Status SharedCommunicator::prepare(const Collective& op) {
  SW_RETURN_IF_ERROR(checkCollective(op, size(), index_, group_->name));
  int64_t bytes = sentBytes(op);
  bool eager = bytes <= SharedGroup::kEagerBytes;
  group_->touch(index_, eager ? bytes : 0, std::max(chunksToSend(op), chunksToCombine(op)));
  return Status();
}

void SharedCommunicator::wakeOthers(Awaited what) const {
  uint32_t awaited = awaitedOf(rankOf(index_), what);
  for (int i = 1; i < size(); ++i) run_.wake(rankOf((index_ + i) % size()), awaited);
}

void SharedCommunicator::advance(Counter counter, uint64_t value, Awaited what) const {
  (mine().*counter).store(value);
  wakeOthers(what);
}

Status SharedCommunicator::start(const Collective& op) {
  if (run_.hooks().failed()) return run_.hooks().failure();
  SW_RETURN_IF_ERROR(checkCollective(op, size(), index_, group_->name));
  if (started_ - completed_ >= static_cast<uint64_t>(kMaxPending)) {
    return internalError(op.name + ": more than " + std::to_string(kMaxPending) + " pending operations on group " +
                         group_->name);
  }
  run_.hooks().note(rankOf(index_), op.name);
  if (started_ >= SharedGroup::kRing) {
    uint64_t before = progressOf(started_ - SharedGroup::kRing + 1, 0);
    SW_RETURN_IF_ERROR(await(op, 0, size(), Awaited::kProgress,
                             [&](int member) { return group_->member(member).progress.load() < before; }));
  }
  Announcement& said = group_->announcement(index_, started_);
  said.kind = op.kind;
  said.dtype = op.dtype;
  said.combiner = op.combiner;
  said.eager = sentBytes(op) <= SharedGroup::kEagerBytes ? 1 : 0;
  said.firstChunk = numChunks_;
  said.firstResult = numResults_;
  bool sends = op.kind != CollectiveKind::kBroadcast || index_ == 0;
  bool whole = op.kind == CollectiveKind::kAllReduce && said.eager;
  char* copy = group_->copy(index_, started_);
  for (int member = 0; member < (isAddressed(op) ? size() : 1); ++member) {
    Part part = whole ? Part{&op.sends[0], 0, elementCount(op.sends[0])} : sends ? sentTo(op, member) : Part();
    said.counts[member] = part.count;
    if (!said.eager || (whole && member > 0) || part.count == 0) continue;
    packElements(*part.block, copyWidth(op.dtype), 0, part.count, copy);
    copy += part.count * copyWidth(op.dtype);
  }
  int64_t chunks = chunksToSend(op);
  numChunks_ += static_cast<uint64_t>(chunks);
  numResults_ += static_cast<uint64_t>(chunksToCombine(op));
  pending_[started_ % kMaxPending] = &op;
  mine().started.store(++started_);
  if (chunks == 0) wakeOthers(Awaited::kForward);  // else its first chunk will
  return Status();
}

template <typename Lacks>
Status SharedCommunicator::await(const Collective& op, int first, int last, Awaited what, Lacks lacks) {
  auto outcome = run_.wait(rankOf(index_), *deadline_, [&]() -> uint32_t {
    for (int member = first; member < last; ++member) {
      if (member != index_ && lacks(member)) return awaitedOf(rankOf(member), what);
    }
    return 0;
  });
  if (outcome == SharedRun::Outcome::kReady) return Status();
  if (outcome == SharedRun::Outcome::kFailed) return run_.hooks().failure();
  std::string names, absent;
  for (int member = first; member < last; ++member) {
    if (member == index_ || !lacks(member)) continue;
    bool hasCome = group_->member(member).started.load() > completed_;
    std::string& list = hasCome ? names : absent;
    list += (list.empty() ? "" : ", ") + std::to_string(rankOf(member));
  }
  return late(op, absent.empty() ? names : absent, absent.empty());
}

Status SharedCommunicator::late(const Collective& op, const std::string& names, bool haveCome) const {
  return environmentError(op.name + ": " + kindName(op.kind) + " over group " + group_->name + " waited " +
                          std::to_string(deadline_->count()) + " ms: rank " + names +
                          (haveCome ? " has not gone on with it" : " has not come to it") +
                          "; a slow rank needs a longer --timeout");
}

Status SharedCommunicator::awaitFree(const Collective& op, const uint64_t (&owners)[SharedGroup::kChunks],
                                     uint64_t number) {
  uint64_t owner = owners[number % SharedGroup::kChunks];
  return await(op, 0, size(), Awaited::kProgress,
               [&](int member) { return group_->member(member).progress.load() < owner; });
}

Status SharedCommunicator::awaitSent(const Collective& op, int64_t round) {
  auto [first, last] = senders(op);
  uint64_t enough = progressOf(completed_, round + 1);
  SW_RETURN_IF_ERROR(await(op, first, last, Awaited::kForward, [&](int member) {
    const SharedGroup::Member& from = group_->member(member);
    if (from.started.load() <= completed_) return true;
    if (announced(member).eager || round >= chunksFor(op, expectedFrom(op, member))) return false;
    return from.sent.load() < enough;
  }));
  return round == 0 ? checkSenders(op) : Status();
}

Status SharedCommunicator::checkSenders(const Collective& op) const {
  auto [first, last] = senders(op);
  for (int member = first; member < last; ++member) {
    const Announcement& said = announced(member);
    bool whole = op.kind == CollectiveKind::kAllReduce && said.eager;
    int64_t expected = whole ? elementCount(op.recvs[0]) : expectedFrom(op, member);
    int64_t count = said.kind == op.kind ? said.counts[isAddressed(op) ? index_ : 0] : 0;
    SW_RETURN_IF_ERROR(checkPeer(op, group_->name, rankOf(index_), expected, rankOf(member),
                                 {said.kind, said.dtype, said.combiner, count}));
  }
  return Status();
}

Status SharedCommunicator::sendChunk(const Collective& op, int64_t round) {
  uint64_t number = announced(index_).firstChunk + static_cast<uint64_t>(round);
  SW_RETURN_IF_ERROR(awaitFree(op, chunkOwners_, number));
  chunkOwners_[number % SharedGroup::kChunks] = progressOf(completed_, round + 1);
  int width = copyWidth(op.dtype);
  int64_t from = round * laneElements(op);
  char* chunk = group_->chunk(index_, number);
  auto leave = [&](int member, char* lane) {
    Part part = sentTo(op, member);
    int64_t count = std::min(laneElements(op), part.count - from);
    if (count > 0) packElements(*part.block, width, part.begin + from, count, lane);
  };
  if (!isAddressed(op)) leave(0, chunk);
  for (int i = 1; isAddressed(op) && i < size(); ++i) {
    int member = (index_ + i) % size();
    leave(member, chunk + member * group_->laneBytes());
  }
  advance(&SharedGroup::Member::sent, progressOf(completed_, round + 1), Awaited::kForward);
  return Status();
}

Status SharedCommunicator::takeChunks(const Collective& op, int64_t round) {
  SW_RETURN_IF_ERROR(awaitSent(op, round));
  auto [first, last] = senders(op);
  bool gathers = op.kind == CollectiveKind::kAllGather || op.kind == CollectiveKind::kAllToAll;
  int width = copyWidth(op.dtype);
  int64_t from = round * laneElements(op);
  for (int i = first; i < last; ++i) {
    int member = gathers ? (index_ + i) % size() : i;  // so that members do not all read the same peer at once
    if (member == index_) continue;
    const Announcement& said = announced(member);
    const StridedBlock& into = op.recvs[gathers ? static_cast<size_t>(member) : 0];
    int64_t count = elementCount(into) - from;
    const char* packed = group_->copy(member, completed_);
    if (said.eager) {
      for (int before = 0; isAddressed(op) && before < index_; ++before) packed += said.counts[before] * width;
      if (round > 0) continue;
    } else {
      count = std::min(laneElements(op), count);
      packed = group_->chunk(member, said.firstChunk + static_cast<uint64_t>(round));
      if (isAddressed(op)) packed += index_ * group_->laneBytes();
    }
    if (count > 0) unpackElements(into, width, from, count, packed);
  }
  return Status();
}

Status SharedCommunicator::combineChunks(const Collective& op, int64_t round) {
  SW_RETURN_IF_ERROR(awaitSent(op, round));
  Part own = sentTo(op, index_);
  int64_t from = round * laneElements(op), count = std::min(laneElements(op), own.count - from);
  if (count <= 0) return Status();
  int64_t begin = own.begin + from;
  for (int member = 0; member < size(); ++member) {
    Contribution& source = sources_[static_cast<size_t>(member)];
    source = {own.block, nullptr, 0};
    if (member == index_) continue;
    const char* chunk = group_->chunk(member, announced(member).firstChunk + static_cast<uint64_t>(round));
    source = {nullptr, chunk + index_ * group_->laneBytes(), begin};
  }
  results_[0] = &op.recvs[0];
  results_[1] = nullptr;
  if (op.kind != CollectiveKind::kAllReduce) return combineInOrder(op, sources_, begin, begin + count, results_);
  uint64_t number = announced(index_).firstResult + static_cast<uint64_t>(round);
  SW_RETURN_IF_ERROR(awaitFree(op, resultOwners_, number));
  resultOwners_[number % SharedGroup::kChunks] = progressOf(completed_, round + 1);
  // Element `begin` is the first one there.
  StridedBlock left;
  left.rank = 1;
  left.dims[0] = begin + count;
  left.strides[0] = 1;
  left.data = group_->result(index_, number) - begin * copyWidth(op.dtype);
  results_[1] = &left;
  SW_RETURN_IF_ERROR(combineInOrder(op, sources_, begin, begin + count, results_));
  advance(&SharedGroup::Member::combined, progressOf(completed_, round + 1), Awaited::kCombined);
  return Status();
}

Status SharedCommunicator::takeResults(const Collective& op, int64_t round) {
  int64_t from = round * laneElements(op);
  uint64_t enough = progressOf(completed_, round + 1);
  SW_RETURN_IF_ERROR(await(op, 0, size(), Awaited::kCombined, [&](int member) {
    return sentTo(op, member).count > from && group_->member(member).combined.load() < enough;
  }));
  for (int i = 1; i < size(); ++i) {
    int member = (index_ + i) % size();
    Part part = sentTo(op, member);
    int64_t count = std::min(laneElements(op), part.count - from);
    if (count <= 0) continue;
    const char* result = group_->result(member, announced(member).firstResult + static_cast<uint64_t>(round));
    unpackElements(op.recvs[0], copyWidth(op.dtype), part.begin + from, count, result);
  }
  return Status();
}

// All members' blocks are little, and lie in their copies.
Status SharedCommunicator::combineCopies(const Collective& op) {
  SW_RETURN_IF_ERROR(awaitSent(op, 0));
  bool scatters = op.kind == CollectiveKind::kReduceScatter;
  for (int member = 0; member < size(); ++member) {
    const Announcement& said = announced(member);
    const char* packed = group_->copy(member, completed_);
    for (int before = 0; scatters && before < index_; ++before) packed += said.counts[before] * copyWidth(op.dtype);
    sources_[static_cast<size_t>(member)] = {nullptr, packed, 0};
  }
  results_[0] = &op.recvs[0];
  results_[1] = nullptr;
  return combineInOrder(op, sources_, 0, elementCount(op.recvs[0]), results_);
}

void SharedCommunicator::takeOwn(const Collective& op) const {
  auto [first, last] = senders(op);
  if (combines(op) || index_ < first || index_ >= last) return;
  bool gathers = op.kind == CollectiveKind::kAllGather || op.kind == CollectiveKind::kAllToAll;
  const StridedBlock& into = op.recvs[gathers ? static_cast<size_t>(index_) : 0];
  copyBlock(*sentTo(op, index_).block, into, copyWidth(op.dtype));
}

Status SharedCommunicator::performRounds(const Collective& op) {
  int64_t toSend = chunksToSend(op), rounds = toSend;
  auto [first, last] = senders(op);
  for (int member = first; member < last; ++member) {
    if (member != index_) rounds = std::max({rounds, chunksFor(op, expectedFrom(op, member)), int64_t{1}});
  }
  rounds = std::max(rounds, chunksToCombine(op));
  int64_t lag = op.kind == CollectiveKind::kAllReduce ? 2 : 1;
  for (int64_t k = 0; k < rounds + lag; ++k) {
    if (k < toSend) SW_RETURN_IF_ERROR(sendChunk(op, k));
    if (combines(op) && k >= 1 && k - 1 < rounds) SW_RETURN_IF_ERROR(combineChunks(op, k - 1));
    if (k < lag) continue;
    if (!combines(op)) SW_RETURN_IF_ERROR(takeChunks(op, k - lag));
    if (op.kind == CollectiveKind::kAllReduce) SW_RETURN_IF_ERROR(takeResults(op, k - lag));
    // The last one goes with the end of the operation.
    if (k - lag + 1 < rounds)
      advance(&SharedGroup::Member::progress, progressOf(completed_, k - lag + 1), Awaited::kProgress);
  }
  return Status();
}

Status SharedCommunicator::wait() {
  if (completed_ == started_) return internalError("group " + group_->name + ": wait without a started operation");
  const Collective& op = *pending_[completed_ % kMaxPending];
  takeOwn(op);
  if (combines(op) && announced(index_).eager) {
    SW_RETURN_IF_ERROR(combineCopies(op));
  } else {
    SW_RETURN_IF_ERROR(performRounds(op));
  }
  advance(&SharedGroup::Member::progress, progressOf(completed_ + 1, 0), Awaited::kProgress);
  ++completed_;
  return Status();
}

}  // namespace

std::unique_ptr<Communicator> makeSharedCommunicator(std::unique_ptr<SharedGroup> group, int index,
                                                     std::shared_ptr<const std::chrono::milliseconds> deadline) {
  return std::make_unique<SharedCommunicator>(std::move(group), index, std::move(deadline));
}

}  // namespace shardwright
