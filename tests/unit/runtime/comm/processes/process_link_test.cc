// Messages of a job of one process, which no transport carries.
#include "runtime/comm/processes/process_link.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/runtime/comm/count_allocations.h"

namespace shardwright {
namespace {

class Alone final : public Transport {
 public:
  Status join(int32_t& process, int32_t& numProcesses) override {
    process = 0;
    numProcesses = 1;
    return Status();
  }
  int send(int, const void*, int64_t, Handle&) override { return -1; }
  int arrived(int32_t&, int64_t&, Handle&) override { return 0; }
  int receive(Handle&, void*, int64_t, Handle&) override { return -1; }
  int finished(Handle&) override { return -1; }
  void leave() override {}
  std::string lastError() const override { return "nothing is sent"; }
  std::string name() const override { return "none"; }
};

void post(ProcessLink& link, uint32_t epoch, int64_t bytes, char fill) {
  MessagePtr message = link.newMessage(bytes);
  message->header().epoch = epoch;
  message->header().from = 3;
  message->header().to = 5;
  message->header().stream = 7;
  std::memset(message->payload(), fill, static_cast<size_t>(bytes));
  link.post(0, std::move(message));
}

TEST(ProcessLink, messages_keep_their_order_and_their_memory) {
  auto link = ProcessLink::join(std::unique_ptr<Transport>(std::make_unique<Alone>()), std::chrono::seconds(5));
  ASSERT_FALSE(link->failed());
  uint32_t epoch = link->openEpoch([](const Status&) {});
  MessageQueue* queue = link->queue({epoch, 3, 5, 7});
  constexpr int64_t kSizes[] = {8, 70001, 333, 0};
  bool good = true;
  auto exchange = [&](int rounds) {
    for (int round = 0; round < rounds; ++round) {
      // In each round more are under way, up to twelve.
      for (int k = 0; k < round % 4 * 4; ++k) post(*link, epoch, kSizes[k % 4], static_cast<char>(round + k));
      for (int k = 0; k < round % 4 * 4; ++k) {
        MessagePtr message = link->take(queue);
        int64_t bytes = message->header().bytes;
        good = good && message->isWhole() && bytes == kSizes[k % 4];
        if (bytes > 0) good = good && message->payload()[bytes - 1] == static_cast<char>(round + k);
        link->recycle(std::move(message));
      }
      good = good && queue->empty();
    }
  };
  exchange(40);
  EXPECT_EQ(allocationsDuring([&] { exchange(40); }), 0);
  EXPECT_TRUE(good);
  link->closeEpoch(epoch);
  EXPECT_TRUE(link->settle(Status()).ok());
  EXPECT_TRUE(link->leave().ok());
}

}  // namespace
}  // namespace shardwright
