// shardc: compiles an ONNX model for a mesh of devices.

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>

#include "compiler/ops/list_ops.h"
#include "passes/pipeline.h"
#include "runtime/plan/report.h"

namespace {

constexpr char kExamples[] = R"(Examples:
  shardc model.onnx -o plan                       for one device
  shardc model.onnx -o plan --mesh tp=2           tensor parallel on two ranks; the compiler chooses what to split
  shardc model.onnx -o plan --mesh dp=2,tp=2 --shard spec.json
  shardc model.onnx -o plan --mesh pp=2,tp=2 --microbatches 4
  shardc model.onnx --mesh tp=4 --dry-run         decides and reports, writes nothing

Exit status: 0 done; 2 the model, the spec or the command line is wrong; 3 the environment failed.)";

bool readSizes(const std::vector<std::string>& texts, std::map<std::string, int64_t>& sizes) {
  for (const std::string& text : texts) {
    size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0) return false;
    const char* last = text.data() + text.size();
    auto [end, error] = std::from_chars(text.data() + equals + 1, last, sizes[text.substr(0, equals)]);
    if (error != std::errc() || end != last) return false;
  }
  return true;
}

int report(const shardwright::Status& status) {
  std::fprintf(stderr, "%s\n", status.message().c_str());
  return static_cast<int>(status.code());
}

int usage(const std::string& message) {
  std::fprintf(stderr, "shardc: %s; see shardc --help\n", message.c_str());
  return static_cast<int>(shardwright::StatusCode::kUserError);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Compiles an ONNX model for a mesh of devices.", "shardc");
  app.footer(kExamples);
  shardwright::CompileOptions options;
  std::vector<std::string> fixed, assumed, maximum;
  std::string target;
  bool noWeights = false;
  app.set_version_flag("--version", std::string("shardc ") + SHARDWRIGHT_VERSION);
  app.add_option("model", options.modelPath, "The model")->option_text("MODEL.onnx")->required();
  app.add_option("-o,--output", options.outputFolder, "The plan's folder; an older plan there is replaced")
      ->option_text("PLAN");
  app.add_option("--mesh", options.mesh, "Axes and their sizes, the last one fastest")->option_text("dp=1,tp=2");
  app.add_option("--shard", options.shardSpec, "Shardings of some tensors; the rest follows")->option_text("SPEC.json");
  app.add_option("--dim", fixed, "Fixes a symbolic dim")->option_text("NAME=N ...");
  app.add_option(
         "--assume", assumed,
         "The size that costs are taken at (default: 128; of the batch 1 for each part that dp and microbatches make)")
      ->option_text("NAME=N ...");
  app.add_option("--max", maximum, "The largest size that a run may have")->option_text("NAME=N ...");
  app.add_option("--batch", options.import.batch, "The batch's symbol")->option_text("SYMBOL");
  app.add_option("--target", target, "What code is made for (default: this machine's CPU)")->option_text("cpu[:NAME]");
  app.add_flag("--no-weights", noWeights, "Write no weight files");
  app.add_flag("--dry-run", options.dryRun, "Decide and report, write nothing");
  app.add_option("--dump-after-each", options.dumpFolder, "Write the IR after each pass")->option_text("DIR");
  app.add_flag("-v,--verbose", options.verbose, "Say what is being done");
  app.add_option("--memory-limit", options.memoryLimit, "What a rank may hold: weights and values at the assumed sizes")
      ->check(CLI::PositiveNumber)
      ->option_text("BYTES");
  app.add_option("--microbatches", options.microbatches, "Parts that a run's batch is cut into")->option_text("M");
  app.add_option("--schedule", options.schedule,
                 "Of microbatches: gpipe, 1f1b, interleaved or interleaved:CHUNKS (default: by predicted time)")
      ->option_text("NAME");
  app.add_option("--annotated", options.annotatedPath,
                 "Write the model with its shardings and stages, on --dry-run too")
      ->option_text("OUT.onnx");
  app.add_flag("--ignore-annotations", options.import.ignoresAnnotations,
               "Take no notice of shardings and stages that the model says");
  app.add_option("--explain", options.explain, "Say where a tensor's sharding comes from")->option_text("TENSOR");
  app.add_flag_callback(
      "--list-ops",
      [] {
        std::fputs(shardwright::listOps().c_str(), stdout);
        throw CLI::Success();
      },
      "List the ops that the compiler knows, and how each is split");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    int status = app.exit(error);
    return status == 0 ? 0 : static_cast<int>(shardwright::StatusCode::kUserError);
  }
  if (options.outputFolder.empty() && !options.dryRun) return usage("give -o PLAN, or --dry-run");
  if (!readSizes(fixed, options.import.fixed) || !readSizes(assumed, options.import.assumed) ||
      !readSizes(maximum, options.import.maximum))
    return usage("--dim, --assume and --max take NAME=N, where N is a number of at most 19 digits");
  if (target.rfind("cuda", 0) == 0) return usage("--target cuda is not built yet");
  if (!target.empty() && target != "cpu" && target.rfind("cpu:", 0) != 0)
    return usage("--target takes cpu or cpu:NAME");
  options.target = target.size() > 4 ? target.substr(4) : "";
  options.writeWeights = !noWeights;
  auto plan = shardwright::compile(options);
  if (!plan.ok()) return report(plan.status());
  if (!options.dryRun) return 0;
  auto decided = shardwright::reportPlan(*plan, "");
  if (!decided.ok()) return report(decided.status());
  std::fputs(shardwright::reportText(*decided, -1, shardwright::StepListing::kLeftOut).c_str(), stdout);
  if (std::fflush(stdout) != 0)
    return report(shardwright::environmentError("shardc: standard output cannot be written"));
  return 0;
}
