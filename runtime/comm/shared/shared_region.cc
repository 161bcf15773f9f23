#include "runtime/comm/shared/shared_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

namespace shardwright {
namespace {

constexpr int kBuckets = 1024;
constexpr int64_t kAlign = 64;

int64_t aligned(int64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

Status failed(const std::string& call) {
  return environmentError("shared memory: " + call + ": " + std::strerror(errno));
}

// Twice the machine's memory: it is gone before the room is.
int64_t roomBytes() {
  int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  return std::max<int64_t>(2 * pages * page, int64_t{1} << 30);
}

}  // namespace

struct SharedRegion::Head {
  uint64_t nonce;
  alignas(64) std::atomic<uint64_t> used;
  alignas(64) std::atomic<uint64_t> buckets[kBuckets];  // the newest record of each
};

struct SharedRegion::Record {
  uint64_t next, body;
  int64_t nameBytes;
  char name[1];
};

static_assert(std::atomic<uint64_t>::is_always_lock_free, "a lock would be one per process");

StatusOr<std::unique_ptr<SharedRegion>> SharedRegion::create() { return create(roomBytes()); }

StatusOr<std::unique_ptr<SharedRegion>> SharedRegion::create(int64_t bytes) {
  rlimit limit{};
  // Beyond it, the system does not refuse but sends a signal.
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      limit.rlim_cur < static_cast<rlim_t>(bytes)) {
    return environmentError("shared memory: files may have at most " + std::to_string(limit.rlim_cur) + " bytes here");
  }
  int file = memfd_create("shardwright", MFD_CLOEXEC);
  if (file < 0) return failed("memfd_create");
  std::random_device random;
  Address address{getpid(), file, bytes, static_cast<uint64_t>(random()) << 32 | random()};
  if (ftruncate(file, bytes) != 0) {
    Status status = failed("ftruncate to " + std::to_string(bytes) + " bytes");
    ::close(file);
    return status;
  }
  auto region = map(file, address);
  if (!region.ok()) {
    ::close(file);
    return region;
  }
  (*region)->file_ = file;
  (*region)->head().used.store(static_cast<uint64_t>(aligned(sizeof(Head))));
  (*region)->head().nonce = address.nonce;
  return region;
}

StatusOr<std::unique_ptr<SharedRegion>> SharedRegion::attach(const Address& address) {
  std::string path = "/proc/" + std::to_string(address.pid) + "/fd/" + std::to_string(address.file);
  int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return failed(path);
  // Another host's process of that number may have any file there.
  if (lseek(file, 0, SEEK_END) != address.bytes) {
    ::close(file);
    return environmentError("shared memory: " + path + " is another file");
  }
  auto region = map(file, address);
  ::close(file);
  if (!region.ok() || (*region)->head().nonce == address.nonce) return region;
  return environmentError("shared memory: " + path + " is other memory");
}

StatusOr<std::unique_ptr<SharedRegion>> SharedRegion::map(int file, const Address& address) {
  size_t bytes = static_cast<size_t>(address.bytes);
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
  if (base == MAP_FAILED) return failed("mmap of " + std::to_string(address.bytes) + " bytes");
  madvise(base, bytes, MADV_DONTDUMP);
  return std::unique_ptr<SharedRegion>(new SharedRegion(static_cast<char*>(base), address));
}

SharedRegion::~SharedRegion() {
  munmap(base_, static_cast<size_t>(address_.bytes));
  close();
}

void SharedRegion::close() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

uint64_t SharedRegion::allocate(int64_t bytes) {
  uint64_t size = static_cast<uint64_t>(aligned(bytes)), room = static_cast<uint64_t>(address_.bytes);
  uint64_t place = head().used.load();
  do {
    if (size > room || place > room - size) return 0;
  } while (!head().used.compare_exchange_weak(place, place + size));
  return place;
}

SharedRegion::Record* SharedRegion::search(uint64_t first, const std::string& name) const {
  for (uint64_t place = first; place != 0;) {
    Record* record = at<Record>(place);
    if (static_cast<size_t>(record->nameBytes) == name.size() &&
        name.compare(0, name.size(), record->name, name.size()) == 0)
      return record;
    place = record->next;
  }
  return nullptr;
}

char* SharedRegion::find(const std::string& name, int64_t bytes, const std::function<void(char*)>& init) {
  std::atomic<uint64_t>& bucket = head().buckets[std::hash<std::string>()(name) % kBuckets];
  uint64_t first = bucket.load();
  if (Record* record = search(first, name)) return at<char>(record->body);
  uint64_t place = allocate(static_cast<int64_t>(sizeof(Record) + name.size())), body = allocate(bytes);
  if (place == 0 || body == 0) return nullptr;
  Record* mine = at<Record>(place);
  mine->body = body;
  mine->nameBytes = static_cast<int64_t>(name.size());
  name.copy(mine->name, name.size());
  if (init) init(at<char>(body));
  do {
    // Another may have been faster; what was made here is then forgotten.
    if (Record* record = search(first, name)) return at<char>(record->body);
    mine->next = first;
  } while (!bucket.compare_exchange_strong(first, place));
  return at<char>(body);
}

}  // namespace shardwright
