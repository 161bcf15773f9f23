// shard-opt: runs passes over the IR's text, for tests and for people who write passes; and prints the imported form of a
// model.
//
//   shard-opt FILE.mlir --PASS...
//   shard-opt --import model.onnx [--dim NAME=N]... [--assume NAME=N]... [--max NAME=N]... [--batch SYMBOL] [--PASS...]

#include "compiler/dist/dist_dialect.h"
#include "compiler/onnx/import.h"
#include "compiler/ops/row_op.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
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

int printImported(const ImportFlags& flags, const mlir::PassPipelineCLParser& passes, mlir::DialectRegistry& registry) {
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
  auto complain = [](const llvm::Twine& message) {
    llvm::errs() << message << "\n";
    return mlir::failure();
  };
  if (failed(mlir::applyPassManagerCLOptions(manager)) || failed(passes.addToPipeline(manager, complain)) ||
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
  registry.insert<mlir::func::FuncDialect>();
  shardwright::registerPasses();
  mlir::registerTransformsPasses();
  // MlirOptMain parses the command line itself, and would not know our flags' meaning.
  bool isImport = llvm::any_of(llvm::ArrayRef(argv, argc),
                               [](const char* a) { return llvm::StringRef(a).starts_with("--import"); });
  if (!isImport)
    return mlir::failed(mlir::MlirOptMain(argc, argv, "Shardwright's passes\n", registry)) ? kUserErrorStatus : 0;
  ImportFlags flags;
  mlir::registerPassManagerCLOptions();
  mlir::registerAsmPrinterCLOptions();
  mlir::PassPipelineCLParser passes("", "Passes to run");
  cl::ParseCommandLineOptions(argc, argv, "Shardwright's importer\n");
  return printImported(flags, passes, registry);
}
