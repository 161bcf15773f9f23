#include "runtime/session/process_results.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <unordered_map>

#include "runtime/comm/strided_block.h"

namespace shardwright {
namespace {

class Writer {
 public:
  template <typename T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    auto* at = reinterpret_cast<const char*>(&value);
    bytes_.insert(bytes_.end(), at, at + sizeof value);
  }
  // Room for that many bytes, to be filled at once.
  char* grow(int64_t count) {
    bytes_.resize(bytes_.size() + static_cast<size_t>(count));
    return bytes_.data() + bytes_.size() - count;
  }
  std::vector<char> take() { return std::move(bytes_); }

 private:
  std::vector<char> bytes_;
};

class Reader {
 public:
  explicit Reader(const std::vector<char>& bytes) : at_(bytes.data()), left_(static_cast<int64_t>(bytes.size())) {}
  template <typename T>
  T get() {
    T value{};
    const char* from = skip(sizeof value);
    if (from) std::memcpy(&value, from, sizeof value);
    return value;
  }
  // Null, from then on, if there are fewer bytes.
  const char* skip(int64_t count) {
    if (count < 0 || count > left_) {
      left_ = -1;
      return nullptr;
    }
    const char* from = at_;
    at_ += count;
    left_ -= count;
    return from;
  }
  bool ok() const { return left_ >= 0; }

 private:
  const char* at_;
  int64_t left_;
};

struct WindowHeader {
  int32_t port, dtype;
  int64_t byteOffset;
  StridedBlock block;  // without data
};

struct EventRecord {
  int32_t program, step;  // -1: a whole chunk
  int64_t begin, end, bytes;
  uint32_t run, microbatch, chunk;
};

bool sameWindow(const Window& a, const Window& b) {
  return a.buffer == b.buffer && a.byteOffset == b.byteOffset && a.ref.dtype == b.ref.dtype &&
         a.ref.rank == b.ref.rank && std::equal(a.ref.dims, a.ref.dims + a.ref.rank, b.ref.dims) &&
         std::equal(a.ref.strides, a.ref.strides + a.ref.rank, b.ref.strides);
}

// What several ranks hold alike goes once.
StatusOr<std::vector<Window>> windowsOf(const std::vector<std::shared_ptr<RankThread>>& ranks) {
  std::vector<Window> all;
  for (const auto& rank : ranks) {
    SW_ASSIGN_OR_RETURN(std::vector<Window> written, rank->executor()->writtenOutputs());
    for (const Window& window : written) {
      if (std::none_of(all.begin(), all.end(), [&](const Window& other) { return sameWindow(window, other); }))
        all.push_back(window);
    }
  }
  return all;
}

bool isInside(const WindowHeader& header, int64_t outputBytes) {
  int64_t last = header.byteOffset + copyWidth(static_cast<DType>(header.dtype));
  if (header.byteOffset < 0 || header.block.rank < 0 || header.block.rank > StridedBlock::kMaxDims) return false;
  for (int i = 0; i < header.block.rank; ++i) {
    if (header.block.dims[i] < 0 || header.block.strides[i] < 0) return false;
    if (header.block.dims[i] == 0) return true;
    last += (header.block.dims[i] - 1) * header.block.strides[i] * copyWidth(static_cast<DType>(header.dtype));
  }
  return last <= outputBytes;
}

void packTrace(const plan::Plan& plan, int64_t clockOffset, RankTrace& trace, Writer& writer) {
  std::unordered_map<const void*, int32_t> numbers;
  for (int p = 0; p < plan.programs_size(); ++p) {
    numbers[&plan.programs(p)] = p;
    for (int s = 0; s < plan.programs(p).steps_size(); ++s) numbers[&plan.programs(p).steps(s)] = s;
  }
  writer.put(static_cast<int64_t>(trace.events().size()));
  for (const TraceEvent& event : trace.events()) {
    writer.put(EventRecord{numbers[event.program], event.step ? numbers[event.step] : -1, event.begin + clockOffset,
                           event.end + clockOffset, event.bytes, event.run, event.microbatch, event.chunk});
  }
  trace.clear();
}

Status unpackTrace(const plan::Plan& plan, Reader& reader, RankTrace& trace) {
  int64_t count = reader.get<int64_t>();
  for (int64_t i = 0; i < count && reader.ok(); ++i) {
    auto record = reader.get<EventRecord>();
    if (record.program < 0 || record.program >= plan.programs_size() ||
        record.step >= plan.programs(record.program).steps_size()) {
      return environmentError("a trace of another plan");
    }
    const plan::Program& program = plan.programs(record.program);
    trace.add({record.step < 0 ? nullptr : &program.steps(record.step), &program, record.begin, record.end,
               record.bytes, record.run, record.microbatch, record.chunk});
  }
  return Status();
}

}  // namespace

