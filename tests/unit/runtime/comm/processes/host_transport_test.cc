// Messages between processes of a host, all of which are in this one.
#include "runtime/comm/processes/host_transport.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/runtime/comm/count_allocations.h"

namespace shardwright {
namespace {

using Words = std::vector<uint64_t>;

LaunchedJob jobOf(int count, int process) {
  return {
      count, process, count,
      "transport-" + std::to_string(getpid()) + "-" + testing::UnitTest::GetInstance()->current_test_info()->name()};
}

std::unique_ptr<Transport> joined(int count, int process) {
  auto transport = makeHostTransport(jobOf(count, process));
  int32_t which = -1, of = -1;
  Status status = transport->join(which, of);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(which, process);
  EXPECT_EQ(of, count);
  return transport;
}

Words wordsOf(size_t count, uint64_t seed) {
  Words words(count);
  for (size_t i = 0; i < count; ++i) words[i] = seed * 1000003 + i * 7 + 1;
  return words;
}

struct Received {
  int process = -1;
  Words words;
};

// The next message at `to`, while `from` is helped to send.
Received nextAt(Transport& to, Transport& from, Transport::Handle& sending) {
  Received received;
  Transport::Handle message, transfer;
  int64_t count = 0;
  while (to.arrived(received.process, count, message) == 0) from.finished(sending);
  received.words.resize(static_cast<size_t>(count));
  EXPECT_EQ(to.receive(message, received.words.data(), count, transfer), 0);
  while (to.finished(transfer) == 0) from.finished(sending);
  return received;
}

TEST(HostTransport, messages_arrive_whole_and_in_order_whatever_their_size) {
  auto zero = joined(3, 0), two = joined(3, 2);
  std::vector<Words> sent = {wordsOf(1, 1), wordsOf(300007, 2), {}, wordsOf(5, 3), wordsOf(70001, 4)};
  std::vector<Transport::Handle> sending(sent.size());
  for (size_t i = 0; i < sent.size(); ++i)
    ASSERT_EQ(two->send(0, sent[i].data(), static_cast<int64_t>(sent[i].size()), sending[i]), 0);
  EXPECT_EQ(two->finished(sending[0]), 0);  // nobody has welcomed it
  for (size_t i = 0; i < sent.size(); ++i) {
    Received received = nextAt(*zero, *two, sending.back());
    EXPECT_EQ(received.process, 2);
    EXPECT_EQ(received.words, sent[i]) << "message " << i;
  }
  for (Transport::Handle& transfer : sending) EXPECT_EQ(two->finished(transfer), 1);
}

TEST(HostTransport, both_ways_and_from_several_at_once) {
  std::vector<std::unique_ptr<Transport>> all;
  for (int p = 0; p < 3; ++p) all.push_back(joined(3, p));
  std::vector<Words> sent;
  std::vector<Transport::Handle> sending(9);
  for (size_t i = 0; i < 9; ++i) sent.push_back(wordsOf(20011 + i * 13, i));
  for (size_t from = 0; from < 3; ++from) {
    for (size_t to = 0; to < 3; ++to) {
      const Words& words = sent[from * 3 + to];
      if (from != to)
        all[from]->send(static_cast<int>(to), words.data(), static_cast<int64_t>(words.size()), sending[from * 3 + to]);
    }
  }
  for (size_t to = 0; to < 3; ++to) {
    struct Incoming {
      Words words;
      Transport::Handle transfer;
      bool began = false, over = false;
    } incoming[3];
    for (int left = 2; left > 0;) {
      for (size_t from = 0; from < 3; ++from) {
        if (from != to) all[from]->finished(sending[from * 3 + to]);
      }
      int32_t process = -1;
      int64_t count = 0;
      Transport::Handle message;
      if (all[to]->arrived(process, count, message) == 1) {
        Incoming& next = incoming[process];
        next.words.resize(static_cast<size_t>(count));
        all[to]->receive(message, next.words.data(), count, next.transfer);
        next.began = true;
      }
      for (Incoming& one : incoming) {
        if (!one.began || one.over || all[to]->finished(one.transfer) == 0) continue;
        one.over = true;
        --left;
      }
    }
    for (size_t from = 0; from < 3; ++from) {
      if (from == to) continue;
      EXPECT_EQ(incoming[from].words, sent[from * 3 + to]) << from << " to " << to;
    }
  }
}

TEST(HostTransport, what_is_sent_before_the_other_joins_goes_when_it_has) {
  auto one = joined(2, 1);
  Words words = wordsOf(9, 5);
  Transport::Handle sending;
  ASSERT_EQ(one->send(0, words.data(), 9, sending), 0);
  EXPECT_EQ(one->finished(sending), 0);
  auto zero = joined(2, 0);
  EXPECT_EQ(nextAt(*zero, *one, sending).words, words);
}

TEST(HostTransport, what_a_process_sent_before_it_ended_still_comes) {
  auto zero = joined(2, 0), one = joined(2, 1);
  Words words = wordsOf(17, 6);
  Transport::Handle sending;
  ASSERT_EQ(one->send(0, words.data(), 17, sending), 0);
  Transport::Handle message, transfer;
  int32_t process = -1;
  int64_t count = 0;
  while (one->finished(sending) == 0) EXPECT_EQ(zero->arrived(process, count, message), 0);
  one = nullptr;
  while (zero->arrived(process, count, message) == 0) continue;
  Words received(static_cast<size_t>(count));
  zero->receive(message, received.data(), count, transfer);
  EXPECT_EQ(zero->finished(transfer), 1);
  EXPECT_EQ(received, words);
}

// As of two programs that a launcher's script starts one after the other.
TEST(HostTransport, the_next_program_of_a_job_does_not_take_the_last_one_for_its_own) {
  auto zero = joined(2, 0), one = joined(2, 1);
  Words words = wordsOf(11, 9), next = wordsOf(13, 10);
  Transport::Handle sending, sendingNext, message;
  ASSERT_EQ(one->send(0, words.data(), 11, sending), 0);
  EXPECT_EQ(nextAt(*zero, *one, sending).words, words);
  one = nullptr;
  auto nextOne = joined(2, 1);
  ASSERT_EQ(nextOne->send(0, next.data(), 13, sendingNext), 0);
  int32_t process = -1;
  int64_t count = 0;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(nextOne->finished(sendingNext), 0);
    EXPECT_EQ(zero->arrived(process, count, message), 0);
  }
  zero = nullptr;
  auto nextZero = joined(2, 0);
  EXPECT_EQ(nextAt(*nextZero, *nextOne, sendingNext).words, next);
}

TEST(HostTransport, what_is_sent_to_a_process_that_has_ended_is_dropped) {
  auto zero = joined(2, 0), one = joined(2, 1);
  Words words = wordsOf(400009, 7);
  Transport::Handle sending, next, message;
  ASSERT_EQ(one->send(0, words.data(), static_cast<int64_t>(words.size()), sending), 0);
  int32_t process = -1;
  int64_t count = 0;
  while (zero->arrived(process, count, message) == 0) EXPECT_EQ(one->finished(sending), 0);
  zero = nullptr;
  EXPECT_EQ(one->finished(sending), 1);
  ASSERT_EQ(one->send(0, words.data(), 1, next), 0);
  EXPECT_EQ(one->finished(next), 1);
}

TEST(HostTransport, messages_allocate_nothing_once_as_many_have_waited) {
  auto zero = joined(2, 0), one = joined(2, 1);
  Words words = wordsOf(33, 8), target(33);
  auto exchange = [&] {
    Transport::Handle sending[5], message, transfer;
    int32_t process = -1;
    int64_t count = 0;
    for (Transport::Handle& each : sending) one->send(0, words.data(), 33, each);
    for (Transport::Handle& each : sending) {
      while (zero->arrived(process, count, message) == 0) one->finished(each);
      zero->receive(message, target.data(), count, transfer);
      while (zero->finished(transfer) == 0) continue;
      one->finished(each);
    }
  };
  exchange();
  EXPECT_EQ(allocationsDuring([&] { exchange(); }), 0);
  EXPECT_EQ(target, words);
}

TEST(HostTransport, two_processes_of_one_number_are_refused) {
  auto zero = joined(2, 0), again = makeHostTransport(jobOf(2, 0));
  int32_t process = 0, count = 0;
  Status status = again->join(process, count);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("process 0"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("--world mpi"), std::string::npos) << status.message();
}

TEST(HostTransport, it_needs_to_know_the_host_the_job_and_the_process) {
  EXPECT_TRUE(canMeetInsideHost({4, 3, 4, "job"}));
  EXPECT_FALSE(canMeetInsideHost({4, 3, 2, "job"}));
  EXPECT_FALSE(canMeetInsideHost({4, 3, 4, ""}));
  EXPECT_FALSE(canMeetInsideHost({4, -1, 4, "job"}));
}

}  // namespace
}  // namespace shardwright
