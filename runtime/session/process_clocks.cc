#include "runtime/session/process_clocks.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "runtime/exec/trace.h"

namespace shardwright {
namespace {

constexpr int kExchanges = 16;

template <typename T>
void sendValue(ProcessFabric& fabric, int process, const T& value) {
  std::vector<char> bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  fabric.sendTo(process, bytes);
}

template <typename T>
StatusOr<T> receiveValue(ProcessFabric& fabric, int process) {
  SW_ASSIGN_OR_RETURN(std::vector<char> bytes, fabric.receiveFrom(process));
  T value{};
  if (bytes.size() != sizeof value)
    return environmentError("process " + std::to_string(process) +
                            " does not compare its clock; do all run the same command?");
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

ClockOffset clockOffset(int64_t asked, int64_t there, int64_t answered) {
  ClockOffset result{asked + (answered - asked) / 2 - there, (answered - asked) / 2};
  if (std::abs(result.offset) <= result.error) result.offset = 0;
  return result;
}

StatusOr<ClockOffset> compareClocks(ProcessFabric& fabric, const ProcessLink& link) {
  if (link.process() > 0) {
    for (int i = 0; i < kExchanges; ++i) {
      SW_RETURN_IF_ERROR(receiveValue<int64_t>(fabric, 0).status());
      sendValue(fabric, 0, RankTrace::now());
    }
    return receiveValue<ClockOffset>(fabric, 0);
  }
  ClockOffset worst;
  for (int process = 1; process < link.numProcesses(); ++process) {
    ClockOffset best{0, INT64_MAX};
    for (int i = 0; i < kExchanges; ++i) {
      int64_t asked = RankTrace::now();
      sendValue(fabric, process, asked);
      SW_ASSIGN_OR_RETURN(int64_t there, receiveValue<int64_t>(fabric, process));
      ClockOffset found = clockOffset(asked, there, RankTrace::now());
      if (found.error < best.error) best = found;
    }
    sendValue(fabric, process, best);
    worst.error = std::max(worst.error, best.error);
  }
  return worst;
}

}  // namespace shardwright
