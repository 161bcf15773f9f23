#include "runtime/session/session.h"

#include <atomic>
#include <fstream>

#include "runtime/session/run_report.h"
#include "tests/unit/runtime/exec/run_ranks.h"
#include "tests/unit/runtime/exec/two_layer_plan.h"

namespace shardwright {
namespace {

using std::chrono::milliseconds;

std::vector<HostTensor> inputOf(int64_t batch) {
  std::vector<HostTensor> inputs;
  inputs.push_back(HostTensor::make(DType::kFloat32, {batch, 4}));
  std::vector<float> x = TwoLayerPlan::someInput(batch);
  std::copy(x.begin(), x.end(), inputs[0].as<float>());
  return inputs;
}

void expectResult(const HostTensor& y, int64_t batch) {
  ASSERT_EQ(y.dims, (std::vector<int64_t>{batch, 5}));
  std::vector<float> expected = TwoLayerPlan::expected(TwoLayerPlan::someInput(batch), batch);
  for (int64_t i = 0; i < batch * 5; ++i) ASSERT_EQ(y.as<float>()[i], expected[static_cast<size_t>(i)]) << i;
}

TEST(Session, runs_with_other_shapes_each_time_and_reuses_outputs) {
  for (int64_t tp : {1, 2, 4}) {
    std::string folder = testFolder();
    TwoLayerPlan built(folder, tp);
    auto session = Session::open(folder);
    ASSERT_TRUE(session.ok()) << session.status().message();
    EXPECT_EQ((*session)->numRanks(), tp);
    std::vector<HostTensor> outputs;
    for (int64_t batch : {3, 7, 3, 0, 64}) {
      Status run = (*session)->run(inputOf(batch), outputs);
      ASSERT_TRUE(run.ok()) << run.message();
      expectResult(outputs[0], batch);
    }
    const void* before = outputs[0].bytes.get();
    ASSERT_TRUE((*session)->run(inputOf(64), outputs).ok());
    EXPECT_EQ(outputs[0].bytes.get(), before);
    std::vector<RankStats> stats = (*session)->stats();
    ASSERT_EQ(stats.size(), static_cast<size_t>(tp));
    EXPECT_EQ(stats[0].collectiveBytes[0], 64 * 5 * 4);
  }
}

TEST(Session, describes_inputs_and_outputs) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 2);
  auto session = Session::open(folder);
  ASSERT_TRUE(session.ok()) << session.status().message();
  EXPECT_EQ((*session)->inputs()[0].name, "x");
  EXPECT_EQ((*session)->inputs()[0].dims, (std::vector<std::string>{"batch", "4"}));
  EXPECT_EQ((*session)->inputs()[0].assumedDims, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ((*session)->outputs()[0].dtype, DType::kFloat32);
}

TEST(Session, a_refused_input_leaves_it_usable) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 2);
  auto session = Session::open(folder);
  ASSERT_TRUE(session.ok()) << session.status().message();
  std::vector<HostTensor> outputs;
  Status refused = (*session)->run(inputOf(65), outputs);
  EXPECT_EQ(refused.code(), StatusCode::kUserError);
  EXPECT_NE(refused.message().find("'batch' is 65; this plan takes at most 64"), std::string::npos);
  auto x = inputOf(3);
  HostTensor y = HostTensor::make(DType::kFloat32, {3, 4});
  refused = (*session)->run({TensorView::of(x[0])}, {TensorView::of(y)});
  EXPECT_NE(refused.message().find("found room for float32 [3, 4]; the result is float32 [3, 5]"), std::string::npos)
      << refused.message();
  ASSERT_TRUE((*session)->run(inputOf(3), outputs).ok());
  expectResult(outputs[0], 3);
}

TEST(Session, what_this_machine_lacks_is_said) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 1);
  built.plan.mutable_target()->add_features("avx2");
  built.plan.mutable_target()->add_features("made-up-feature");
  ASSERT_TRUE(savePlan(folder, built.plan).ok());
  auto session = Session::open(folder);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), StatusCode::kEnvironment);
  EXPECT_NE(session.status().message().find("made-up-feature"), std::string::npos);
  EXPECT_NE(session.status().message().find("--target cpu:"), std::string::npos);
  SessionOptions options;
  options.device = "cuda";
  EXPECT_EQ(Session::open(folder, options).status().code(), StatusCode::kEnvironment);
}

// Weights of four ranks, of which each file is a hole of 4 TiB.
TEST(Session, weights_that_this_machine_cannot_hold_are_not_read) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 4);
  for (plan::Section& section : *built.plan.mutable_sections()) {
    std::filesystem::resize_file(folder + "/" + section.file(), uint64_t{1} << 42);
    section.set_bytes(uint64_t{1} << 42);
  }
  ASSERT_TRUE(savePlan(folder, built.plan).ok());
  auto session = Session::open(folder);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), StatusCode::kEnvironment);
  EXPECT_NE(session.status().message().find("the weights of its 4 ranks take 35184372088832 bytes"), std::string::npos)
      << session.status().message();
  EXPECT_NE(session.status().message().find("smaller mesh"), std::string::npos);
}

