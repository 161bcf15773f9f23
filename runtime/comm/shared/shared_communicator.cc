// Collectives through shared memory: start() announces, and copies what is little; wait() does the rest, round by round:
// in each, a member leaves a chunk of what it sends, combines its lane of all members' chunks of the round before, in member
// order like local/ and to the same bits, and takes the results of the round before that. Of kinds that combine nothing, it
// takes the chunks themselves.
#include <algorithm>
#include <numeric>
#include <utility>

#include "runtime/comm/operation.h"
#include "runtime/comm/shared/operation_parts.h"
#include "runtime/comm/shared/shared_group.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {
namespace {

class SharedCommunicator final : public Communicator {
 public:
  SharedCommunicator(std::unique_ptr<SharedGroup> group, int index,
                     std::shared_ptr<const std::chrono::milliseconds> deadline)
      : group_(std::move(group)),
        run_(*group_->run),
        index_(index),
        sizes_{group_->size(), index, group_->laneBytes(), SharedGroup::kChunkBytes, SharedGroup::kEagerBytes},
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

  int rankOf(int member) const { return group_->ranks[static_cast<size_t>(member)]; }
  SharedGroup::Member& mine() const { return group_->member(index_); }
  const Announcement& announced(int member) const { return group_->announcement(member, completed_); }
  // In an eager all-reduce every member gets all.
  static bool sendsWhole(const Collective& op, const Announcement& said) {
    return op.kind == CollectiveKind::kAllReduce && said.eager;
  }

  // Says what it is, and copies what it sends if that is little.
  void announce(const Collective& op, const OperationParts& parts);
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
  Status awaitSent(const Collective& op, const OperationParts& parts, int64_t round);
  Status checkSenders(const Collective& op, const OperationParts& parts) const;
  // Where what a member that is eager sends here lies.
  const char* copyFrom(const Collective& op, const OperationParts& parts, int member) const;

  Status sendChunk(const Collective& op, const OperationParts& parts, int64_t round);
  Status takeChunks(const Collective& op, const OperationParts& parts, int64_t round);
  Status combineChunks(const Collective& op, const OperationParts& parts, int64_t round);
  Status takeResults(const Collective& op, const OperationParts& parts, int64_t round);
  Status combineCopies(const Collective& op, const OperationParts& parts);
  void takeOwn(const Collective& op, const OperationParts& parts) const;
  Status performRounds(const Collective& op, const OperationParts& parts);

