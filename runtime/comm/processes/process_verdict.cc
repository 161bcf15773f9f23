// Who is dead, and what all end with.
#include <unistd.h>

#include <algorithm>

#include "runtime/comm/processes/process_life.h"

namespace shardwright {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// After SIGTERM: how long to see who has died, and how long a silence tells it then. Launchers give a second in all. The
// others leave it to the first process to say.
constexpr milliseconds kLastLook{400}, kOthersLastLook{700}, kTellingSilence{400};
// How long a process waits, that has not met the first one, for that one to say why the job fails.
constexpr milliseconds kFirstSays{1000};
// How much longer than the others a call of MPI may take that waits for one of them, who is to be named instead.
constexpr milliseconds kCallSlack{100}, kOthersCallSlack{200};

std::string listed(const std::vector<int>& processes) {
  std::string text;
  for (int process : processes) text += (text.empty() ? "" : ", ") + std::to_string(process);
  return text;
}

}  // namespace

// Who was stopped itself cannot say who is silent; the timeout after its last beat, the others have said that it is, and
// ended, if they were not stopped with it.
void ProcessLife::noticeOwnStop(Clock::time_point now) {
  if (now - lastLook_ > kLeastTimeout / 2) {
    for (Peer& peer : peers_) peer.heard = now;
  }
  lastLook_ = now;
  auto gap = now - lastBeat_;
  if (gap < timeout_ || failed_) return;
  woken_ = now;
  lastBeat_ = now - beatEvery_;
  if (!isFirst()) return;  // which then says so, or is gone, or was stopped too
  for (Peer& peer : peers_) {
    if (!peer.isMet()) continue;
    for (const LifeFrame& frame : peer.stream->receive()) {
      peer.left = peer.left || frame.word == LifeWord::kBye;
      wasGivenUp_ = wasGivenUp_ || (frame.word == LifeWord::kFail && frame.dead == job_.process);
    }
    wasGivenUp_ = wasGivenUp_ || peer.left || !peer.stream->isOpen();
  }
  if (ended_) return;  // all was done before
  decide(
      0,
      environmentError("process " + std::to_string(job_.process) + " on " + hostName() + " was stopped for " +
                       std::to_string(duration_cast<milliseconds>(gap).count()) + " ms, longer than the timeout of " +
                       std::to_string(timeout_.count()) + " ms; one that is to outlast that needs a longer --timeout"),
      -1);
}

void ProcessLife::judge(Clock::time_point now) {
  for (int p = 0; p < job_.numProcesses; ++p) {
    if (peers_[static_cast<size_t>(p)].isGone()) return decide(0, death(p, now), p);
  }
  int silent = mostSilent(now, timeout_);
  if (silent >= 0) return decide(0, death(silent, now), silent);
  judgeStart(now);
  if (failed_) return;
  int64_t began = callBegan_;
  if (began != 0 &&
      now - Clock::time_point(Clock::duration(began)) > timeout_ + (isFirst() ? kCallSlack : kOthersCallSlack) &&
      proposed_.ok()) {
    Status reason =
        environmentError("process " + std::to_string(job_.process) + " on " + hostName() +
                         ": a call of MPI has not returned for " + std::to_string(timeout_.count()) + " ms; " +
                         (notMet().empty() ? "" : "process " + listed(notMet()) + " was not heard of; ") +
                         "where other processes are only slow, use a longer --timeout");
    if (isFirst()) return decide(0, reason, -1);
    proposed_ = reason;
    proposedAt_ = now;
    if (peers_[0].isMet())
      peers_[0].stream->send(
          {LifeWord::kFail, job_.process, -1, static_cast<uint32_t>(reason.code()), 0, reason.message()});
  }
  // Without the first process there is nobody to decide; it may be about to, on another host.
  if (!proposed_.ok() && !peers_[0].isMet() && now - proposedAt_ > kFirstSays) return decide(0, proposed_, -1);
  if (terminatedAt_ != Clock::time_point()) judgeTermination(now);
}

// Launchers end a job when one of its processes has ended badly, or because they were asked to.
void ProcessLife::judgeTermination(Clock::time_point now) {
  if (now - terminatedAt_ < (isFirst() ? kLastLook : kOthersLastLook)) return;
  std::vector<int> missing = notMet();
  if (!missing.empty()) {
    return decide(0,
                  environmentError("the launcher ended the job before process " + listed(missing) + " of " +
                                   std::to_string(job_.numProcesses) + " was heard of"),
                  isFindable() ? missing[0] : -1);
  }
  int silent = mostSilent(now, tellingSilence());
  decide(0, silent >= 0 ? death(silent, now) : environmentError("ended from outside by SIGTERM"), silent);
}