TEST(Session, no_plan_and_a_rank_that_cannot_load) {
  std::string folder = testFolder();
  EXPECT_EQ(Session::open(folder + "/none").status().code(), StatusCode::kUserError);
  TwoLayerPlan built(folder, 3);
  {
    std::fstream file(folder + "/weights/rows-2.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x55');
  }
  auto session = Session::open(folder);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), StatusCode::kUserError);
  EXPECT_NE(session.status().message().find("rank 2 (tp=2)"), std::string::npos) << session.status().message();
  EXPECT_NE(session.status().message().find("damaged"), std::string::npos);
}

// Stands between one rank and its world: what the rank sends and its collectives fail, or come late.
enum class Mishap { kFail, kStall };

class BadCommunicator : public Communicator {
 public:
  BadCommunicator(std::unique_ptr<Communicator> inner, Mishap mishap, std::atomic<int>* left)
      : inner_(std::move(inner)), mishap_(mishap), left_(left) {}
  int size() const override { return inner_->size(); }
  int index() const override { return inner_->index(); }
  Status prepare(const Collective& collective) override { return inner_->prepare(collective); }
  Status start(const Collective& collective) override {
    if (left_->fetch_sub(1) > 0) return inner_->start(collective);
    if (mishap_ == Mishap::kFail) return environmentError(collective.name + ": the cable is cut");
    std::this_thread::sleep_for(milliseconds(700));
    return inner_->start(collective);
  }
  Status wait() override { return inner_->wait(); }

 private:
  std::unique_ptr<Communicator> inner_;
  Mishap mishap_;
  std::atomic<int>* left_;
};

class BadWorld : public World {
 public:
  BadWorld(std::unique_ptr<World> inner, Mishap mishap, std::atomic<int>* left)
      : inner_(std::move(inner)), mishap_(mishap), left_(left) {}
  int size() const override { return inner_->size(); }
  int rank() const override { return inner_->rank(); }
  StatusOr<std::unique_ptr<Communicator>> group(const std::vector<int>& ranks, const std::string& name) override {
    SW_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> group, inner_->group(ranks, name));
    return std::unique_ptr<Communicator>(new BadCommunicator(std::move(group), mishap_, left_));
  }
  Status send(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) override {
    if (left_->fetch_sub(1) <= 0) {
      if (mishap_ == Mishap::kFail) return environmentError(name + ": the cable is cut");
      std::this_thread::sleep_for(milliseconds(700));
    }
    return inner_->send(peer, channel, block, dtype, name);
  }
  Status receive(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) override {
    return inner_->receive(peer, channel, block, dtype, name);
  }
  void abort(const Status& reason) override { inner_->abort(reason); }
  void setDeadline(milliseconds perWait) override { inner_->setDeadline(perWait); }

 private:
  std::unique_ptr<World> inner_;
  Mishap mishap_;
  std::atomic<int>* left_;
};

// Stage 0 passes x on to stage 1, which passes it back to be y.
struct TwoStagePlan : PlanBuilder {
  explicit TwoStagePlan(const std::string& folder) {
    axis("pp", 2);
    symbol("batch", 64);
    uint32_t x = input("x", DType::kFloat32, {"batch", "4"}), y = output("y", DType::kFloat32, {"batch", "4"});
    auto* first = program("first");
    uint32_t in = buffer(first, "x", plan::Buffer::INPUT, DType::kFloat32, "4*batch", x);
    uint32_t back = buffer(first, "back", plan::Buffer::TEMPORARY, DType::kFloat32, "4*batch", 0, 1, 2);
    uint32_t out = buffer(first, "y", plan::Buffer::OUTPUT, DType::kFloat32, "4*batch", y);
    transfer(first, "down", true, 1, view(first, in, {"batch", "4"}));
    transfer(first, "up", false, 1, view(first, back, {"batch", "4"}));
    kernel(first, "copy", "write", {view(first, back, {"batch", "4"})}, {view(first, out, {"batch", "4"})});
    auto* second = program("second");
    uint32_t here = buffer(second, "here", plan::Buffer::TEMPORARY, DType::kFloat32, "4*batch", 0, 0, 1);
    transfer(second, "from above", false, 0, view(second, here, {"batch", "4"}));
    transfer(second, "back up", true, 0, view(second, here, {"batch", "4"}));
    auto* entry = plan.add_entries();
    entry->set_name("main");
    entry->add_stages()->add_chunks(0);
    entry->add_stages()->add_chunks(1);
    if (!savePlan(folder, plan).ok()) std::abort();
  }