  std::unique_ptr<SharedGroup> group_;
  SharedRun& run_;
  const int index_;
  const OperationParts::Sizes sizes_;
  std::shared_ptr<const std::chrono::milliseconds> deadline_;
  const Collective* pending_[kMaxPending] = {};
  uint64_t started_ = 0, completed_ = 0;
  uint64_t numChunks_ = 0, numResults_ = 0;  // of all operations started
  uint64_t chunkOwners_[SharedGroup::kChunks] = {}, resultOwners_[SharedGroup::kChunks] = {};
  std::vector<const StridedBlock*> results_;
  std::vector<Contribution> sources_;  // by member
};

Status SharedCommunicator::prepare(const Collective& op) {
  SW_RETURN_IF_ERROR(checkCollective(op, size(), index_, group_->name));
  OperationParts parts(op, sizes_);
  group_->touch(index_, parts.isEager() ? parts.sentBytes() : 0,
                std::max(parts.chunksToSend(), parts.chunksToCombine()));
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
  OperationParts parts(op, sizes_);
  announce(op, parts);
  pending_[started_ % kMaxPending] = &op;
  mine().started.store(++started_);
  if (parts.chunksToSend() == 0) wakeOthers(Awaited::kForward);  // else its first chunk will
  return Status();
}

void SharedCommunicator::announce(const Collective& op, const OperationParts& parts) {
  Announcement& said = group_->announcement(index_, started_);
  said.kind = op.kind;
  said.dtype = op.dtype;
  said.combiner = op.combiner;
  said.eager = parts.isEager() ? 1 : 0;
  said.firstChunk = numChunks_;
  said.firstResult = numResults_;
  numChunks_ += static_cast<uint64_t>(parts.chunksToSend());
  numResults_ += static_cast<uint64_t>(parts.chunksToCombine());
  bool sends = op.kind != CollectiveKind::kBroadcast || index_ == 0, whole = sendsWhole(op, said);
  char* copy = group_->copy(index_, started_);
  for (int member = 0; member < (parts.isAddressed() ? size() : 1); ++member) {
    Part part;
    if (sends) part = whole ? Part{&op.sends[0], 0, elementCount(op.sends[0])} : parts.sentTo(member);
    said.counts[member] = part.count;
    if (!said.eager || (whole && member > 0) || part.count == 0) continue;
    packElements(*part.block, copyWidth(op.dtype), 0, part.count, copy);
    copy += part.count * copyWidth(op.dtype);
  }
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

Status SharedCommunicator::awaitSent(const Collective& op, const OperationParts& parts, int64_t round) {
  auto [first, last] = parts.senders();
  uint64_t enough = progressOf(completed_, round + 1);
  SW_RETURN_IF_ERROR(await(op, first, last, Awaited::kForward, [&](int member) {
    const SharedGroup::Member& from = group_->member(member);
    if (from.started.load() <= completed_) return true;
    if (announced(member).eager || round >= parts.chunksFor(parts.expectedFrom(member))) return false;
    return from.sent.load() < enough;
  }));
  return round == 0 ? checkSenders(op, parts) : Status();
}

Status SharedCommunicator::checkSenders(const Collective& op, const OperationParts& parts) const {
  auto [first, last] = parts.senders();
  for (int member = first; member < last; ++member) {
    const Announcement& said = announced(member);
    int64_t expected = sendsWhole(op, said) ? elementCount(op.recvs[0]) : parts.expectedFrom(member);
    int64_t count = said.kind == op.kind ? said.counts[parts.isAddressed() ? index_ : 0] : 0;
    SW_RETURN_IF_ERROR(checkPeer(op, group_->name, rankOf(index_), expected, rankOf(member),
                                 {said.kind, said.dtype, said.combiner, count}));
  }
  return Status();
}

const char* SharedCommunicator::copyFrom(const Collective& op, const OperationParts& parts, int member) const {
  const Announcement& said = announced(member);
  int64_t before = 0;
  if (parts.isAddressed() && !sendsWhole(op, said)) before = std::accumulate(said.counts, said.counts + index_, before);
  return group_->copy(member, completed_) + before * copyWidth(op.dtype);
}

Status SharedCommunicator::sendChunk(const Collective& op, const OperationParts& parts, int64_t round) {
  uint64_t number = announced(index_).firstChunk + static_cast<uint64_t>(round);
  SW_RETURN_IF_ERROR(awaitFree(op, chunkOwners_, number));
  chunkOwners_[number % SharedGroup::kChunks] = progressOf(completed_, round + 1);
  int width = copyWidth(op.dtype);
  char* chunk = group_->chunk(index_, number);
  auto leave = [&](int member, char* lane) {
    Part part = parts.sentTo(member);
    packElements(*part.block, width, part.begin + round * parts.laneElements(), parts.countIn(round, part.count), lane);
  };
  if (!parts.isAddressed()) leave(0, chunk);
  for (int i = 1; parts.isAddressed() && i < size(); ++i) {
    int member = (index_ + i) % size();
    leave(member, chunk + member * group_->laneBytes());
  }
  advance(&SharedGroup::Member::sent, progressOf(completed_, round + 1), Awaited::kForward);
  return Status();
}

Status SharedCommunicator::takeChunks(const Collective& op, const OperationParts& parts, int64_t round) {
  SW_RETURN_IF_ERROR(awaitSent(op, parts, round));
  auto [first, last] = parts.senders();
  int width = copyWidth(op.dtype);
  for (int i = first; i < last; ++i) {
    int member = parts.gathers() ? (index_ + i) % size() : i;  // so that members do not all read the same peer at once
    if (member == index_) continue;
    const Announcement& said = announced(member);
    const StridedBlock& into = parts.receivedFrom(member);
    if (said.eager) {
      if (round == 0) unpackElements(into, width, 0, elementCount(into), copyFrom(op, parts, member));
      continue;
    }
    const char* chunk = group_->chunk(member, said.firstChunk + static_cast<uint64_t>(round));
    if (parts.isAddressed()) chunk += index_ * group_->laneBytes();
    unpackElements(into, width, round * parts.laneElements(), parts.countIn(round, elementCount(into)), chunk);
  }
  return Status();
}

Status SharedCommunicator::combineChunks(const Collective& op, const OperationParts& parts, int64_t round) {
  SW_RETURN_IF_ERROR(awaitSent(op, parts, round));
  Part own = parts.sentTo(index_);
  int64_t begin = own.begin + round * parts.laneElements(), count = parts.countIn(round, own.count);
  if (count == 0) return Status();
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

Status SharedCommunicator::takeResults(const Collective& op, const OperationParts& parts, int64_t round) {
  int64_t from = round * parts.laneElements();
  uint64_t enough = progressOf(completed_, round + 1);
  SW_RETURN_IF_ERROR(await(op, 0, size(), Awaited::kCombined, [&](int member) {
    return parts.sentTo(member).count > from && group_->member(member).combined.load() < enough;
  }));
  for (int i = 1; i < size(); ++i) {
    int member = (index_ + i) % size();
    Part part = parts.sentTo(member);
    const char* result = group_->result(member, announced(member).firstResult + static_cast<uint64_t>(round));
    unpackElements(op.recvs[0], copyWidth(op.dtype), part.begin + from, parts.countIn(round, part.count), result);
  }
  return Status();
}

// All members' blocks are little, and lie in their copies.
Status SharedCommunicator::combineCopies(const Collective& op, const OperationParts& parts) {
  SW_RETURN_IF_ERROR(awaitSent(op, parts, 0));
  for (int member = 0; member < size(); ++member) {
    sources_[static_cast<size_t>(member)] = {nullptr, copyFrom(op, parts, member), 0};
  }
  results_[0] = &op.recvs[0];
  results_[1] = nullptr;
  return combineInOrder(op, sources_, 0, elementCount(op.recvs[0]), results_);
}

void SharedCommunicator::takeOwn(const Collective& op, const OperationParts& parts) const {
  auto [first, last] = parts.senders();
  if (parts.combines() || index_ < first || index_ >= last) return;
  copyBlock(*parts.sentTo(index_).block, parts.receivedFrom(index_), copyWidth(op.dtype));
}

Status SharedCommunicator::performRounds(const Collective& op, const OperationParts& parts) {
  int64_t toSend = parts.chunksToSend(), rounds = parts.rounds();
  int64_t lag = op.kind == CollectiveKind::kAllReduce ? 2 : 1;
  for (int64_t k = 0; k < rounds + lag; ++k) {
    if (k < toSend) SW_RETURN_IF_ERROR(sendChunk(op, parts, k));
    if (parts.combines() && k >= 1 && k - 1 < rounds) SW_RETURN_IF_ERROR(combineChunks(op, parts, k - 1));
    if (k < lag) continue;
    if (!parts.combines()) SW_RETURN_IF_ERROR(takeChunks(op, parts, k - lag));
    if (op.kind == CollectiveKind::kAllReduce) SW_RETURN_IF_ERROR(takeResults(op, parts, k - lag));
    // The last one goes with the end of the operation.
    if (k - lag + 1 < rounds)
      advance(&SharedGroup::Member::progress, progressOf(completed_, k - lag + 1), Awaited::kProgress);
  }
  return Status();
}

Status SharedCommunicator::wait() {
  if (completed_ == started_) return internalError("group " + group_->name + ": wait without a started operation");
  const Collective& op = *pending_[completed_ % kMaxPending];
  OperationParts parts(op, sizes_);
  takeOwn(op, parts);
  SW_RETURN_IF_ERROR(parts.combines() && parts.isEager() ? combineCopies(op, parts) : performRounds(op, parts));
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
