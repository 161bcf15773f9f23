#include "runtime/comm/processes/process_life.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace shardwright {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Processes of a job that are all in this one.
class Job {
 public:
  Job(int count, milliseconds timeout, bool oneHost = true) {
    static int jobs = 0;
    std::string name = oneHost ? "test-" + std::to_string(getpid()) + "-" + std::to_string(jobs++) : "";
    for (int p = 0; p < count; ++p) {
      ProcessLife::Callbacks callbacks;
      callbacks.tell = [this, p](const Status& reason) {
        std::lock_guard<std::mutex> lock(mutex_);
        told_.push_back(std::to_string(p) + ": " + reason.message());
      };
      lives_.push_back(
          std::make_unique<ProcessLife>(LaunchedJob{count, p, oneHost ? count : 0, name}, timeout, callbacks));
    }
  }

  ProcessLife& operator[](size_t process) { return *lives_[process]; }
  void kill(size_t process) { lives_[process] = nullptr; }

  // Every living process ends, with what of its own, and as all then do.
  std::vector<Status> end(const std::vector<Status>& own) {
    std::vector<std::future<Status>> ends;
    for (size_t p = 0; p < lives_.size(); ++p) {
      ends.push_back(std::async(std::launch::async, [this, p, &own] {
        if (!lives_[p]) return Status();
        (void)lives_[p]->settle(own[p]);
        lives_[p]->leave();
        Status ended = lives_[p]->failure();
        lives_[p] = nullptr;  // a process closes what it has when it ends
        return ended;
      }));
    }
    std::vector<Status> ended;
    for (auto& one : ends) ended.push_back(one.get());
    return ended;
  }

  std::vector<std::string> told() {
    std::lock_guard<std::mutex> lock(mutex_);
    return told_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> told_;
  std::vector<std::unique_ptr<ProcessLife>> lives_;
};

void awaitFailure(ProcessLife& life) {
  for (int i = 0; i < 1000 && !life.failed(); ++i) usleep(10000);
  ASSERT_TRUE(life.failed());
}

// Long enough for a beat.
void awaitBeats() { usleep(600000); }

TEST(ProcessLife, all_that_end_well_end_so) {
  Job job(3, seconds(20));
  for (const Status& ended : job.end({Status(), Status(), Status()})) EXPECT_TRUE(ended.ok()) << ended.message();
  EXPECT_TRUE(job.told().empty());
}

TEST(ProcessLife, what_one_fails_with_all_end_with_and_the_first_tells) {
  Job job(3, seconds(20));
  job[2].fail(0, userError("no such file"));
  awaitFailure(job[0]);  // which waits for the others' results
  for (const Status& ended : job.end({Status(), Status(), userError("no such file")})) {
    EXPECT_EQ(ended.code(), StatusCode::kUserError);
    EXPECT_EQ(ended.message(), "no such file");
  }
  EXPECT_EQ(job.told(), std::vector<std::string>{"0: no such file"});
}

TEST(ProcessLife, what_all_fail_with_is_told_once) {
  Job job(4, seconds(20));
  std::vector<Status> own(4, userError("no such option"));
  for (const Status& ended : job.end(own)) EXPECT_EQ(ended.code(), StatusCode::kUserError);
  EXPECT_EQ(job.told(), std::vector<std::string>{"0: no such option"});
}

TEST(ProcessLife, one_that_ends_without_a_farewell_is_named_with_what_it_did) {
  Job job(3, seconds(20));
  job[0].nameRanks([](int process) { return "rank " + std::to_string(process + 10); });
  job[2].note(12, "step Add_3, tensor 'y'");
  awaitBeats();
  job.kill(2);
  awaitFailure(job[0]);
  awaitFailure(job[1]);
  EXPECT_FALSE(job[1].allLive());
  EXPECT_EQ(job[0].failure().message(), job[1].failure().message());
  (void)job.end({Status(), Status(), Status()});
  ASSERT_EQ(job.told().size(), 1u);
  EXPECT_EQ(job.told()[0].rfind("0: rank 12: process 2 (pid ", 0), 0u) << job.told()[0];
  EXPECT_NE(job.told()[0].find("is dead: it ended without a word; it was last in step Add_3, tensor 'y'"),
            std::string::npos);
}

TEST(ProcessLife, where_the_first_dies_the_second_tells) {
  Job job(4, seconds(20));
  awaitBeats();
  job.kill(0);
  for (size_t p = 1; p < 4; ++p) awaitFailure(job[p]);
  (void)job.end({Status(), Status(), Status(), Status()});
  ASSERT_EQ(job.told().size(), 1u);
  EXPECT_EQ(job.told()[0].rfind("1: process 0 (pid ", 0), 0u) << job.told()[0];
}

TEST(ProcessLife, one_that_never_comes_is_waited_for_until_the_timeout) {
  Job job(3, milliseconds(1200));
  job.kill(1);
  awaitFailure(job[0]);
  awaitFailure(job[2]);
  (void)job.end({Status(), Status(), Status()});
  ASSERT_EQ(job.told().size(), 1u);
  EXPECT_NE(job.told()[0].find("process 1"), std::string::npos) << job.told()[0];
}

TEST(ProcessLife, a_failure_of_one_epoch_is_told_to_all_and_the_job_goes_on) {
  std::promise<std::string> heard;
  std::string name = "test-epochs-" + std::to_string(getpid());
  ProcessLife::Callbacks callbacks;
  callbacks.failed = [&](uint32_t epoch, const Status& reason) {
    heard.set_value(std::to_string(epoch) + " " + reason.message());
  };
  ProcessLife first({3, 0, 3, name}, seconds(20), {}), second({3, 1, 3, name}, seconds(20), {}),
      third({3, 2, 3, name}, seconds(20), callbacks);
  awaitBeats();
  second.fail(7, internalError("of the run"));
  EXPECT_EQ(heard.get_future().get(), "7 internal error: of the run");
  EXPECT_FALSE(first.failed() || second.failed() || third.failed());
}

TEST(ProcessLife, processes_of_other_hosts_meet_by_address) {
  Job job(3, seconds(20), false);
  for (size_t p = 0; p < 3; ++p) job[p].meet(job[0].address());
  awaitBeats();
  job.kill(2);
  awaitFailure(job[0]);
  awaitFailure(job[1]);
  (void)job.end({Status(), Status(), Status()});
  ASSERT_EQ(job.told().size(), 1u);
  EXPECT_EQ(job.told()[0].rfind("0: process 2 (pid ", 0), 0u) << job.told()[0];
}

TEST(ProcessLife, a_stranger_that_does_not_know_the_job_is_not_met) {
  Job job(2, milliseconds(1500), false);
  job[0].meet("");
  std::string address = job[0].address();
  job[1].meet("0-0" + address.substr(address.find(' ')));
  awaitFailure(job[0]);
  EXPECT_NE(job[0].failure().message().find("waited 1500 ms at the start for process 1 of 2"), std::string::npos)
      << job[0].failure().message();
}

}  // namespace
}  // namespace shardwright
