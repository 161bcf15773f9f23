#include <algorithm>
#include <map>

#include "compiler/analysis/pin.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/propagated_form.h"
#include "compiler/dist/stage_form.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/value_names.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/annotate/model_annotations.h"
#include "passes/annotate/model_names.h"
#include "passes/annotate/spec.h"
#include "passes/passes.h"
#include "runtime/base/file.h"

namespace shardwright {
namespace {

// More ranks than this are a slip of the keyboard: every rank has its own weight files and threads.
constexpr int64_t kMaxRanks = 65536;

// What a value is pinned to so far, and by whom.
struct Request {
  mlir::Value value;
  std::vector<SpecDim> dims;
  std::vector<std::string> paths;  // by dim: what said it
  std::string path;                // the first that named the value
};

// Gives the module its mesh, and values and nodes what the user's spec says of them.
//
// Contract: the imported form becomes the annotated one. All errors in the spec are reported, each with its JSON path.
struct Annotate : mlir::PassWrapper<Annotate, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Annotate)
  Annotate() = default;
  Annotate(const Annotate& other) : PassWrapper(other) {}
  llvm::StringRef getArgument() const final { return "annotate"; }
  llvm::StringRef getDescription() const final { return "give the module its mesh and the user's shardings"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final { registerDistDialect(registry); }

  Option<std::string> meshText{*this, "mesh", llvm::cl::desc("dp=2,tp=4"), llvm::cl::init("")};
  Option<std::string> specPath{*this, "spec", llvm::cl::desc("SPEC.json"), llvm::cl::init("")};

  void runOnOperation() final {
    function_ = getOperation().lookupSymbol<mlir::func::FuncOp>("main");
    if (!function_) return complain("internal error: the module has no function main");
    ShardSpec spec;
    if (!specPath.empty()) {
      llvm::StringRef path(specPath.getValue());
      file_ = path.substr(path.rfind('/') + 1).str();
      auto text = readWholeFile(specPath);
      auto parsed = text.ok() ? parseSpec(*text, file_) : StatusOr<ShardSpec>(text.status());
      if (!parsed.ok()) return complain(parsed.status().message());
      spec = std::move(*parsed);
    }
    if (!chooseMesh(spec)) return;
    if (!mesh_.axes().empty()) getOperation()->setAttr("dist.mesh", meshAttr(&getContext(), mesh_));
    if (int dp = mesh_.axisIndex("dp"); dp >= 0) cutAssumedBatch(getOperation(), mesh_.axes()[dp].size);
    if (whole_.mesh.axisIndex("pp") >= 0) setPipeline(getOperation(), whole_);
    facts_ = factsOf(getOperation());
    names_ = namesOf(function_);
    pinTensors(spec);
    for (const NodeSpec& node : spec.nodes) pinNode(node);
    tieStates(spec);
  }

 private:
  void complain(const std::string& message) {
    getOperation().emitError(message);
    signalPassFailure();
  }
  void complainAt(const std::string& path, const std::string& what) { complain(file_ + ": " + path + ": " + what); }

  // --- mesh -----------------------------------------------------------------------------------------------------------------

  bool chooseMesh(const ShardSpec& spec) {
    Mesh said(spec.mesh);
    if (meshText.empty()) {
      mesh_ = spec.mesh.empty() ? meshOfNames(deviceConfigurationsOf(getOperation())) : said;
    } else {
      auto parsed = Mesh::parse(meshText.getValue());
      if (!parsed.ok()) return complain(parsed.status().within("--mesh").message()), false;
      mesh_ = *parsed;
      if (!spec.mesh.empty() && said.str() != mesh_.str())
        complainAt("/mesh", "says " + said.str() + ", and --mesh says " + mesh_.str() + "; leave one of them out");
    }
    double numRanks = 1;
    for (const MeshAxis& axis : mesh_.axes()) {
      numRanks *= static_cast<double>(axis.size);
      if (axis.name == "pp") whole_.stages = axis.size;
    }
    if (numRanks > static_cast<double>(kMaxRanks))
      return complain("the mesh " + mesh_.str() + " has more than " + std::to_string(kMaxRanks) +
                      " ranks; make its axes smaller"),
             false;
    whole_.mesh = mesh_;
    mesh_ = stageMesh(mesh_);
    return true;
  }

  std::string axisNames() const {
    std::string names;
    for (const MeshAxis& axis : mesh_.axes()) names += (names.empty() ? "" : ", ") + axis.name;
    return names.empty() ? "the mesh has no axes; give --mesh" : "the mesh has " + names;
  }

  // --- names ----------------------------------------------------------------------------------------------------------------

  template <typename Map>
  static std::vector<typename Map::const_iterator> matching(const Map& map, const std::string& pattern) {
    std::vector<typename Map::const_iterator> found;
    for (auto it = map.begin(); it != map.end(); ++it)
      if (isGlob(pattern) ? globMatches(pattern, it->first) : pattern == it->first) found.push_back(it);
    return found;
  }

  template <typename Map>
  static std::string nearest(const Map& map, const std::string& name) {
    std::string best;
    unsigned distance = std::max<unsigned>(3, static_cast<unsigned>(name.size()) / 3) + 1;
    for (const auto& [other, unused] : map)
      if (unsigned d = llvm::StringRef(other).edit_distance(name, true, distance); d < distance)
        best = other, distance = d;
    return best.empty() ? "" : "; the nearest name is \"" + best + "\"";
  }

  // --- tensors --------------------------------------------------------------------------------------------------------------

  void pinTensors(const ShardSpec& spec) {
    std::vector<Request> requests;
    for (const TensorSpec& tensor : spec.tensors) {
      auto found = matching(names_.values, tensor.pattern);
      if (found.empty())
        complainAt(tensor.path, "the model has no such tensor after import" +
                                    (isGlob(tensor.pattern) ? "" : nearest(names_.values, tensor.pattern)));
      for (auto it : found)
        for (mlir::Value value : it->second) request(requests, tensor, it->first, value);
    }
    for (const Request& one : requests) pin(one);
  }

  void request(std::vector<Request>& requests, const TensorSpec& tensor, const std::string& name, mlir::Value value) {
    size_t rank = dimsOf(value.getType()).size();
    if (tensor.dims.size() > rank)
      return complainAt(tensor.path, "gives " + std::to_string(tensor.dims.size()) + " dims, and " + name + " has " +
                                         std::to_string(rank) + ": " + typeText(value));
    auto it = llvm::find_if(requests, [&](const Request& r) { return r.value == value; });
    if (it == requests.end())
      it = requests.insert(requests.end(),
                           {value, std::vector<SpecDim>(rank), std::vector<std::string>(rank), tensor.path});
    for (size_t d = 0; d < tensor.dims.size(); ++d) {
      if (!tensor.dims[d]) continue;
      std::string path = tensor.path + "/" + std::to_string(d);
      if (it->dims[d] && *it->dims[d] != *tensor.dims[d]) {
        complainAt(path, "says " + axesText(*tensor.dims[d]) + " of dim " + std::to_string(d) + " of " + name +
                             ", and " + it->paths[d] + " says " + axesText(*it->dims[d]) + "; leave one of them out");
        continue;
      }
      it->dims[d] = tensor.dims[d];
      it->paths[d] = path;
    }
  }

  static std::string axesText(const std::vector<std::string>& axes) {
    std::string text = "[";
    for (const std::string& axis : axes) text += (text.size() > 1 ? ", " : "") + axis;
    return text + "]";
  }

  static std::string typeText(mlir::Value value) {
    std::string text = "[";
    for (Expr dim : dimsOf(value.getType())) text += (text.size() > 1 ? ", " : "") + dim.str();
    return text + "]";
  }

  static std::string tooSmall(int64_t size, int64_t parts) {
    return " has " + std::to_string(size) + (size == 1 ? " element" : " elements") + ", which cannot be split in " +
           std::to_string(parts) + " parts; use a smaller axis or another dim";
  }

  // An indivisible split is pinned with the finest granules, which leaves them to the compiler (pin.h).
  void pin(const Request& request) {
    Exprs dims = dimsOf(request.value.getType());
    Pin pin;
    pin.sharding = Sharding::replicated(static_cast<int>(dims.size()));
    pin.open.assign(dims.size(), true);
    AxisList used;
    bool isRight = true;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (!request.dims[d]) continue;
      pin.open[d] = false;
      AxisList axes;
      for (const std::string& text : *request.dims[d]) isRight &= addAxis(text, request.paths[d], used, axes);
      axes = canonical(axes);
      if (axes.empty()) continue;
      int64_t parts = sizeOf(axes);
      if (auto size = dims[d].constant(); size && *size < parts) {
        complainAt(request.paths[d], "dim " + std::to_string(d) + tooSmall(*size, parts));
        isRight = false;
      }
      pin.sharding.dims[d].factors.push_back({dims[d], axes, dims[d]});
    }
    if (!isRight) return;
    pin.sharding = canonical(pin.sharding, dims, facts_);
    if (Status status = validate(pin.sharding, dims, mesh_, facts_); !status.ok())
      return complainAt(request.path, status.message());
    setPin(request.value, pin, mesh_);
    setOrigin(request.value, file_ + ": " + request.path);
  }

