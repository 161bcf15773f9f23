#include "runtime/comm/local/local_fabric.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

#include "runtime/comm/local/local_group.h"
#include "runtime/comm/local/mailbox.h"
#include "runtime/comm/local/run_state.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {
namespace {

// About 50 µs where every thread has a core: longer than a wake-up costs. Else the core is needed by the one waited for.
int spinsFor(int numRanks, int threadsPerRank) {
  unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  return static_cast<unsigned>(numRanks) * static_cast<unsigned>(std::max(1, threadsPerRank)) <= cores ? 2000 : 64;
}

}  // namespace

struct LocalFabric::State {
  State(int numRanks, int spins) : run(std::make_shared<RunState>(numRanks, spins)) {}

  using GroupKey = std::tuple<std::string, std::vector<int>, int>;  // name, ranks, how many alike came before
  using BoxKey = std::tuple<int, int, uint32_t>;                    // from, to, channel

  std::shared_ptr<LocalGroup> group(GroupKey key) {
    std::lock_guard<std::mutex> lock(mutex);
    std::shared_ptr<LocalGroup>& group = groups[key];
    if (!group) group = std::make_shared<LocalGroup>(run, std::get<1>(key), std::get<0>(key));
    return group;
  }

  Mailbox& mailbox(BoxKey key) {
    std::lock_guard<std::mutex> lock(mutex);
    return mailboxes[key];
  }

  std::shared_ptr<RunState> run;
  std::mutex mutex;
  std::map<GroupKey, std::shared_ptr<LocalGroup>> groups;
  std::map<BoxKey, Mailbox> mailboxes;
};

class LocalWorld final : public World {
 public:
  LocalWorld(std::shared_ptr<LocalFabric::State> state, int rank) : state_(std::move(state)), rank_(rank) {}

  int size() const override { return state_->run->size(); }
  int rank() const override { return rank_; }

  StatusOr<std::unique_ptr<Communicator>> group(const std::vector<int>& ranks, const std::string& name) override {
    auto mine = std::find(ranks.begin(), ranks.end(), rank_);
    if (mine == ranks.end()) {
      return internalError("rank " + std::to_string(rank_) + " asks for group " + name + ", of which it is no member");
    }
    std::vector<int> sorted = ranks;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end() || sorted.front() < 0 ||
        sorted.back() >= size()) {
      return internalError("group " + name + " names a rank twice, or one that is not in 0 … " +
                           std::to_string(size() - 1));
    }
    int occurrence = alike_[{name, ranks}]++;
    return makeLocalCommunicator(state_->group({name, ranks, occurrence}), static_cast<int>(mine - ranks.begin()),
                                 deadline_);
  }

  Status send(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) override {
    if (state_->run->failed()) return state_->run->failure();
    SW_RETURN_IF_ERROR(checkMessage(peer, dtype, name));
    mailbox(rank_, peer, channel).put(block, dtype, copyWidth(dtype), messagesAtOnce_);
    state_->run->waiter(peer).wake();
    return Status();
  }

  Status receive(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) override {
    SW_RETURN_IF_ERROR(checkMessage(peer, dtype, name));
    Mailbox& box = mailbox(peer, rank_, channel);
    auto outcome = state_->run->wait(rank_, *deadline_, [&] { return !box.empty(); });
    if (outcome == RunState::Outcome::kFailed) return state_->run->failure();
    if (outcome == RunState::Outcome::kDeadline) {
      return environmentError(name + ": waited " + std::to_string(deadline_->count()) + " ms for rank " +
                              std::to_string(peer) + ", which has sent nothing on channel " + std::to_string(channel) +
                              "; a slow rank needs a longer --timeout");
    }
    Status taken = box.take(block, dtype, copyWidth(dtype));
    return taken.ok() ? taken : taken.within(name + ": from rank " + std::to_string(peer));
  }

  void abort(const Status& reason) override { state_->run->abort(reason); }
  void setDeadline(std::chrono::milliseconds perWait) override { *deadline_ = perWait; }
  void expectMessages(int atOnce) override { messagesAtOnce_ = atOnce; }

 private:
  Status checkMessage(int peer, DType dtype, const std::string& name) const {
    if (peer < 0 || peer >= size()) {
      return internalError(name + ": rank " + std::to_string(rank_) + " cannot exchange with rank " +
                           std::to_string(peer) + " of " + std::to_string(size()));
    }
    if (copyWidth(dtype) == 0) {
      return internalError(name + ": elements of type " + std::string(dtypeName(dtype)) +
                           " cannot be moved one by one");
    }
    return Status();
  }

  // Found once, then kept, so that a step takes no lock that another pair of ranks holds.
  Mailbox& mailbox(int from, int to, uint32_t channel) {
    LocalFabric::State::BoxKey key{from, to, channel};
    auto found = boxes_.find(key);
    if (found == boxes_.end()) found = boxes_.emplace(key, &state_->mailbox(key)).first;
    return *found->second;
  }

  std::shared_ptr<LocalFabric::State> state_;
  const int rank_;
  int messagesAtOnce_ = 1;
  std::shared_ptr<std::chrono::milliseconds> deadline_ =
      std::make_shared<std::chrono::milliseconds>(std::chrono::seconds(60));
  std::map<std::pair<std::string, std::vector<int>>, int> alike_;
  std::map<LocalFabric::State::BoxKey, Mailbox*> boxes_;
};

LocalFabric::LocalFabric(int numRanks, int threadsPerRank)
    : state_(std::make_shared<State>(numRanks, spinsFor(numRanks, threadsPerRank))) {}
LocalFabric::~LocalFabric() = default;

std::unique_ptr<World> LocalFabric::world(int rank) { return std::make_unique<LocalWorld>(state_, rank); }

int LocalFabric::endRank() const { return state_->run->size(); }

bool LocalFabric::failed() const { return state_->run->failed(); }

Status LocalFabric::failure() const { return state_->run->reason(); }

void LocalFabric::abort(const Status& reason) { state_->run->abort(reason); }

}  // namespace shardwright
