// shardview: says what is in a plan. Exit status: 0 done, 1 a verification failed, 2 the input is wrong, 3 the environment.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "runtime/base/file.h"
#include "runtime/exec/kernel_table.h"
#include "runtime/plan/checker.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_files.h"
#include "runtime/plan/plan_io.h"
#include "runtime/plan/report.h"
#include "runtime/session/trace_file.h"
#include "runtime/session/trace_report.h"

namespace shardwright {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  shardview gpt2.plan                       mesh, inputs, outputs, memory of each rank, collectives\n"
    "  shardview gpt2.plan --rank 1 --steps      what one rank does, step by step\n"
    "  shardview gpt2.plan --json                the same for programs\n"
    "  shardview gpt2.plan --trace t.json        the measured schedule below the predicted one, and times\n"
    "  shardview gpt2.plan --verify              constraints, and the checksums of all files\n"
    "Exit status: 0 done; 1 a verification failed; 2 the input is wrong; 3 the environment failed.\n";

struct Options {
  std::string folder, entry, html, trace;
  bool json = false, steps = false, verify = false;
  int rank = -1;
};

int fail(const Status& status) {
  std::fprintf(stderr, "shardview: %s\n", status.message().c_str());
  return static_cast<int>(status.code());
}

int verify(const Options& options, const plan::Plan& plan) {
  CheckOptions checks;
  checks.verifyKernel = verifyKernelStep;
  checks.depth = CheckDepth::kProof;
  std::vector<std::string> messages = planViolations(plan, checks);
  if (messages.empty()) messages = damagedFiles(options.folder, plan);
  for (const std::string& message : messages) std::fprintf(stderr, "shardview: %s\n", message.c_str());
  if (!messages.empty()) return static_cast<int>(StatusCode::kCheckFailed);
  std::printf("%s: the plan satisfies its constraints and its files are intact\n", options.folder.c_str());
  return 0;
}

int run(const Options& options) {
  if (!options.html.empty()) return fail(userError("--html is not built yet; use --json or the text"));
  StatusOr<plan::Plan> plan = loadPlan(options.folder);
  if (!plan.ok()) return fail(plan.status());
  if (options.verify) return verify(options, *plan);
  // What follows indexes the plan; a broken one is refused by its constraints.
  if (Status checked = checkPlan(*plan); !checked.ok()) return fail(checked.within(options.folder));
  if (options.rank >= numRanks(plan->mesh())) {
    return fail(userError("found --rank " + std::to_string(options.rank) + "; the plan has ranks 0 to " +
                          std::to_string(numRanks(plan->mesh()) - 1)));
  }
  StatusOr<PlanReport> report = reportPlan(*plan, options.entry);
  if (!report.ok()) return fail(report.status().within(options.folder));
  StepListing steps = options.steps ? StepListing::kListed : StepListing::kLeftOut;
  std::string text = options.json ? reportJson(*report, options.rank) : reportText(*report, options.rank, steps);
  if (!options.trace.empty()) {
    StatusOr<std::string> file = readWholeFile(options.trace);
    if (!file.ok()) return fail(file.status());
    StatusOr<Trace> trace = readTrace(*plan, *file, options.trace);
    if (!trace.ok()) return fail(trace.status());
    TraceReport measured = reportTrace(*plan, *trace);
    text = options.json ? withMeasured(text, measured, options.rank)
                        : text + traceText(measured, *report, options.rank, steps);
  }
  std::fputs(text.c_str(), stdout);
  if (std::fflush(stdout) != 0) return fail(environmentError(std::string("standard output: ") + std::strerror(errno)));
  return 0;
}

}  // namespace
}  // namespace shardwright

int main(int argc, char** argv) {
  shardwright::Options options;
  CLI::App app("Says what is in a plan that shardc wrote.", "shardview");
  app.footer(shardwright::kExamples);
  app.set_version_flag("--version", "shardview " SHARDWRIGHT_VERSION);
  app.add_option("PLAN", options.folder, "the plan's folder")->required();
  app.add_flag("--json", options.json, "as JSON, steps included");
  app.add_option("--html", options.html, "write a page");
  app.add_option("--rank", options.rank, "only this rank")->check(CLI::NonNegativeNumber);
  app.add_option("--entry", options.entry, "the entry whose programs are shown (default: the first that is not init)");
  app.add_flag("--steps", options.steps, "list the steps");
  app.add_option("--trace", options.trace, "what shardrun --trace has written of this plan: also what was measured");
  app.add_flag("--verify", options.verify, "check the plan's constraints and the checksums of all its files");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return shardwright::run(options);
}
