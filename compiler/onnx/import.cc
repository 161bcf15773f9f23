#include "compiler/onnx/import.h"

#include <set>

#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/tensor_type.h"
#include "compiler/onnx/attributes.h"
#include "compiler/onnx/device_annotations.h"
#include "compiler/onnx/node_importer.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/value_names.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace shardwright {
namespace {

class Importer {
 public:
  Importer(mlir::MLIRContext* context, const ModelFile& model, const ImportOptions& options)
      : builder_(context), model_(model), options_(options), errors_(model.name) {}

  StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> run() {
    mlir::Location location = mlir::NameLoc::get(builder_.getStringAttr(model_.name));
    mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(location);
    readInputs();
    setModuleAttributes(*module);
    if (!options_.ignoresAnnotations)
      setDeviceConfigurations(*module, readDeviceConfigurations(model_.proto, options_.fixed, errors_));
    importBody(*module);
    SW_RETURN_IF_ERROR(errors_.status());
    return module;
  }

 private:
  const onnx::GraphProto& graph() const { return model_.proto.graph(); }

  void readInputs() {
    std::set<std::string> initializers;
    for (const onnx::TensorProto& tensor : graph().initializer()) initializers.insert(tensor.name());
    for (const onnx::ValueInfoProto& input : graph().input()) {
      if (initializers.count(input.name())) continue;
      if (mlir::Type type = inputType(input)) inputs_.emplace_back(input.name(), type);
    }
    checkOptionNames();
  }

  // Null, and reported, for what the compiler takes no inputs of.
  mlir::Type inputType(const onnx::ValueInfoProto& input) {
    auto refuse = [&](const std::string& why) {
      errors_.add("", "input \"" + input.name() + "\" " + why);
      return mlir::Type();
    };
    if (!input.type().has_tensor_type())
      return refuse("is not a tensor; inputs that are sequences, maps or optional are not supported");
    const auto& type = input.type().tensor_type();
    mlir::Type element = knownElementType(builder_.getContext(), static_cast<DType>(type.elem_type()));
    if (!element)
      return refuse("is of element type " + std::string(dtypeName(static_cast<DType>(type.elem_type()))) +
                    ", which is not supported");
    if (!type.has_shape()) return refuse("has no shape; export the model with one, whose unknown dims have names");
    Exprs dims;
    for (int k = 0; k < type.shape().dim_size(); ++k) {
      const auto& dim = type.shape().dim(k);
      if (dim.has_dim_value() && dim.dim_value() < 0)
        return refuse("has dim " + std::to_string(k) + " = " + std::to_string(dim.dim_value()) +
                      "; a dim is a number from 0 or has a name: export the model again");
      dims.push_back(dimOf(input.name(), k, dim));
    }
    return tensorType(dims, element);
  }

  Expr dimOf(const std::string& input, int k, const onnx::TensorShapeProto::Dimension& dim) {
    if (dim.has_dim_value()) return dim.dim_value();
    Expr e = Expr::symbol(input + "_dim" + std::to_string(k));
    if (!dim.dim_param().empty()) {
      auto parsed = Expr::parse(dim.dim_param());
      e = parsed.ok() && isOfInputs(*parsed) ? *parsed : Expr::symbol(dim.dim_param());
    }
    std::map<std::string, Expr> fixed;
    for (const std::string& symbol : e.symbols()) {
      if (auto it = options_.fixed.find(symbol); it != options_.fixed.end()) fixed[symbol] = it->second;
      known_.insert(symbol);
    }
    Expr result = e.substitute(fixed);
    for (const std::string& symbol : result.symbols()) symbols_.insert(symbol);
    if (k == 0 && batch_.empty() && options_.batch.empty() && result.isSymbol()) batch_ = result.symbolName();
    return result;
  }

  // "@" and "%" are the compiler's own symbols.
  static bool isOfInputs(const Expr& e) {
    for (const std::string& symbol : e.symbols())
      if (symbol[0] == '@' || symbol[0] == '%') return false;
    return true;
  }

  void checkOptionNames() {
    auto check = [&](const char* option, const std::string& name, int64_t value, int64_t least) {
      if (!known_.count(name)) {
        std::string all;
        for (const std::string& symbol : known_) all += (all.empty() ? "" : ", ") + symbol;
        errors_.add("", std::string(option) + " names \"" + name + "\", which is no dim of an input; " +
                            (all.empty() ? "all dims of this model are numbers" : "these are: " + all));
      } else if (value < least) {
        errors_.add("", std::string(option) + " " + name + "=" + std::to_string(value) + ": a size is at least " +
                            std::to_string(least));
      }
    };
    for (const auto& [name, value] : options_.fixed) check("--dim", name, value, 0);
    for (const auto& [name, value] : options_.assumed) check("--assume", name, value, 1);
    for (const auto& [name, value] : options_.maximum) check("--max", name, value, 1);
    if (options_.batch.empty()) return;
    check("--batch", options_.batch, 1, 1);
    batch_ = options_.batch;
  }

