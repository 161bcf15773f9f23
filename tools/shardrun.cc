// shardrun: runs a plan on the ranks of this machine. Options and exit statuses; everything else is runtime/session.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "runtime/base/file.h"
#include "runtime/comm/processes/launch.h"
#include "runtime/session/check.h"
#include "runtime/session/data_dir.h"
#include "runtime/session/run_progress.h"
#include "runtime/session/run_report.h"
#include "runtime/session/session.h"
#include "runtime/session/trace_file.h"
#include "runtime/session/trace_report.h"

namespace shardwright {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  shardrun gpt2.plan --data test_data_set_0 --check     compare with the outputs there\n"
    "  shardrun gpt2.plan --data set --outputs out           write out/output_0.pb, …\n"
    "  shardrun gpt2.plan --warmup 2 --repeat 7 --json t.json  time it on seeded random inputs\n"
    "  shardrun gpt2.plan --warmup 2 --trace t.json          what every rank did when\n"
    "  mpirun -n 4 shardrun gpt2.plan --data set --check     its ranks in four processes\n"
    "Exit status: 0 done; 1 a check failed; 2 the input is wrong; 3 the environment failed.\n";

struct Options {
  std::string plan, data, outputs, json, trace, dumpValues, world = "auto";
  SessionOptions session;
  double timeoutSeconds = 60;
  bool check = false;
  Tolerance tolerance;
  int repeat = 1, warmup = 0;
  uint64_t seed = 0;
};

void declare(CLI::App& app, Options& options) {
  app.footer(kExamples);
  app.set_version_flag("--version", "shardrun " SHARDWRIGHT_VERSION);
  app.add_option("PLAN", options.plan, "the folder that shardc wrote")->required();
  app.add_option("--device", options.session.device, "cpu or cuda")->capture_default_str();
  app.add_option("--data", options.data, "folder with input_0.pb, … or NAME.npy; random inputs without it");
  app.add_option("--outputs", options.outputs, "folder to write output_0.pb, … to");
  app.add_flag("--check", options.check, "compare with output_0.pb, … of --data; exit 1 past the tolerance");
  app.add_option("--rtol", options.tolerance.relative, "relative tolerance of --check")->capture_default_str();
  app.add_option("--atol", options.tolerance.absolute, "absolute tolerance of --check")->capture_default_str();
  app.add_option("--repeat", options.repeat, "timed runs")->check(CLI::Range(1, 1000000))->capture_default_str();
  app.add_option("--warmup", options.warmup, "runs before them")->check(CLI::Range(0, 1000000))->capture_default_str();
  app.add_option("--threads-per-rank", options.session.threadsPerRank, "default: the cores divided among the ranks")
      ->check(CLI::Range(1, 4096));
  app.add_option("--timeout", options.timeoutSeconds, "seconds that a rank waits for another")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  app.add_option("--world", options.world,
                 "local: all ranks in this process; mpi: in those that mpirun or srun started; "
                 "auto: mpi where they started several")
      ->check(CLI::IsMember({"auto", "local", "mpi"}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the random inputs")->capture_default_str();
  app.add_option("--json", options.json, "file to write times, memory and errors to");
  app.add_option("--trace", options.trace,
                 "file for the timed runs' steps on every rank, for chrome://tracing or Perfetto");
  app.add_option("--dump-values", options.dumpValues, "folder for every value of the model (not built yet)");
}

Status checkOptions(Options& options) {
  options.session.trace = !options.trace.empty();
  if (!options.dumpValues.empty()) return userError("--dump-values is not built yet; leave it out");
  if (options.check && options.data.empty()) return userError("--check needs --data, a folder with expected outputs");
  options.session.timeout = std::chrono::milliseconds(static_cast<int64_t>(options.timeoutSeconds * 1e3));
  return Status();
}

Status run(Options& options) {
  SW_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::open(options.plan, options.session));
  std::vector<HostTensor> inputs, outputs;
  std::vector<std::optional<HostTensor>> expected;
  if (options.data.empty()) {
    inputs = randomInputs(session->inputs(), options.seed);
  } else {
    SW_ASSIGN_OR_RETURN(inputs, readInputs(options.data, session->inputs()));
  }
  if (options.check) {
    SW_ASSIGN_OR_RETURN(expected, readExpectedOutputs(options.data, session->outputs()));
  }
  RunReport report;
  for (const PortDescription& output : session->outputs()) report.outputs.push_back(output.name);
  // Of several processes, the first one has it all.
  bool reports = !options.session.processes || options.session.processes->process() == 0;
  RunProgress progress(options.warmup + options.repeat);
  for (int i = 0; i < options.warmup + options.repeat; ++i) {
    auto began = std::chrono::steady_clock::now();
    SW_RETURN_IF_ERROR(session->run(inputs, outputs));
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    if (i >= options.warmup) report.seconds.push_back(took.count());
    if (i + 1 == options.warmup) session->clearTrace();
    if (reports) std::cerr << progress.after(i + 1);
  }
  if (!reports) return Status();
  Status checked;
  if (options.check) {
    checked = checkOutputs(report.outputs, outputs, expected, options.tolerance, &report.comparisons);
  }
  report.ranks = session->stats();
  std::cout << reportText(report, session->plan());
  if (!options.trace.empty()) {
    Trace trace = session->trace();
    std::cout << traceSummary(reportTrace(session->plan(), trace));
    SW_RETURN_IF_ERROR(writeFileAtomically(options.trace, traceJson(session->plan(), trace)));
  }
  if (!options.outputs.empty()) SW_RETURN_IF_ERROR(writeOutputs(options.outputs, session->outputs(), outputs));
  if (!options.json.empty()) SW_RETURN_IF_ERROR(writeFileAtomically(options.json, reportJson(report)));
  return checked;
}

int exitStatus(const Status& status) {
  // In one piece, for mpirun puts together what several programs write.
  if (!status.ok()) std::cerr << "shardrun: " + status.message() + "\n";
  return static_cast<int>(status.code());
}

// All processes of a job end alike, and one of them says how. `asked` is what is wrong with the command line.
int runAndReport(Options& options, const Status& asked) {
  ProcessLink::Ending ending;
  ending.tell = [](const Status& reason) { exitStatus(reason); };
  ending.exit = [](StatusCode code) { _exit(static_cast<int>(code)); };
  std::unique_ptr<ProcessLink> link = joinProcesses(options.world, options.session.timeout, ending);
  options.session.processes = link.get();
  Status ended = asked;
  if (ended.ok() && !(link && link->failed())) ended = run(options);
  std::cout.flush();
  if (!std::cout && ended.ok()) ended = environmentError("standard output: cannot be written");
  if (!link) return exitStatus(ended);
  (void)link->settle(ended);
  return static_cast<int>(link->leave().code());
}

}  // namespace
}  // namespace shardwright

int main(int argc, char** argv) {
  using namespace shardwright;
  Options options;
  CLI::App app("Runs a plan on the ranks of this machine.", "shardrun");
  declare(app, options);
  Status asked;
  try {
    app.parse(argc, argv);
    asked = checkOptions(options);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, wrong;
    if (app.exit(error, out, wrong) == 0) {  // help, or the version: one process of a job says it
      if (launchedJob().process <= 0) std::cout << out.str();
      return 0;
    }
    asked = userError(std::string(error.what()) + "; shardrun --help says what is allowed");
  }
  // A rank that never returned (the failure says so) must not keep the program from ending.
  _exit(runAndReport(options, asked));
}
