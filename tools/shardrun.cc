// shardrun: runs a plan on the ranks of this machine. What is run and said, and exit statuses; everything else is runtime/session.
#include <unistd.h>

#include <chrono>
#include <iostream>

#include "runtime/base/file.h"
#include "runtime/comm/processes/launch.h"
#include "runtime/session/check.h"
#include "runtime/session/data_dir.h"
#include "runtime/session/run_progress.h"
#include "runtime/session/run_report.h"
#include "runtime/session/session.h"
#include "runtime/session/trace_file.h"
#include "runtime/session/trace_report.h"
#include "tools/shardrun_options.h"

namespace shardwright {
namespace {

Status run(ShardrunOptions& options) {
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
  if (options.session.processes) report.transport = options.session.processes->transportName();
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
int runAndReport(ShardrunOptions& options, const Status& asked) {
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
  ShardrunCommand command = parseShardrun(argc, argv);
  if (command.said) {  // one process of a job says it
    if (launchedJob().process <= 0) std::cout << *command.said;
    return 0;
  }
  // A rank that never returned (the failure says so) must not keep the program from ending.
  _exit(runAndReport(command.options, command.asked));
}