 private:
  void transfer(plan::Program* program, const std::string& name, bool send, int peer, const plan::View& view) {
    auto* what = step(program, name)->mutable_transfer();
    what->set_send(send);
    what->set_channel(send == (peer == 1) ? 4 : 5);  // 4 goes down, 5 comes up
    what->set_peer(expr(std::to_string(peer)));
    *what->mutable_view() = view;
  }
};

// Runs twice; the second time, rank 1 has the mishap. Returns what the second run says. A rank that is left to
// itself goes on using what it was given, which therefore stays.
Status runWith(Mishap mishap, const std::string& folder, milliseconds timeout) {
  struct Given {
    std::atomic<int> left{1};
    std::vector<HostTensor> inputs = inputOf(3), outputs;
  };
  static auto& given = *new std::vector<std::unique_ptr<Given>>();
  given.push_back(std::make_unique<Given>());
  auto& [left, inputs, outputs] = *given.back();
  std::atomic<int>* countdown = &left;
  SessionOptions options;
  options.timeout = timeout;
  options.wrapWorld = [=](std::unique_ptr<World> world) -> std::unique_ptr<World> {
    if (world->rank() != 1) return world;
    return std::make_unique<BadWorld>(std::move(world), mishap, countdown);
  };
  auto session = Session::open(folder, options);
  EXPECT_TRUE(session.ok()) << session.status().message();
  Status first = (*session)->run(inputs, outputs);
  EXPECT_TRUE(first.ok()) << first.message();
  Status second = (*session)->run(inputs, outputs);
  Status third = (*session)->run(inputs, outputs);
  EXPECT_EQ(third.message(), second.message());
  return second;
}

TEST(Session, a_failing_rank_is_named_and_nobody_hangs) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 3);
  Status status = runWith(Mishap::kFail, folder, std::chrono::seconds(60));
  EXPECT_EQ(status.code(), StatusCode::kEnvironment);
  EXPECT_EQ(status.message(), "rank 1 (tp=1): step sum (node /node/sum), tensor 'y': the cable is cut");
}

TEST(Session, a_stalling_rank_is_named_and_nobody_hangs) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 3);
  Status status = runWith(Mishap::kStall, folder, milliseconds(100));
  EXPECT_EQ(status.code(), StatusCode::kEnvironment);
  for (const char* text : {"step sum", "tensor 'y'", "rank 1 has not come", "--timeout"}) {
    EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
  }
  std::this_thread::sleep_for(milliseconds(800));  // what was left to itself ends before the test program
}

TEST(Session, a_stage_that_fails_to_send_is_named_and_nobody_hangs) {
  std::string folder = testFolder();
  TwoStagePlan built(folder);
  Status status = runWith(Mishap::kFail, folder, std::chrono::seconds(60));
  EXPECT_EQ(status.code(), StatusCode::kEnvironment);
  for (const char* text : {"rank 1 (pp=1): step back up (node /node/back up)", "the cable is cut"}) {
    EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
  }
}

TEST(Session, a_stage_that_stalls_is_named_and_nobody_hangs) {
  std::string folder = testFolder();
  TwoStagePlan built(folder);
  Status status = runWith(Mishap::kStall, folder, milliseconds(100));
  EXPECT_EQ(status.code(), StatusCode::kEnvironment);
  for (const char* text : {"rank 0 (pp=0): step up", "rank 1", "--timeout"}) {
    EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
  }
  std::this_thread::sleep_for(milliseconds(800));
}

TEST(Session, report_has_the_fixed_keys) {
  std::string folder = testFolder();
  TwoLayerPlan built(folder, 2);
  auto session = Session::open(folder);
  ASSERT_TRUE(session.ok()) << session.status().message();
  std::vector<HostTensor> outputs;
  ASSERT_TRUE((*session)->run(inputOf(3), outputs).ok());
  RunReport report;
  report.seconds = {0.3, 0.1, 0.2};
  report.ranks = (*session)->stats();
  report.outputs = {"y"};
  report.comparisons.resize(1);
  report.comparisons[0] = Comparison{0.5, 0.25, 0, -1, ""};
  EXPECT_EQ(report.median(), 0.2);
  std::string json = reportJson(report);
  for (const char* key : {"\"seconds\"", "\"median\": 0.2", "\"peakBytes\"", "\"weightBytes\": 108",
                          "\"all-reduce\": 60", "\"name\": \"y\"", "\"maxAbsError\": 0.5", "\"maxRelError\": 0.25"}) {
    EXPECT_NE(json.find(key), std::string::npos) << key << " in " << json;
  }
  std::string text = reportText(report, (*session)->plan());
  EXPECT_NE(text.find("3 runs: median 200.000 ms, min 100.000 ms"), std::string::npos) << text;
  EXPECT_NE(text.find("rank 1 (tp=1): weights"), std::string::npos) << text;
}

}  // namespace
}  // namespace shardwright
