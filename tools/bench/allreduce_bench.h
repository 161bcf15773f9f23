// Owns what the ways of summing float32 blocks over processes look like to the benchmark that times them. It times nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace shardwright {

// One rank's end: sums `from` of all ranks into `into`, both of `count` floats, which stay where they are.
using Summing = std::function<void()>;

class AllReducer {
 public:
  virtual ~AllReducer() = default;
  virtual Summing prepare(const float* from, float* into, int64_t count) = 0;
  virtual void barrier() = 0;
};

// Each of them ends the program where it cannot be had. gloo's algorithms: ring, bcube, ring_chunked, halving_doubling.
std::unique_ptr<AllReducer> makeMpiAllReducer();
std::unique_ptr<AllReducer> makeGlooAllReducer(int rank, int size, const std::string& storeFolder,
                                               const std::string& algorithm);

}  // namespace shardwright