  void setModuleAttributes(mlir::ModuleOp module) {
    module->setAttr("onnx.model", builder_.getStringAttr(model_.name));
    module->setAttr("onnx.opset", builder_.getI64IntegerAttr(model_.opset));
    llvm::SmallVector<mlir::NamedAttribute> opsets;
    for (const onnx::OperatorSetIdProto& opset : model_.proto.opset_import())
      if (!opset.domain().empty() && opset.domain() != "ai.onnx")
        opsets.push_back(builder_.getNamedAttr(opset.domain(), builder_.getI64IntegerAttr(opset.version())));
    if (!opsets.empty()) module->setAttr("onnx.opsets", builder_.getDictionaryAttr(opsets));
    if (!batch_.empty() && symbols_.count(batch_)) setBatch(module, batch_, options_.assumed.count(batch_) == 0);
    std::vector<SymbolInfo> infos;
    for (const std::string& symbol : symbols_) {
      SymbolInfo info;
      info.name = symbol;
      if (auto it = options_.maximum.find(symbol); it != options_.maximum.end()) info.range.max = it->second;
      info.assumed = std::min<int64_t>(symbol == batch_ ? 1 : info.assumed, info.range.max);
      if (auto it = options_.assumed.find(symbol); it != options_.assumed.end()) info.assumed = it->second;
      infos.push_back(info);
    }
    setSymbols(module, infos);
  }

  void importBody(mlir::ModuleOp module) {
    llvm::SmallVector<mlir::Type> types;
    for (const auto& [name, type] : inputs_) types.push_back(type);
    llvm::SmallVector<mlir::Type> resultTypes(graph().output_size(), builder_.getNoneType());
    builder_.setInsertionPointToEnd(module.getBody());
    auto main =
        builder_.create<mlir::func::FuncOp>(module.getLoc(), "main", builder_.getFunctionType(types, resultTypes));
    mlir::Block* body = main.addEntryBlock();
    builder_.setInsertionPointToStart(body);
    NodeImporter nodes(builder_, model_.opset, errors_);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const std::string& name = inputs_[i].first;
      body->getArgument(i).setLoc(mlir::NameLoc::get(builder_.getStringAttr(name)));
      main.setArgAttr(i, "onnx.name", builder_.getStringAttr(name));
      nodes.define(name, body->getArgument(i));
    }
    importInitializers(nodes);
    for (const onnx::NodeProto& node : graph().node()) nodes.importNode(node);
    importOutputs(main, nodes);
  }

  void importInitializers(NodeImporter& nodes) {
    for (const onnx::SparseTensorProto& tensor : graph().sparse_initializer())
      errors_.add(tensor.values().name(), "is a sparse initializer, which is not supported; make it dense");
    for (const onnx::TensorProto& tensor : graph().initializer())
      if (mlir::Value value = nodes.importTensor(tensor, tensor.name())) nodes.define(tensor.name(), value);
  }

  void importOutputs(mlir::func::FuncOp main, NodeImporter& nodes) {
    llvm::SmallVector<mlir::Value> results;
    for (int i = 0; i < graph().output_size(); ++i) {
      main.setResultAttr(i, "onnx.name", builder_.getStringAttr(graph().output(i).name()));
      mlir::Value value = nodes.lookup(graph().output(i).name());
      if (!value) return;  // its node was reported
      results.push_back(value);
    }
    builder_.create<mlir::func::ReturnOp>(main.getLoc(), results);
    llvm::SmallVector<mlir::Type> types(mlir::ValueRange(results).getTypes());
    main.setFunctionType(builder_.getFunctionType(main.getArgumentTypes(), types));
  }

  mlir::OpBuilder builder_;
  const ModelFile& model_;
  const ImportOptions& options_;
  ErrorList errors_;
  std::vector<std::pair<std::string, mlir::Type>> inputs_;
  std::set<std::string> known_;    // all symbols of inputs, fixed ones included
  std::set<std::string> symbols_;  // those that are left
  std::string batch_;
};

}  // namespace

StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> importModel(mlir::MLIRContext* context, const ModelFile& model,
                                                        const ImportOptions& options) {
  context->loadDialect<dist::DistDialect, OnnxDialect, mlir::func::FuncDialect>();
  return Importer(context, model, options).run();
}

}  // namespace shardwright
