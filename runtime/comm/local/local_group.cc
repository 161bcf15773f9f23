#include "runtime/comm/local/local_group.h"

#include <algorithm>

#include "runtime/base/thread_pool.h"
#include "runtime/comm/combine.h"
#include "runtime/comm/operation.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {
namespace {

constexpr int64_t kSliceGranule = 1024;  // members' slices of an all-reduce do not share cache lines

// What one member sends to another, as the other reads it: through the operation's own block or, if eager, from its packed
// copy.
struct Source {
  Contribution from;
  int64_t count = 0;
};

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<LocalGroup> group, int index,
                    std::shared_ptr<const std::chrono::milliseconds> deadline)
      : group_(std::move(group)), index_(index), deadline_(std::move(deadline)) {}

  int size() const override { return group_->size(); }
  int index() const override { return index_; }

  Status prepare(const Collective& collective) override { return check(collective); }
  Status start(const Collective& collective) override;
  Status wait() override;

 private:
  using Slot = LocalGroup::Slot;

  Status check(const Collective& op) const { return checkCollective(op, size(), index_, group_->name); }
  // A broadcast's other members may say what they would send, and do not.
  size_t numSends(const Collective& op) const {
    return op.kind == CollectiveKind::kBroadcast && index_ != 0 ? 0 : op.sends.size();
  }
  bool fitsEager(const Collective& op) const;
  void publish(const Collective& op, Slot& slot) const;
  void wakePeers() const;

  // Waits until `counter` of every member in [first, last) is more than `number`.
  Status await(std::atomic<uint64_t> LocalGroup::Member::* counter, int first, int last, uint64_t number,
               const Collective& op, const char* missing);

  const Slot& slotOf(int member) const {
    return group_->members[static_cast<size_t>(member)].slots[completed_ % LocalGroup::kRing];
  }
  // What `member` sends to this one, or an error if the two do not fit together.
  StatusOr<Source> sourceFrom(int member, const StridedBlock& expected, const Collective& op) const;
  Status receive(int member, const StridedBlock& into, const Collective& op) const;
  Status perform(const Collective& op, bool eager);
  // Fills sources_ with what every member sends here.
  Status findSources(const StridedBlock& expected, const Collective& op);
  Status reduceAll(const Collective& op, bool eager);

  std::shared_ptr<LocalGroup> group_;
  const int index_;
  std::shared_ptr<const std::chrono::milliseconds> deadline_;
  uint64_t started_ = 0, completed_ = 0;
  std::vector<const StridedBlock*> results_ = std::vector<const StridedBlock*>(group_->ranks.size());
  std::vector<Contribution> sources_ = std::vector<Contribution>(group_->ranks.size());
};

bool LocalCommunicator::fitsEager(const Collective& op) const {
  int64_t count = 0;
  for (size_t i = 0; i < numSends(op); ++i) count += elementCount(op.sends[i]);
  return count * copyWidth(op.dtype) <= LocalGroup::kEagerBytes;
}

void LocalCommunicator::publish(const Collective& op, Slot& slot) const {
  slot.operation = &op;
  slot.kind = op.kind;
  slot.dtype = op.dtype;
  slot.combiner = op.combiner;
  slot.eager = fitsEager(op);
  if (!slot.eager) return;
  int width = copyWidth(op.dtype);
  int64_t offset = 0;
  for (size_t i = 0; i < numSends(op); ++i) {
    slot.offsets[i] = offset;
    int64_t count = elementCount(op.sends[i]);
    packElements(op.sends[i], width, 0, count, slot.copy + offset);
    offset += count * width;
  }
  for (size_t i = numSends(op); i < slot.offsets.size(); ++i) slot.offsets[i] = offset;
}

void LocalCommunicator::wakePeers() const {
  for (int rank : group_->ranks) group_->run->waiter(rank).wake();
}

Status LocalCommunicator::start(const Collective& op) {
  if (group_->run->failed()) return group_->run->failure();
  SW_RETURN_IF_ERROR(check(op));
  if (started_ - completed_ >= static_cast<uint64_t>(kMaxPending)) {
    return internalError(op.name + ": more than " + std::to_string(kMaxPending) + " pending operations on group " +
                         group_->name);
  }
  if (started_ >= static_cast<uint64_t>(LocalGroup::kRing)) {
    SW_RETURN_IF_ERROR(await(&LocalGroup::Member::finished, 0, size(), started_ - LocalGroup::kRing, op,
                             "has not finished an earlier operation"));
  }
  LocalGroup::Member& mine = group_->members[static_cast<size_t>(index_)];
  publish(op, mine.slots[started_ % LocalGroup::kRing]);
  mine.started.store(++started_);
  wakePeers();
  return Status();
}

Status LocalCommunicator::await(std::atomic<uint64_t> LocalGroup::Member::* counter, int first, int last,
                                uint64_t number, const Collective& op, const char* missing) {
  auto late = [&](int member) { return (group_->members[static_cast<size_t>(member)].*counter).load() <= number; };
  auto outcome = group_->run->wait(group_->ranks[static_cast<size_t>(index_)], *deadline_, [&] {
    for (int member = first; member < last; ++member) {
      if (late(member)) return false;
    }
    return true;
  });
  if (outcome == RunState::Outcome::kReady) return Status();
  if (outcome == RunState::Outcome::kFailed) return group_->run->failure();
  std::string names;
  for (int member = first; member < last; ++member) {
    if (!late(member)) continue;
    names += (names.empty() ? "" : ", ") + std::to_string(group_->ranks[static_cast<size_t>(member)]);
  }
  return environmentError(op.name + ": " + kindName(op.kind) + " over group " + group_->name + " waited " +
                          std::to_string(deadline_->count()) + " ms: rank " + names + " " + missing +
                          "; a slow rank needs a longer --timeout");
}

