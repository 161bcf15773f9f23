#include <gloo/allreduce.h>
#include <gloo/allreduce_halving_doubling.h>
#include <gloo/allreduce_ring_chunked.h>
#include <gloo/barrier.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/rendezvous/prefix_store.h>
#include <gloo/transport/tcp/device.h>

#include "tools/bench/allreduce_bench.h"

namespace shardwright {
namespace {

class GlooAllReducer final : public AllReducer {
 public:
  GlooAllReducer(int rank, int size, const std::string& folder, std::string algorithm)
      : algorithm_(std::move(algorithm)),
        rank_(rank),
        size_(size),
        store_(folder),
        device_(gloo::transport::tcp::CreateDevice("127.0.0.1")) {}

  // The older algorithms, which sum in place, are not charged for bringing the block there.
  Summing prepare(const float* from, float* into, int64_t count) override {
    connect();
    std::vector<float*> data = {into};
    int elements = static_cast<int>(count);
    if (algorithm_ == "ring_chunked") {
      auto made = std::make_shared<gloo::AllreduceRingChunked<float>>(contexts_.back(), data, elements);
      return keep(made);
    }
    if (algorithm_ == "halving_doubling") {
      auto made = std::make_shared<gloo::AllreduceHalvingDoubling<float>>(contexts_.back(), data, elements);
      return keep(made);
    }
    auto options = std::make_shared<gloo::AllreduceOptions>(contexts_.back());
    options->setAlgorithm(algorithm_ == "bcube" ? gloo::AllreduceOptions::Algorithm::BCUBE
                                                : gloo::AllreduceOptions::Algorithm::RING);
    options->setInput(const_cast<float*>(from), static_cast<size_t>(count));
    options->setOutput(into, static_cast<size_t>(count));
    void (*sum)(void*, const void*, const void*, size_t) = &gloo::sum<float>;
    options->setReduceFunction(sum);
    return [options] { gloo::allreduce(*options); };
  }

  void barrier() override {
    gloo::BarrierOptions options(contexts_.back());
    gloo::barrier(options);
  }

 private:
  // For each size anew: buffers of an earlier algorithm may still have something under way.
  void connect() {
    contexts_.push_back(std::make_shared<gloo::rendezvous::Context>(rank_, size_));
    gloo::rendezvous::PrefixStore store(std::to_string(contexts_.size()), store_);
    contexts_.back()->connectFullMesh(store, device_);
  }

  // Until the end: a peer may not have done with the buffers that belong to an algorithm.
  Summing keep(const std::shared_ptr<gloo::Algorithm>& made) {
    algorithms_.push_back(made);
    return [made] { made->run(); };
  }

  const std::string algorithm_;
  const int rank_, size_;
  gloo::rendezvous::FileStore store_;
  std::shared_ptr<gloo::transport::Device> device_;
  std::vector<std::shared_ptr<gloo::rendezvous::Context>> contexts_;
  std::vector<std::shared_ptr<gloo::Algorithm>> algorithms_;
};

}  // namespace

std::unique_ptr<AllReducer> makeGlooAllReducer(int rank, int size, const std::string& storeFolder,
                                               const std::string& algorithm) {
  return std::make_unique<GlooAllReducer>(rank, size, storeFolder, algorithm);
}

}  // namespace shardwright
