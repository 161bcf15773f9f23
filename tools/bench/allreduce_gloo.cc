#include <gloo/allreduce.h>
#include <gloo/allreduce_halving_doubling.h>
#include <gloo/allreduce_ring_chunked.h>
#include <gloo/barrier.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

#include "tools/bench/allreduce_bench.h"

namespace shardwright {
namespace {

class GlooAllReducer final : public AllReducer {
 public:
  GlooAllReducer(int rank, int size, const std::string& folder, std::string algorithm)
      : algorithm_(std::move(algorithm)),
        store_(folder),
        context_(std::make_shared<gloo::rendezvous::Context>(rank, size)) {
    auto device = gloo::transport::tcp::CreateDevice("127.0.0.1");
    context_->connectFullMesh(store_, device);
  }

  // The older algorithms, which sum in place, are not charged for bringing the block there.
  Summing prepare(const float* from, float* into, int64_t count) override {
    std::vector<float*> data = {into};
    int elements = static_cast<int>(count);
    if (algorithm_ == "ring_chunked") {
      auto made = std::make_shared<gloo::AllreduceRingChunked<float>>(context_, data, elements);
      return [made] { made->run(); };
    }
    if (algorithm_ == "halving_doubling") {
      auto made = std::make_shared<gloo::AllreduceHalvingDoubling<float>>(context_, data, elements);
      return [made] { made->run(); };
    }
    auto options = std::make_shared<gloo::AllreduceOptions>(context_);
    options->setAlgorithm(algorithm_ == "bcube" ? gloo::AllreduceOptions::Algorithm::BCUBE
                                                : gloo::AllreduceOptions::Algorithm::RING);
    options->setInput(const_cast<float*>(from), static_cast<size_t>(count));
    options->setOutput(into, static_cast<size_t>(count));
    void (*sum)(void*, const void*, const void*, size_t) = &gloo::sum<float>;
    options->setReduceFunction(sum);
    return [options] { gloo::allreduce(*options); };
  }

  void barrier() override {
    gloo::BarrierOptions options(context_);
    gloo::barrier(options);
  }

 private:
  const std::string algorithm_;
  gloo::rendezvous::FileStore store_;
  std::shared_ptr<gloo::rendezvous::Context> context_;
};

}  // namespace

std::unique_ptr<AllReducer> makeGlooAllReducer(int rank, int size, const std::string& storeFolder,
                                               const std::string& algorithm) {
  return std::make_unique<GlooAllReducer>(rank, size, storeFolder, algorithm);
}

}  // namespace shardwright