StatusOr<Source> LocalCommunicator::sourceFrom(int member, const StridedBlock& expected, const Collective& op) const {
  const Slot& slot = slotOf(member);
  const std::vector<int>& ranks = group_->ranks;
  bool addressed = op.kind == CollectiveKind::kReduceScatter || op.kind == CollectiveKind::kAllToAll;
  Source source;
  size_t block = static_cast<size_t>(addressed ? index_ : 0);
  if (slot.kind != op.kind) {
    source.count = -1;  // blocks of another meaning
  } else if (slot.eager) {
    source.from.packed = slot.copy + slot.offsets[block];
    source.count = (slot.offsets[block + 1] - slot.offsets[block]) / copyWidth(op.dtype);
  } else {
    source.from.block = &slot.operation->sends[block];
    source.count = elementCount(*source.from.block);
  }
  SW_RETURN_IF_ERROR(checkPeer(op, group_->name, ranks[static_cast<size_t>(index_)], elementCount(expected),
                               ranks[static_cast<size_t>(member)],
                               {slot.kind, slot.dtype, slot.combiner, source.count}));
  return source;
}

Status LocalCommunicator::receive(int member, const StridedBlock& into, const Collective& op) const {
  int width = copyWidth(op.dtype);
  SW_ASSIGN_OR_RETURN(Source source, sourceFrom(member, into, op));
  if (source.from.block) {
    copyBlock(*source.from.block, into, width);
  } else {
    unpackElements(into, width, 0, source.count, source.from.packed);
  }
  return Status();
}

Status LocalCommunicator::findSources(const StridedBlock& expected, const Collective& op) {
  for (int member = 0; member < size(); ++member) {
    SW_ASSIGN_OR_RETURN(Source source, sourceFrom(member, expected, op));
    sources_[static_cast<size_t>(member)] = source.from;
  }
  return Status();
}

Status LocalCommunicator::reduceAll(const Collective& op, bool eager) {
  const StridedBlock& mine = op.recvs[0];
  int64_t count = elementCount(mine);
  SW_RETURN_IF_ERROR(findSources(mine, op));
  std::fill(results_.begin(), results_.end(), nullptr);
  if (eager) {
    results_[0] = &mine;
    return combineInOrder(op, sources_, 0, count, results_);
  }
  // Blocks of one size are all eager or all not, so that every member's operation may be looked at.
  for (int member = 0; member < size(); ++member) {
    results_[static_cast<size_t>(member)] = &slotOf(member).operation->recvs[0];
  }
  Slice slice = threadSlice(count, index_, size(), kSliceGranule);
  return combineInOrder(op, sources_, slice.begin, slice.end, results_);
}

Status LocalCommunicator::perform(const Collective& op, bool eager) {
  switch (op.kind) {
    case CollectiveKind::kAllReduce:
      return reduceAll(op, eager);
    case CollectiveKind::kReduceScatter:
      SW_RETURN_IF_ERROR(findSources(op.recvs[0], op));
      std::fill(results_.begin(), results_.end(), nullptr);
      results_[0] = &op.recvs[0];
      return combineInOrder(op, sources_, 0, elementCount(op.recvs[0]), results_);
    case CollectiveKind::kAllGather:
    case CollectiveKind::kAllToAll:
      for (int i = 0; i < size(); ++i) {
        int member = (index_ + i) % size();  // so that members do not all read the same peer at once
        SW_RETURN_IF_ERROR(receive(member, op.recvs[static_cast<size_t>(member)], op));
      }
      return Status();
    case CollectiveKind::kBroadcast:
      return receive(0, op.recvs[0], op);
    case CollectiveKind::kPermute:
      break;
  }
  return receive(op.peer, op.recvs[0], op);
}

Status LocalCommunicator::wait() {
  if (completed_ == started_) return internalError("group " + group_->name + ": wait without a started operation");
  const Slot& slot = slotOf(index_);
  const Collective& op = *slot.operation;
  bool eager = slot.eager;
  int first = 0, last = size();
  if (op.kind == CollectiveKind::kBroadcast) last = 1;
  if (op.kind == CollectiveKind::kPermute) first = op.peer, last = op.peer + 1;
  SW_RETURN_IF_ERROR(await(&LocalGroup::Member::started, first, last, completed_, op, "has not come to it"));
  SW_RETURN_IF_ERROR(perform(op, eager));
  group_->members[static_cast<size_t>(index_)].finished.store(completed_ + 1);
  wakePeers();
  if (!eager) {
    SW_RETURN_IF_ERROR(await(&LocalGroup::Member::finished, 0, size(), completed_, op, "has not finished it"));
  }
  ++completed_;
  return Status();
}

}  // namespace

LocalGroup::LocalGroup(std::shared_ptr<RunState> state, std::vector<int> members_, std::string groupName)
    : run(std::move(state)), ranks(std::move(members_)), name(std::move(groupName)), members(ranks.size()) {
  for (Member& member : members) {
    member.ring.reset(new char[kRing * kEagerBytes]);
    for (int i = 0; i < kRing; ++i) {
      member.slots[i].copy = member.ring.get() + i * kEagerBytes;
      member.slots[i].offsets.resize(ranks.size() + 1);
    }
  }
}

std::unique_ptr<Communicator> makeLocalCommunicator(std::shared_ptr<LocalGroup> group, int index,
                                                    std::shared_ptr<const std::chrono::milliseconds> deadline) {
  return std::make_unique<LocalCommunicator>(std::move(group), index, std::move(deadline));
}

}  // namespace shardwright