milliseconds ProcessLife::tellingSilence() const { return kTellingSilence + 2 * beatEvery_; }

std::vector<int> ProcessLife::notMet() const {
  std::vector<int> missing;
  for (int p = isFirst() ? 1 : 0; p < (isFirst() ? job_.numProcesses : 1); ++p) {
    if (!peers_[static_cast<size_t>(p)].isMet()) missing.push_back(p);
  }
  return missing;
}

bool ProcessLife::isFindable() const { return job_.isOneHost() && !job_.name.empty() && (!isFirst() || inside_ >= 0); }

void ProcessLife::judgeStart(Clock::time_point now) {
  auto since = isFindable() ? began_ : metAt_;
  std::vector<int> missing = notMet();
  if (missing.empty() || since == Clock::time_point() || now - since < timeout_) return;
  std::string where = firstAddresses_.empty() ? "" : " at " + firstAddresses_ + "(TCP)";
  decide(0,
         environmentError("waited " + std::to_string(timeout_.count()) + " ms at the start for process " +
                          listed(missing) + " of " + std::to_string(job_.numProcesses) + where +
                          "; a slow start needs a longer --timeout"),
         missing[0]);
}

std::vector<int> ProcessLife::silentFor(milliseconds least, Clock::time_point now) const {
  std::vector<int> found;
  for (int p = 0; p < job_.numProcesses; ++p) {
    const Peer& peer = peers_[static_cast<size_t>(p)];
    if (peer.isMet() && !peer.left && now - peer.heard >= least) found.push_back(p);
  }
  return found;
}

int ProcessLife::mostSilent(Clock::time_point now, milliseconds least) const {
  std::vector<int> all = silentFor(least, now);
  auto earlier = [&](int a, int b) {
    return peers_[static_cast<size_t>(a)].heard < peers_[static_cast<size_t>(b)].heard;
  };
  auto most = std::min_element(all.begin(), all.end(), earlier);
  return most == all.end() ? -1 : *most;
}

std::string ProcessLife::describe(int process) const {
  std::string ranks = names_ ? names_(process) : "";
  return (ranks.empty() ? "" : ranks + ": ") + "process " + std::to_string(process) +
         peers_[static_cast<size_t>(process)].place;
}

Status ProcessLife::death(int process, Clock::time_point now) const {
  const Peer& peer = peers_[static_cast<size_t>(process)];
  std::string how = " is dead: it ended without a word; ";
  if (!peer.isGone()) {
    auto silent = duration_cast<milliseconds>(now - peer.heard).count();
    // A host or a network that fails takes several away.
    std::vector<int> too = silentFor(tellingSilence(), now);
    too.erase(std::remove(too.begin(), too.end(), process), too.end());
    how = " is dead or stuck: nothing was heard of it for " + std::to_string(silent) + " ms" +
          (too.empty() ? "; " : ", and of process " + listed(too) + " neither; ");
  }
  return environmentError(
      describe(process) + how +
      (peer.activity.empty() ? "it had begun no exchange with others" : "it was last in " + peer.activity));
}

void ProcessLife::decide(uint32_t epoch, Status reason, int dead) {
  auto now = Clock::now();
  noticeOwnStop(now);
  if (failed_) return;
  // A wait that ended because a process died somewhere behind the one waited for is to name the dead one.
  int silent = dead < 0 && isFirst() && !wasStopped(now) && reason.code() == StatusCode::kEnvironment
                   ? mostSilent(now, tellingSilence())
                   : -1;
  if (silent >= 0) {
    reason = environmentError(death(silent, now).message() + "; noticed by " + reason.message());
    dead = silent;
  }
  if (dead >= 0) epoch = 0;
  if (epoch != 0) {
    if (!failedEpochs_.insert(epoch).second) return;
  } else {
    failure_ = reason;
    failedAt_ = now;
    dead_ = dead;
    failed_ = true;
    // The second tells where the first cannot; it does not know that of one of another host that it has not met yet, but
    // launchers that end a job say so themselves.
    bool alone = dead < 0 && !peers_[0].isMet() && terminatedAt_ == Clock::time_point();
    bool tells = isFirst() ? !wasGivenUp_ && dead != 0 : job_.process == 1 && !wasStopped(now) && (dead == 0 || alone);
    if (tells) toTell_ = reason;
    changed_.notify_all();
  }
  news_.emplace_back(epoch, reason);
  // To the first one only that it was given up.
  if (isFirst() ? !wasGivenUp_ : dead == 0)
    tellOthers({LifeWord::kFail, 0, dead, static_cast<uint32_t>(reason.code()), epoch, reason.message()});
}

}  // namespace shardwright