StatusOr<std::vector<char>> packResults(const std::vector<std::shared_ptr<RankThread>>& ranks, int first,
                                        const RunResults& results) {
  Writer writer;
  writer.put(static_cast<int32_t>(first));
  writer.put(static_cast<int32_t>(ranks.size()));
  for (size_t i = 0; i < ranks.size(); ++i) {
    writer.put(ranks[i]->executor()->stats());
    if (!results.traces->empty())
      packTrace(*results.plan, results.clockOffset, (*results.traces)[static_cast<size_t>(first) + i], writer);
  }
  SW_ASSIGN_OR_RETURN(std::vector<Window> windows, windowsOf(ranks));
  writer.put(static_cast<int64_t>(windows.size()));
  for (const Window& window : windows) {
    StridedBlock block = blockOf(window);
    writer.put(WindowHeader{window.buffer, static_cast<int32_t>(window.ref.dtype), window.byteOffset, block});
    int width = copyWidth(window.ref.dtype);
    if (width == 0) {
      return userError("output '" + results.plan->outputs(window.buffer).name() + "': elements of type " +
                       std::string(dtypeName(window.ref.dtype)) +
                       " cannot be gathered from several processes; run all ranks in one");
    }
    block.data = static_cast<char*>(results.outputs[static_cast<size_t>(window.buffer)]) + window.byteOffset;
    int64_t count = elementCount(block);
    packElements(block, width, 0, count, writer.grow(count * width));
  }
  return writer.take();
}

Status unpackResults(const std::vector<char>& bytes, const RunResults& results) {
  Reader reader(bytes);
  auto damaged = [] {
    return environmentError("another process's results do not fit; do all run the same plan and data?");
  };
  int32_t first = reader.get<int32_t>(), count = reader.get<int32_t>();
  if (first < 0 || count < 0 || static_cast<size_t>(first) + static_cast<size_t>(count) > results.stats->size())
    return damaged();
  for (int32_t rank = first; rank < first + count; ++rank) {
    (*results.stats)[static_cast<size_t>(rank)] = reader.get<RankStats>();
    if (results.traces->empty()) continue;
    SW_RETURN_IF_ERROR(unpackTrace(*results.plan, reader, (*results.traces)[static_cast<size_t>(rank)]));
  }
  int64_t windows = reader.get<int64_t>();
  for (int64_t i = 0; i < windows && reader.ok(); ++i) {
    auto header = reader.get<WindowHeader>();
    int width = copyWidth(static_cast<DType>(header.dtype));
    if (header.port < 0 || static_cast<size_t>(header.port) >= results.outputs.size() || width == 0) return damaged();
    if (!isInside(header, results.outputBytes[static_cast<size_t>(header.port)])) return damaged();
    int64_t elements = elementCount(header.block);
    const char* packed = reader.skip(elements * width);
    if (!packed) return damaged();
    header.block.data = static_cast<char*>(results.outputs[static_cast<size_t>(header.port)]) + header.byteOffset;
    unpackElements(header.block, width, 0, elements, packed);
  }
  return reader.ok() ? Status() : damaged();
}

}  // namespace shardwright