  bool addAxis(const std::string& text, const std::string& path, AxisList& used, AxisList& axes) {
    auto sub = mesh_.parseSubAxis(text);
    if (!sub.ok()) {
      complainAt(path, sub.status().message());
      return false;
    }
    if (overlaps(used, *sub)) {
      complainAt(path, "axis " + text + " is used twice; an axis splits one dim of a tensor");
      return false;
    }
    used.push_back(*sub);
    axes.push_back(*sub);
    return true;
  }

  // --- nodes and states -----------------------------------------------------------------------------------------------------

  void pinNode(const NodeSpec& node) {
    auto found = matching(names_.nodes, node.pattern);
    if (found.empty())
      complainAt(node.path, "the model has no such node after import" +
                                (isGlob(node.pattern) ? "" : nearest(names_.nodes, node.pattern)));
    if (node.stage && (*node.stage < 0 || *node.stage >= whole_.stages)) {
      complainAt(node.path + "/stage",
                 "there is no stage " + std::to_string(*node.stage) +
                     (whole_.stages == 1 ? "; the mesh has no axis pp"
                                         : "; axis pp has stages 0 to " + std::to_string(whole_.stages - 1)));
    }
    for (auto it : found) {
      if (node.stage) pinStage(*node.stage, it->second);
      if (!node.strategy.empty()) pinStrategy(node, it->first, it->second);
    }
  }

