// Owns a queue that keeps its memory: once as many have waited in it as ever will, nothing is allocated.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace shardwright {

template <typename T>
class RingQueue {
 public:
  bool empty() const { return count_ == 0; }
  T& front() { return ring_[first_]; }

  void push(T value) {
    if (count_ == ring_.size()) {
      std::vector<T> larger(ring_.size() * 2 + 4);
      for (size_t i = 0; i < count_; ++i) larger[i] = std::move(ring_[(first_ + i) % ring_.size()]);
      ring_ = std::move(larger);
      first_ = 0;
    }
    ring_[(first_ + count_++) % ring_.size()] = std::move(value);
  }

  T pop() {
    T value = std::move(ring_[first_]);
    first_ = (first_ + 1) % ring_.size();
    --count_;
    return value;
  }

 private:
  std::vector<T> ring_;
  size_t first_ = 0, count_ = 0;
};

}  // namespace shardwright
