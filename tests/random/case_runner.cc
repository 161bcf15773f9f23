#include "tests/random/case_runner.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "passes/pipeline.h"
#include "runtime/base/tensor_file.h"
#include "runtime/plan/report.h"
#include "runtime/session/check.h"
#include "runtime/session/data_dir.h"
#include "runtime/session/session.h"
#include "tests/random/refusals.h"

namespace shardwright {
namespace {

struct TemporaryFolder {
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "random-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

using Runs = std::vector<std::vector<HostTensor>>;  // by sizes, by output

std::string modelsFolder() { return SHARDWRIGHT_SOURCE_DIR "/tests/models/"; }

int numRuns(const RandomCase& made) {
  if (made.given.empty()) return static_cast<int>(made.sizes.size());
  int count = 0;
  while (std::filesystem::exists(modelsFolder() + made.given + "/test_data_set_" + std::to_string(count))) ++count;
  return count;
}

StatusOr<std::vector<HostTensor>> inputsOf(const RandomCase& made, const Session& session, int run) {
  if (!made.given.empty())
    return readInputs(modelsFolder() + made.given + "/test_data_set_" + std::to_string(run), session.inputs());
  std::vector<HostTensor> inputs;
  for (const PortDescription& port : session.inputs())
    for (const CaseValue& value : made.inputs)
      if (value.name == port.name) {
        SW_ASSIGN_OR_RETURN(inputs.emplace_back(), fill(value, made.sizes[static_cast<size_t>(run)]));
      }
  return inputs;
}

// What the rank that needs most holds at the assumed sizes.
StatusOr<int64_t> neededBytes(const plan::Plan& plan) {
  SW_ASSIGN_OR_RETURN(const PlanReport report, reportPlan(plan, ""));
  int64_t most = 0;
  for (const RankReport& rank : report.ranks) most = std::max(most, rank.memory.totalBytes());
  return most;
}

// The plan goes to `folder`/plan. No mesh: one device.
StatusOr<plan::Plan> compileCase(const RandomCase& made, const std::string& folder, const std::string& mesh) {
  CompileOptions options;
  options.modelPath = made.given.empty() ? folder + "/model.onnx" : modelsFolder() + made.given + "/model.onnx";
  options.outputFolder = folder + "/plan";
  options.mesh = mesh;
  if (mesh.empty()) return compile(options);
  options.microbatches = made.microbatches;
  options.schedule = made.schedule;
  options.shardSpec = folder + "/spec.json";
  write(options.shardSpec, made.spec());
  StatusOr<plan::Plan> plan = compile(options);
  if (!plan.ok() || made.memoryPercent == 0) return plan;
  SW_ASSIGN_OR_RETURN(const int64_t needed, neededBytes(*plan));
  options.memoryLimit = std::max<int64_t>(1, needed * made.memoryPercent / 100);
  plan = compile(options);
  if (!plan.ok()) return plan;
  SW_ASSIGN_OR_RETURN(const int64_t held, neededBytes(*plan));
  if (held > options.memoryLimit)
    return internalError("a rank holds " + std::to_string(held) + " bytes, beyond the limit of " +
                         std::to_string(options.memoryLimit));
  return plan;
}

StatusOr<Runs> runPlan(const RandomCase& made, const std::string& folder) {
  SessionOptions options;
  options.threadsPerRank = 1;
  options.timeout = std::chrono::seconds(20);
  SW_ASSIGN_OR_RETURN(auto session, Session::open(folder + "/plan", options));
  Runs runs;
  for (int run = 0; run < numRuns(made); ++run) {
    SW_ASSIGN_OR_RETURN(const std::vector<HostTensor> inputs, inputsOf(made, *session, run));
    SW_ASSIGN_OR_RETURN(runs.emplace_back(), session->run(inputs));
  }
  return runs;
}

std::string dimsText(const std::vector<int64_t>& dims) {
  std::string text = "[";
  for (int64_t dim : dims) text += (text.size() > 1 ? "," : "") + std::to_string(dim);
  return text + "]";
}

// The dims are what the generator knew of them.
std::string wrongDims(const RandomCase& made, const Runs& runs) {
  if (!made.given.empty()) return "";
  for (size_t run = 0; run < runs.size(); ++run)
    for (size_t i = 0; i < made.outputs.size(); ++i) {
      std::vector<int64_t> dims;
      for (Expr dim : made.find(made.outputs[i].name)->dims) dims.push_back(*dim.evaluate(made.sizes[run]));
      if (runs[run][i].dims != dims)
        return made.outputs[i].name + " has dims " + dimsText(runs[run][i].dims) + ", not " + dimsText(dims);
    }
  return "";
}

// Of outputs of exact or bounded error; those of given models are compared as shardrun compares.
std::string difference(const RandomCase& made, const Runs& sharded, const Runs& whole) {
  for (size_t run = 0; run < whole.size(); ++run)
    for (size_t i = 0; i < whole[run].size(); ++i) {
      const HostTensor &a = sharded[run][i], &b = whole[run][i];
      const std::string name = made.given.empty() ? made.outputs[i].name : "output " + std::to_string(i);
      const std::string where = name + " in run " + std::to_string(run);
      Tolerance tolerance;
      if (made.given.empty()) tolerance = {0, made.outputs[i].tolerance};
      const Comparison comparison = compare(a, b, tolerance);
      if (comparison.ok()) continue;
      if (!comparison.mismatch.empty()) return where + ": " + comparison.mismatch;
      const int64_t e = comparison.firstWrong;
      const double x = elementAsDouble(a.dtype, a.bytes.get(), e), y = elementAsDouble(b.dtype, b.bytes.get(), e);
      return where + ": element " + std::to_string(e) + " of " + dimsText(b.dims) + " is " + std::to_string(x) +
             ", whole it is " + std::to_string(y);
    }
  return "";
}

void keepData(const RandomCase& made, const Runs& whole, const std::string& folder) {
  for (size_t run = 0; run < whole.size(); ++run) {
    const std::string data = folder + "/test_data_set_" + std::to_string(run);
    std::filesystem::create_directories(data);
    auto keep = [&](const char* kind, size_t i, const std::string& name, const HostTensor& tensor) {
      const Status status = writeTensorProto(data + "/" + kind + "_" + std::to_string(i) + ".pb", tensor, name);
      if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
    };
    for (size_t i = 0; i < made.inputs.size(); ++i)
      keep("input", i, made.inputs[i].name, *fill(made.inputs[i], made.sizes[run]));
    for (size_t i = 0; i < made.outputs.size(); ++i) keep("output", i, made.outputs[i].name, whole[run][i]);
  }
}

}  // namespace

Outcome runCase(const RandomCase& original, const std::string& keep) {
  RandomCase made = original;
  TemporaryFolder folder;
  if (made.given.empty()) {
    const auto model = made.model();
    if (!model.ok()) return {Verdict::kWholeFails, model.status().message()};
    write(folder.path + "/model.onnx", *model);
  }
  const auto one = compileCase(made, folder.path, "");
  if (!one.ok()) return {Verdict::kWholeFails, one.status().message()};
  const auto whole = runPlan(made, folder.path);
  if (!whole.ok()) return {Verdict::kWholeFails, whole.status().message()};
  if (std::string wrong = wrongDims(made, *whole); !wrong.empty()) return {Verdict::kWholeFails, wrong};
  if (!keep.empty()) {
    std::filesystem::create_directories(keep);
    std::filesystem::copy(folder.path + "/model.onnx", keep + "/model.onnx");
    write(keep + "/case.txt", made.str());
    keepData(made, *whole, keep);
  }
  std::string refusals;
  auto plan = compileCase(made, folder.path, made.mesh);
  while (!plan.ok() && plan.status().code() == StatusCode::kUserError && dropRefused(made, plan.status().message())) {
    refusals += plan.status().message() + "\n";
    plan = compileCase(made, folder.path, made.mesh);
  }
  if (!plan.ok()) return {Verdict::kShardedFails, plan.status().message()};
  const auto sharded = runPlan(made, folder.path);
  if (!sharded.ok()) return {Verdict::kShardedFails, sharded.status().message()};
  if (std::string wrong = difference(made, *sharded, *whole); !wrong.empty()) return {Verdict::kDiffers, wrong};
  return {refusals.empty() ? Verdict::kEqual : Verdict::kEqualButForRefusals, refusals};
}

namespace {

struct Child {
  size_t index = 0;
  pid_t pid = 0;
  int pipe = -1;
  std::chrono::steady_clock::time_point end;
  std::string text;
};

Child start(const RandomCase& made, size_t index, const Isolation& isolation) {
  int ends[2];
  Child child;
  child.index = index;
  if (pipe(ends) != 0) return child;
  child.pipe = ends[0];
  child.end = std::chrono::steady_clock::now() + isolation.deadline;
  child.pid = fork();
  if (child.pid == 0) {
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);  // what an assertion says is part of the outcome
    const Outcome outcome = runCase(made, isolation.keep.empty() ? "" : isolation.keep + "/" + std::to_string(index));
    const std::string text = "\n#" + std::to_string(static_cast<int>(outcome.verdict)) + outcome.message;
    const ssize_t written = ::write(ends[1], text.data(), text.size());
    _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  return child;
}

// Reads what there is; whether the child has closed its end.
bool readSome(Child& child) {
  char buffer[4096];
  const ssize_t count = read(child.pipe, buffer, sizeof buffer);
  if (count > 0) child.text.append(buffer, static_cast<size_t>(count));
  return count <= 0;
}

Outcome outcomeOf(const Child& child, bool isLate) {
  if (isLate) kill(child.pid, SIGKILL);
  int status = 0;
  waitpid(child.pid, &status, 0);
  close(child.pipe);
  if (isLate) return {Verdict::kHangs, "no end before the deadline; it said: " + child.text};
  const size_t mark = child.text.rfind("\n#");
  if (mark == std::string::npos || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return {Verdict::kCrashes, "status " + std::to_string(status) + "; it said: " + child.text};
  return {static_cast<Verdict>(child.text[mark + 2] - '0'), child.text.substr(mark + 3)};
}

}  // namespace

void runIsolated(const std::vector<RandomCase>& cases, const Isolation& isolation,
                 const std::function<void(size_t, const Outcome&)>& done) {
  std::vector<Child> running;
  size_t next = 0;
  while (next < cases.size() || !running.empty()) {
    while (next < cases.size() && static_cast<int>(running.size()) < isolation.numAtOnce) {
      running.push_back(start(cases[next], next, isolation));
      ++next;
    }
    std::vector<pollfd> polled;
    for (const Child& child : running) polled.push_back({child.pipe, POLLIN, 0});
    poll(polled.data(), polled.size(), 1000);
    for (size_t i = running.size(); i-- > 0;) {
      const bool hasEnded = polled[i].revents != 0 && readSome(running[i]);
      const bool isLate = !hasEnded && std::chrono::steady_clock::now() > running[i].end;
      if (!hasEnded && !isLate) continue;
      const Child child = running[i];
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
      done(child.index, outcomeOf(child, isLate));
    }
  }
}

Outcome runIsolated(const RandomCase& made) {
  Outcome outcome;
  runIsolated({made}, {}, [&](size_t, const Outcome& found) { outcome = found; });
  return outcome;
}

}  // namespace shardwright
