// shard-opt: runs passes over the IR's text, for tests and for people who write passes; and prints the imported form of a
// model.
//
//   shard-opt FILE.mlir --PASS...
//   shard-opt --import model.onnx [--dim NAME=N]... [--assume NAME=N]... [--max NAME=N]... [--batch SYMBOL] [--PASS...]

#include "compiler/dist/dist_dialect.h"
#include "compiler/emit/step_dialect.h"
#include "compiler/onnx/import.h"
#include "compiler/ops/row_op.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/passes.h"

namespace {

namespace cl = llvm::cl;

constexpr int kUserErrorStatus = 2;

struct ImportFlags {
  cl::opt<std::string> model{"import", cl::desc("Print the imported form of a model"), cl::value_desc("model.onnx")};
  cl::list<std::string> fixed{"dim", cl::desc("Fix a symbol"), cl::value_desc("NAME=N")};
  cl::list<std::string> assumed{"assume", cl::desc("A symbol's size for costs"), cl::value_desc("NAME=N")};
  cl::list<std::string> maximum{"max", cl::desc("A symbol's largest size"), cl::value_desc("NAME=N")};
  cl::opt<std::string> batch{"batch", cl::desc("The batch's symbol"), cl::value_desc("SYMBOL")};
};

constexpr char kOverview[] = R"(Shardwright's passes and importer

Examples:
  shard-opt model.mlir --infer-shapes --cse               runs passes in this order, prints what comes out
  shard-opt model.mlir --annotate="mesh=tp=2" --choose-strategies
  shard-opt --import model.onnx --infer-shapes            begins with the imported form of a model

Exit status: 0 done; 2 the input or the command line is wrong.
)";

int fail(const std::string& message) {
  llvm::errs() << message << "\n";
  return kUserErrorStatus;
}

bool readSizes(const cl::list<std::string>& texts, std::map<std::string, int64_t>& sizes) {
  for (const std::string& text : texts) {
    auto [name, value] = llvm::StringRef(text).rsplit('=');
    if (name.empty() || value.getAsInteger(10, sizes[name.str()])) return false;
  }
  return true;
}

int run(const std::string& input, const std::string& output, mlir::DialectRegistry& registry) {
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> file = mlir::openInputFile(input, &error);
  std::unique_ptr<llvm::ToolOutputFile> out = file ? mlir::openOutputFile(output, &error) : nullptr;
  if (!out) return fail("shard-opt: " + error);
  mlir::MlirOptMainConfig config = mlir::MlirOptMainConfig::createFromCLOptions();
  if (failed(mlir::MlirOptMain(out->os(), std::move(file), registry, config))) return kUserErrorStatus;
  out->keep();
  return 0;
}

int printImported(const ImportFlags& flags, mlir::DialectRegistry& registry) {
  shardwright::ImportOptions options;
  options.batch = flags.batch;
  if (!readSizes(flags.fixed, options.fixed) || !readSizes(flags.assumed, options.assumed) ||
      !readSizes(flags.maximum, options.maximum))
    return fail("--dim, --assume and --max take NAME=N");
  mlir::MLIRContext context(registry);
  auto model = shardwright::readModelFile(flags.model);
  if (!model.ok()) return fail(model.status().message());
  auto module = shardwright::importModel(&context, *model, options);
  if (!module.ok()) return fail(module.status().message());
  mlir::PassManager manager(&context);
  mlir::MlirOptMainConfig config = mlir::MlirOptMainConfig::createFromCLOptions();
  if (failed(mlir::applyPassManagerCLOptions(manager)) || failed(config.setupPassPipeline(manager)) ||
      failed(manager.run(module->get())))
    return kUserErrorStatus;
  (*module)->print(llvm::outs(), mlir::OpPrintingFlags().enableDebugInfo());
  llvm::outs() << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  llvm::InitLLVM init(argc, argv);
  mlir::DialectRegistry registry;
  shardwright::registerDistDialect(registry);
  shardwright::registerOnnxDialect(registry);
  shardwright::registerStepDialect(registry);
  registry.insert<mlir::func::FuncDialect>();
  shardwright::registerPasses();
  mlir::registerTransformsPasses();
  // MlirOptMain would parse the command line too, without our flags, and end with status 1 where it is wrong.
  ImportFlags flags;
  cl::opt<std::string> input(cl::Positional, cl::desc("<file>"), cl::init("-"));
  cl::opt<std::string> output("o", cl::desc("Where to write"), cl::value_desc("file"), cl::init("-"));
  mlir::MlirOptMainConfig::registerCLOptions(registry);
  mlir::registerAsmPrinterCLOptions();
  mlir::registerMLIRContextCLOptions();
  mlir::registerPassManagerCLOptions();
  if (!cl::ParseCommandLineOptions(argc, argv, kOverview, &llvm::errs())) return kUserErrorStatus;
  if (!flags.model.empty()) return printImported(flags, registry);
  return run(input, output, registry);
}