  void pinStage(int64_t stage, const std::vector<mlir::Operation*>& ops) {
    for (mlir::Operation* op : ops)
      op->setAttr(kStagePinAttr, mlir::IntegerAttr::get(mlir::IntegerType::get(&getContext(), 64), stage));
  }

  // Of several ops that a node became, the one that computes most is meant.
  void pinStrategy(const NodeSpec& node, const std::string& name, const std::vector<mlir::Operation*>& ops) {
    auto flops = [](mlir::Operation* op) { return rowOf(op) ? rowOf(op)->flopsPerPoint : -1; };
    mlir::Operation* op =
        *std::max_element(ops.begin(), ops.end(), [&](auto* a, auto* b) { return flops(a) < flops(b); });
    mlir::NamedAttrList strategies;
    for (const NodeSpec::Split& split : node.strategy) {
      if (mesh_.axisIndex(split.axis) < 0) {
        complainAt(split.path, "there is no axis " + split.axis + "; " + axisNames());
        continue;
      }
      if (split.operand >= op->getNumOperands() || isNone(op->getOperand(split.operand)) ||
          split.dim >= dimsOf(op->getOperand(split.operand).getType()).size()) {
        complainAt(split.path, name + " (" + op->getName().getStringRef().str() + ") has no dim " +
                                   std::to_string(split.dim) + " of an operand " + std::to_string(split.operand) +
                                   "; it has " + operandsText(op));
        continue;
      }
      Expr dim = dimsOf(op->getOperand(split.operand).getType())[split.dim];
      int64_t parts = mesh_.axes()[mesh_.axisIndex(split.axis)].size;
      if (auto size = dim.constant(); size && *size < parts) {
        complainAt(split.path, "dim " + std::to_string(split.dim) + " of operand " + std::to_string(split.operand) +
                                   " of " + name + tooSmall(*size, parts));
        continue;
      }
      strategies.set(split.axis, mlir::StringAttr::get(
                                     &getContext(), std::to_string(split.operand) + "." + std::to_string(split.dim)));
    }
    if (!strategies.empty()) op->setAttr("dist.pin_strategy", strategies.getDictionary(&getContext()));
  }

  static std::string operandsText(mlir::Operation* op) {
    std::string text;
    for (mlir::Value operand : op->getOperands())
      text += (text.empty() ? "" : ", ") + (isNone(operand) ? std::string("none") : typeText(operand));
    return text.empty() ? "none" : text;
  }

  // dist.state = {input = "output"}: what a run leaves in the output the next one finds in the input.
  void tieStates(const ShardSpec& spec) {
    std::map<std::string, size_t> inputs, outputs;
    for (mlir::BlockArgument argument : function_.getArguments()) inputs[valueName(argument)] = argument.getArgNumber();
    for (unsigned i = 0; i < function_.getNumResults(); ++i)
      if (auto name = function_.getResultAttrOfType<mlir::StringAttr>(i, "onnx.name")) outputs[name.str()] = i;
    mlir::NamedAttrList states;
    for (const StateSpec& state : spec.state) {
      auto input = inputs.find(state.input);
      auto output = outputs.find(state.output);
      if (input == inputs.end())
        complainAt(state.path, "the model has no input " + state.input + nearest(inputs, state.input));
      if (output == outputs.end())
        complainAt(state.path, "the model has no output " + state.output + nearest(outputs, state.output));
      if (input == inputs.end() || output == outputs.end()) continue;
      if (dimsOf(function_.getArgumentTypes()[input->second]).size() !=
          dimsOf(function_.getResultTypes()[output->second]).size())
        complainAt(state.path, state.input + " and " + state.output + " differ in the number of dims");
      states.set(state.input, mlir::StringAttr::get(&getContext(), state.output));
    }
    if (!states.empty()) getOperation()->setAttr("dist.state", states.getDictionary(&getContext()));
  }

  mlir::func::FuncOp function_;
  std::string file_;
  Mesh mesh_;       // of one stage
  Pipeline whole_;  // with the axis pp
  Facts facts_;
  ModelNames names_;
};

}  // namespace

std::unique_ptr<mlir::Pass> createAnnotatePass() { return std::make_unique<Annotate>(); }

std::unique_ptr<mlir::Pass> createAnnotatePass(const std::string& mesh, const std::string& spec) {
  auto pass = std::make_unique<Annotate>();
  pass->meshText = mesh;
  pass->specPath = spec;
  return pass;
}

}  // namespace shardwright
