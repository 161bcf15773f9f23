#include "runtime/comm/processes/memory_meeting.h"

#include <cstring>
#include <utility>

namespace shardwright {
namespace {

constexpr uint64_t kStream = 1;  // 0 is ProcessFabric's

// The neighbours' talk: the first one says where the memory is, the others whether they have it, the first whether all do.
class Meeting {
 public:
  Meeting(ProcessLink& link, uint32_t epoch, const std::function<bool()>& failed)
      : link_(link), epoch_(epoch), failed_(failed) {}

  template <typename T>
  void say(int process, const T& what) {
    MessagePtr message = link_.newMessage(sizeof what);
    message->header().epoch = epoch_;
    message->header().from = -1 - link_.process();
    message->header().to = -1 - process;
    message->header().stream = kStream;
    std::memcpy(message->payload(), &what, sizeof what);
    link_.post(process, std::move(message));
  }

  // What it is already, where the run fails first.
  template <typename T>
  void hear(int process, T& what) {
    MessageQueue* queue = link_.queue({epoch_, -1 - process, -1 - link_.process(), kStream});
    auto ready = [&] { return !queue->empty(); };
    if (link_.waitUntil(ready, failed_, ProcessLink::Clock::time_point::max()) != ProcessLink::Outcome::kReady) return;
    MessagePtr message = link_.take(queue);
    if (message->header().bytes == static_cast<int64_t>(sizeof what))
      std::memcpy(&what, message->payload(), sizeof what);
    link_.recycle(std::move(message));
  }

 private:
  ProcessLink& link_;
  const uint32_t epoch_;
  const std::function<bool()>& failed_;
};

std::unique_ptr<SharedRegion> invite(Meeting& meeting, const std::vector<int>& processes) {
  auto made = SharedRegion::create();
  SharedRegion::Address address;
  if (made.ok()) address = (*made)->address();
  for (size_t i = 1; i < processes.size(); ++i) meeting.say(processes[i], address);
  bool all = made.ok();
  for (size_t i = 1; i < processes.size(); ++i) {
    bool has = false;
    meeting.hear(processes[i], has);
    all = all && has;
  }
  for (size_t i = 1; i < processes.size(); ++i) meeting.say(processes[i], all);
  if (!all) return nullptr;
  (*made)->close();
  return std::move(made).value();
}

std::unique_ptr<SharedRegion> accept(Meeting& meeting, int maker) {
  SharedRegion::Address address;
  meeting.hear(maker, address);
  StatusOr<std::unique_ptr<SharedRegion>> found = environmentError("there is none");
  if (address.bytes > 0) found = SharedRegion::attach(address);
  meeting.say(maker, found.ok());
  bool all = false;
  meeting.hear(maker, all);
  return all ? std::move(found).value() : nullptr;
}

}  // namespace

std::unique_ptr<SharedRegion> meetInMemory(ProcessLink& link, uint32_t epoch, const std::vector<int>& processes,
                                           const std::function<bool()>& failed) {
  if (processes.size() < 2) return nullptr;
  Meeting meeting(link, epoch, failed);
  return link.process() == processes[0] ? invite(meeting, processes) : accept(meeting, processes[0]);
}

}  // namespace shardwright
