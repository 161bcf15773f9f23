#include "tools/shardrun_options.h"

#include <CLI/CLI.hpp>
#include <sstream>

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

void declare(CLI::App& app, ShardrunOptions& options) {
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
                 "local: all ranks in this process; auto: in those that mpirun or srun started, "
                 "over MPI where they are on several hosts; mpi: over MPI on one host too")
      ->check(CLI::IsMember({"auto", "local", "mpi"}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the random inputs")->capture_default_str();
  app.add_option("--json", options.json, "file to write times, memory and errors to");
  app.add_option("--trace", options.trace,
                 "file for the timed runs' steps on every rank, for chrome://tracing or Perfetto");
  app.add_option("--dump-values", options.dumpValues, "folder for every value of the model (not built yet)");
}

Status checkOptions(ShardrunOptions& options) {
  options.session.trace = !options.trace.empty();
  if (!options.dumpValues.empty()) return userError("--dump-values is not built yet; leave it out");
  if (options.check && options.data.empty()) return userError("--check needs --data, a folder with expected outputs");
  options.session.timeout = std::chrono::milliseconds(static_cast<int64_t>(options.timeoutSeconds * 1e3));
  return Status();
}

}  // namespace

ShardrunCommand parseShardrun(int argc, char** argv) {
  ShardrunCommand command;
  CLI::App app("Runs a plan on the ranks of this machine.", "shardrun");
  declare(app, command.options);
  try {
    app.parse(argc, argv);
    command.asked = checkOptions(command.options);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, wrong;
    if (app.exit(error, out, wrong) == 0) {
      command.said = out.str();
    } else {
      command.asked = userError(std::string(error.what()) + "; shardrun --help says what is allowed");
    }
  }
  return command;
}

}  // namespace shardwright
