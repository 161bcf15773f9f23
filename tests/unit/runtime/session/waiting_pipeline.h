// Owns a pipeline for tests whose actions all take equally long on any machine, because their work is to wait, and the world
// that makes it so.
#pragma once

#include <chrono>
#include <thread>

#include "runtime/comm/communicator.h"
#include "runtime/plan/plan_io.h"
#include "runtime/plan/schedule.h"
#include "tests/unit/runtime/exec/plan_builder.h"

namespace shardwright {

// y = x [batch, 3], passed through stages × chunks parts. Each action receives, unless it begins the pipeline, works (a
// collective of its rank alone), and sends, unless it ends it.
struct WaitingPipeline : PlanBuilder {
  static constexpr const char* kPart = "3*batch.part";

  WaitingPipeline(const std::string& folder, const std::string& schedule, const ScheduleShape& shape) {
    axis("pp", shape.numRanks);
    axis("tp", 1);
    uint32_t alone = group({1});
    symbol("batch", 64);
    symbol("batch.part", 64);
    plan.mutable_symbols(1)->set_part_of("batch");
    plan.mutable_symbols(0)->set_assumed(shape.microbatches);
    plan.mutable_symbols(1)->set_assumed(1);
    input("x", DType::kFloat32, {"batch", "3"});
    output("y", DType::kFloat32, {"batch", "3"});
    plan.mutable_inputs(0)->set_microbatch_stride(expr("3"));
    plan.mutable_outputs(0)->set_microbatch_stride(expr("3"));
    int parts = shape.numRanks * shape.chunksPerRank;
    for (int part = 0; part < parts; ++part) addPart(part, parts, shape.numRanks, alone);
    auto* entry = plan.add_entries();
    entry->set_name("main");
    entry->set_schedule(schedule);
    entry->set_microbatches(static_cast<uint32_t>(shape.microbatches));
    entry->set_microbatch_symbol("batch");
    std::vector<ActionList> actions = std::move(*makeSchedule(schedule, shape));
    for (int rank = 0; rank < shape.numRanks; ++rank) {
      auto* stage = entry->add_stages();
      for (int chunk = 0; chunk < shape.chunksPerRank; ++chunk)
        stage->add_chunks(static_cast<uint32_t>(chunk * shape.numRanks + rank));
      for (const auto& action : actions[static_cast<size_t>(rank)]) *stage->add_actions() = action;
    }
    if (!savePlan(folder, plan).ok()) std::abort();
  }

 private:
  void addPart(int part, int parts, int ranks, uint32_t alone) {
    auto* p = program("part" + std::to_string(part));
    uint32_t h = buffer(p, "h" + std::to_string(part), plan::Buffer::TEMPORARY, DType::kFloat32, kPart, 0, 0, 2);
    if (part == 0) {
      uint32_t x = buffer(p, "x", plan::Buffer::INPUT, DType::kFloat32, "3*batch", 0);
      kernel(p, "copy", "load", {view(p, x, {kPart})}, {view(p, h, {kPart})});
    } else {
      transfer(p, "receive", part, (part - 1) % ranks, view(p, h, {kPart}));
    }
    collective(p, plan::CollectiveStep::ALL_REDUCE, "work", alone, view(p, h, {kPart}), view(p, h, {kPart}));
    if (part + 1 < parts) {
      transfer(p, "send", part + 1, (part + 1) % ranks, view(p, h, {kPart}));
    } else {
      uint32_t y = buffer(p, "y", plan::Buffer::OUTPUT, DType::kFloat32, "3*batch", 0);
      kernel(p, "copy", "store", {view(p, h, {kPart})}, {view(p, y, {kPart})});
    }
  }

  // The channel has the number of the part that receives.
  void transfer(plan::Program* program, const std::string& name, int channel, int peer, const plan::View& view) {
    auto* what = step(program, name)->mutable_transfer();
    what->set_send(name == "send");
    what->set_channel(static_cast<uint32_t>(channel));
    what->set_peer(expr(std::to_string(peer)));
    *what->mutable_view() = view;
  }
};

// Each collective takes that long.
class SlowCommunicator : public Communicator {
 public:
  SlowCommunicator(std::unique_ptr<Communicator> inner, std::chrono::milliseconds time)
      : inner_(std::move(inner)), time_(time) {}
  int size() const override { return inner_->size(); }
  int index() const override { return inner_->index(); }
  Status prepare(const Collective& collective) override { return inner_->prepare(collective); }
  Status start(const Collective& collective) override {
    std::this_thread::sleep_for(time_);
    return inner_->start(collective);
  }
  Status wait() override { return inner_->wait(); }

 private:
  std::unique_ptr<Communicator> inner_;
  std::chrono::milliseconds time_;
};

class SlowWorld : public World {
 public:
  SlowWorld(std::unique_ptr<World> inner, std::chrono::milliseconds time) : inner_(std::move(inner)), time_(time) {}
  int size() const override { return inner_->size(); }
  int rank() const override { return inner_->rank(); }
  StatusOr<std::unique_ptr<Communicator>> group(const std::vector<int>& ranks, const std::string& name) override {
    SW_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> group, inner_->group(ranks, name));
    return std::unique_ptr<Communicator>(new SlowCommunicator(std::move(group), time_));
  }
  Status send(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) override {
    return inner_->send(peer, channel, block, dtype, name);
  }
  Status receive(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) override {
    return inner_->receive(peer, channel, block, dtype, name);
  }
  void abort(const Status& reason) override { inner_->abort(reason); }
  void setDeadline(std::chrono::milliseconds perWait) override { inner_->setDeadline(perWait); }

 private:
  std::unique_ptr<World> inner_;
  std::chrono::milliseconds time_;
};

}  // namespace shardwright
