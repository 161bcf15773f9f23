#include <algorithm>
#include <map>
#include <set>

#include "compiler/dist/device_layout.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/propagated_form.h"
#include "compiler/dist/stage_form.h"
#include "compiler/onnx/annotated_model.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/value_names.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Writes the model with what was decided: of each node its stage (its chunk's number), of each tensor that it reads or writes the
// sharding there. Changes nothing.
//
// Contract: the propagated form. Not written: stages of nodes that every stage computes for itself, or nobody does (sizes are
// folded); shardings of tensors that no op of ours reads or writes, and what ONNX has no words for, of which one warning tells:
// partial sums, unless all that read one want the sum alike, nodes cut between stages, and weights that
// are read in unequal pieces.
struct WriteAnnotations : mlir::PassWrapper<WriteAnnotations, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(WriteAnnotations)
  WriteAnnotations() = default;
  WriteAnnotations(const WriteAnnotations& other) : PassWrapper(other) {}
  llvm::StringRef getArgument() const final { return "write-annotations"; }
  llvm::StringRef getDescription() const final { return "write the model with its shardings and stages"; }

  Option<std::string> model{*this, "model", llvm::cl::desc("the model's file"), llvm::cl::init("")};
  Option<std::string> output{*this, "output", llvm::cl::desc("the file to write"), llvm::cl::init("")};

  void runOnOperation() final {
    pipeline_ = pipelineOf(getOperation());
    mesh_ = meshOf(getOperation());
    for (mlir::func::FuncOp function : chunksOf(getOperation())) note(function);
    joinPieces();
    if (Status status = write(); !status.ok()) {
      getOperation().emitError(status.message());
      signalPassFailure();
    }
    warn();
  }

 private:
  struct Held {
    Exprs dims;
    Sharding sharding;
    std::vector<int64_t> begin;  // of a weight's piece
  };
  // By chunk; what a node says of one tensor is the same in all chunks that compute it.
  using ByChunk = std::map<int64_t, Held>;

  // --- what was decided -----------------------------------------------------------------------------------------------------

  void note(mlir::func::FuncOp function) {
    auto attr = function->getAttrOfType<mlir::IntegerAttr>(kStageAttr);
    int64_t chunk = attr ? attr.getInt() : 0;
    for (mlir::OpOperand& result : function.getBody().front().getTerminator()->getOpOperands())
      if (auto wanted = wantedSharding(result)) wanted_[valueName(throughReshards(result.get()))].push_back(*wanted);
    for (mlir::Operation& op : function.getBody().front()) {
      std::string node = nodeName(op.getLoc());
      if (node.empty() || mlir::isa<dist::ReshardOp>(op) || !hasShardings(&op)) continue;
      if (op.getNumOperands() > 0) {
        chunksOf_[node].insert(chunk);
        for (mlir::Value result : op.getResults()) results_[node][chunk].push_back(valueName(result));
      }
      for (mlir::OpOperand& operand : op.getOpOperands()) noteRead(node, chunk, operand);
      for (mlir::OpResult result : op.getResults())
        if (std::string name = isNone(result) ? "" : valueName(result); !name.empty())
          written_[{node, name}][chunk] = {dimsOf(result.getType()), outSharding(result), {}};
    }
  }

  static mlir::Value throughReshards(mlir::Value value) {
    while (auto reshard = value.getDefiningOp<dist::ReshardOp>()) value = reshard.getInput();
    return value;
  }

  void noteRead(const std::string& node, int64_t chunk, mlir::OpOperand& operand) {
    mlir::Value value = throughReshards(operand.get());
    if (isNone(value)) return;
    std::string name = valueName(value);
    wanted_[name].push_back(inSharding(operand.getOwner(), operand.getOperandNumber()));
    Held held{dimsOf(value.getType()), inSharding(operand.getOwner(), operand.getOperandNumber()), {}};
    if (auto weight = value.getDefiningOp<WeightOp>(); weight && !weight.whole().empty()) {
      held.begin.assign(weight.begin().begin(), weight.begin().end());
      name = name.substr(0, name.rfind('['));
      pieces_[name][chunk].push_back(held);
      wholes_[name].assign(weight.whole().begin(), weight.whole().end());
      return;
    }
    if (!name.empty()) read_[{node, name}][chunk] = std::move(held);
  }

  // Equal pieces of a weight, side by side and held alike, are the weight with one factor more.
  void joinPieces() {
    for (auto& [name, chunks] : pieces_)
      for (auto& [chunk, pieces] : chunks) {
        std::sort(pieces.begin(), pieces.end(), [](const Held& a, const Held& b) { return a.begin < b.begin; });
        pieces.erase(
            std::unique(pieces.begin(), pieces.end(),
                        [](const Held& a, const Held& b) { return a.begin == b.begin && a.sharding == b.sharding; }),
            pieces.end());
        if (std::optional<Held> joined = join(pieces, wholes_[name]))
          joined_[name][chunk] = std::move(*joined);
        else
          ++numPieces_, example_ = name;
      }
  }

  static std::optional<Held> join(const std::vector<Held>& pieces, const std::vector<int64_t>& whole) {
    Held joined = pieces[0];
    size_t cut = 0;
    while (cut < whole.size() && joined.dims[cut].constant() == whole[cut]) ++cut;
    if (cut == whole.size()) return joined;
    auto size = joined.dims[cut].constant();
    if (!size || *size * static_cast<int64_t>(pieces.size()) != whole[cut]) return std::nullopt;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].sharding != joined.sharding || pieces[i].dims.size() != joined.dims.size()) return std::nullopt;
      for (size_t d = 0; d < whole.size(); ++d)
        if (pieces[i].dims[d] != joined.dims[d] ||
            pieces[i].begin[d] != (d == cut ? static_cast<int64_t>(i) * *size : 0))
          return std::nullopt;
    }
    joined.dims[cut] = Expr(whole[cut]);
    auto& factors = joined.sharding.dims[cut].factors;
    if (!factors.empty()) factors.insert(factors.begin(), {Expr(static_cast<int64_t>(pieces.size())), {}, Expr(1)});
    return joined;
  }

  // --- stages ---------------------------------------------------------------------------------------------------------------

  // Whether the node became several ops, of which the stages that compute any do not compute the same.
  bool isCut(const std::string& node) const {
    const auto& byChunk = results_.at(node);
    return llvm::any_of(byChunk, [&](const auto& entry) { return entry.second != byChunk.begin()->second; });
  }

  // Of nodes that have become part of others: the last stage of what they read, if nobody reads it before.
  std::vector<std::optional<int64_t>> stagesOf(const std::vector<NodeNames>& nodes) {
    std::vector<std::optional<int64_t>> stages(nodes.size());
    if (pipeline_.numChunks() == 1) return stages;
    std::map<std::string, int64_t> made, needed;
    std::vector<bool> isGuessed(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
      auto own = chunksOf_.find(nodes[i].name);
      if (own != chunksOf_.end()) {
        if (own->second.size() == 1)
          stages[i] = *own->second.begin();
        else if (isCut(nodes[i].name))
          ++numCut_, example_ = nodes[i].name;
      } else {
        isGuessed[i] = true;
        for (const std::string& input : nodes[i].inputs)
          if (auto it = made.find(input); it != made.end()) stages[i] = std::max(stages[i].value_or(0), it->second);
      }
      for (const std::string& output : nodes[i].outputs)
        if (stages[i]) made[output] = *stages[i];
    }
    for (size_t i = nodes.size(); i-- > 0;) {
      for (const std::string& output : nodes[i].outputs)
        if (auto it = needed.find(output); isGuessed[i] && it != needed.end() && stages[i] > it->second)
          stages[i].reset();
      for (const std::string& input : nodes[i].inputs)
        if (stages[i]) needed[input] = std::min(needed.try_emplace(input, *stages[i]).first->second, *stages[i]);
    }
    return stages;
  }

  // --- in ONNX's words ------------------------------------------------------------------------------------------------------

  Status write() {
    SW_ASSIGN_OR_RETURN(std::unique_ptr<AnnotatedModel> file, AnnotatedModel::open(model));
    const std::vector<NodeNames>& nodes = file->nodes();
    std::vector<std::optional<int64_t>> stages = stagesOf(nodes);
    DeviceConfiguration configuration{pipeline_.mesh.str(), pipeline_.mesh.numRanks(), {}};
    if (configuration.name.empty()) configuration.name = "one device";
    for (size_t i = 0; i < nodes.size(); ++i) {
      NodeAnnotation& annotation = configuration.nodes.emplace_back();
      annotation.node = nodes[i].name;
      annotation.stage = stages[i];
      for (const std::string& input : nodes[i].inputs) add(annotation, input, read_, &joined_);
      for (const std::string& output : nodes[i].outputs) add(annotation, output, written_, nullptr);
    }
    return file->write(output, configuration);
  }

  void add(NodeAnnotation& node, const std::string& tensor,
           const std::map<std::pair<std::string, std::string>, ByChunk>& known,
           const std::map<std::string, ByChunk>* weights) {
    if (tensor.empty() || llvm::any_of(node.tensors, [&](const auto& said) { return said.tensor == tensor; })) return;
    auto own = known.find({node.node, tensor});
    const ByChunk* found = own == known.end() ? nullptr : &own->second;
    if (!found && weights)
      if (auto weight = weights->find(tensor); weight != weights->end() && chunksOf_.count(node.node))
        found = &weight->second;
    if (!found) return;
    Held held = found->begin()->second;
    if (!held.sharding.partial.empty()) {
      const std::vector<Sharding>& wanted = wanted_[tensor];
      bool agree = !weights && !wanted.empty() && wanted[0].partial.empty() &&
                   llvm::all_of(wanted, [&](const Sharding& other) { return other == wanted[0]; });
      if (!agree) {
        ++numPartial_, example_ = tensor;
        return;
      }
      held.sharding = wanted[0];
    }
    std::set<int64_t> stages;
    for (const auto& [chunk, other] : *found)
      if (!chunksOf_.count(node.node) || chunksOf_.at(node.node).count(chunk)) stages.insert(chunk % pipeline_.stages);
    node.tensors.push_back(annotationOf(tensor, held, stages));
  }

  TensorAnnotation annotationOf(const std::string& tensor, const Held& held, const std::set<int64_t>& stages) const {
    TensorAnnotation said;
    said.tensor = tensor;
    std::vector<AxisList> axes;
    for (size_t d = 0; d < held.sharding.dims.size(); ++d) {
      const DimSharding& dim = held.sharding.dims[d];
      if (dim.whole()) continue;
      SplitDim& split = said.dims.emplace_back();
      split.axis = static_cast<int64_t>(d);
      for (const DimSplit& factor : dim.factors) {
        int64_t parts = sizeOf(factor.axes);
        // Granules of several elements are a factor of their own: 12 heads of 64 over 5 ranks.
        bool isWhole = parts == 1 || factor.granules == Expr(parts) || factor.granules == factor.extent;
        split.factors.push_back({(isWhole ? factor.extent : factor.granules).str(), parts});
        axes.push_back(factor.axes);
        if (isWhole) continue;
        split.factors.push_back({Expr::floorDiv(factor.extent, factor.granules).str(), 1});
        axes.emplace_back();
      }
    }
    said.devices = devicesOf(ranksOfShards(mesh_, axes), stages);
    return said;
  }

  // Ranks of a stage's mesh, in each of the stages, as ranks of the whole mesh.
  std::vector<std::vector<int64_t>> devicesOf(const std::vector<std::vector<int64_t>>& ranks,
                                              const std::set<int64_t>& stages) const {
    int pp = pipeline_.mesh.axisIndex("pp");
    std::vector<std::vector<int64_t>> devices(ranks.size());
    for (size_t shard = 0; shard < ranks.size(); ++shard) {
      for (int64_t stage : stages)
        for (int64_t rank : ranks[shard]) {
          std::vector<int64_t> at = mesh_.coordinatesOf(rank);
          if (pp >= 0) at.insert(at.begin() + pp, stage);
          int64_t device = 0;
          for (size_t axis = 0; axis < at.size(); ++axis) device = device * pipeline_.mesh.axes()[axis].size + at[axis];
          devices[shard].push_back(device);
        }
      std::sort(devices[shard].begin(), devices[shard].end());
    }
    return devices;
  }

  void warn() {
    std::string what;
    auto add = [&](int64_t count, const char* of) {
      if (count > 0) what += (what.empty() ? "" : ", ") + std::to_string(count) + " of " + of;
    };
    add(numPartial_, "partial sums");
    add(numCut_, "nodes that are parts of several stages");
    add(numPieces_, "weights that are read in pieces");
    if (!what.empty())
      getOperation().emitWarning(
          "--annotated: ONNX cannot say all of what was decided, and the compiler decides it anew: " + what +
          " (such as \"" + example_ + "\")");
  }

  Pipeline pipeline_;
  Mesh mesh_;
  std::map<std::string, std::set<int64_t>> chunksOf_;                           // by node
  std::map<std::string, std::map<int64_t, std::vector<std::string>>> results_;  // of the ops of a node, by chunk
  std::map<std::pair<std::string, std::string>, ByChunk> read_, written_;
  std::map<std::string, std::map<int64_t, std::vector<Held>>> pieces_;
  std::map<std::string, std::vector<int64_t>> wholes_;
  std::map<std::string, std::vector<Sharding>> wanted_;  // by tensor: of all that read it
  std::map<std::string, ByChunk> joined_;
  int64_t numPartial_ = 0, numCut_ = 0, numPieces_ = 0;
  std::string example_;
};

}  // namespace

std::unique_ptr<mlir::Pass> createWriteAnnotationsPass() { return std::make_unique<WriteAnnotations>(); }

std::unique_ptr<mlir::Pass> createWriteAnnotationsPass(const std::string& model, const std::string& output) {
  auto pass = std::make_unique<WriteAnnotations>();
  pass->model = model;
  pass->output = output;
  return pass;
}

}  // namespace shardwright
