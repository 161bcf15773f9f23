#include <algorithm>
#include <map>

#include "compiler/analysis/pin.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/propagated_form.h"
#include "compiler/dist/stage_form.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/value_names.h"
#include "mlir/Pass/Pass.h"
#include "passes/annotate/model_annotations.h"
#include "passes/annotate/model_names.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Pins values and nodes as the model's own multi-device annotations say, where the user's spec says nothing of them.
//
// Contract: the annotated form, with a mesh. A value is pinned to what the node that computes it says of it; of an input or a weight,
// which no node computes, to what its readers say if they agree. Readers read it as they say, where they can.
// All errors are reported, with their nodes; the annotations are then gone from the module.
struct FollowAnnotations : mlir::PassWrapper<FollowAnnotations, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FollowAnnotations)
  llvm::StringRef getArgument() const final { return "follow-annotations"; }
  llvm::StringRef getDescription() const final { return "pin what the model's multi-device annotations say"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final { registerDistDialect(registry); }

  void runOnOperation() final {
    std::vector<DeviceConfiguration> configurations = deviceConfigurationsOf(getOperation());
    removeDeviceConfigurations(getOperation());
    pipeline_ = pipelineOf(getOperation());
    auto configuration = configurationFor(configurations, pipeline_.mesh);
    if (!configuration.ok()) return complain("", configuration.status().message());
    if (!*configuration) {
      if (pipeline_.mesh.numRanks() == 1 && !configurations.empty())
        getOperation().emitWarning("the model is annotated for several devices, and is compiled for one; give --mesh");
      return;
    }
    function_ = getOperation().lookupSymbol<mlir::func::FuncOp>("main");
    if (!function_) return complain("", "internal error: the module has no function main");
    mesh_ = meshOf(getOperation());
    facts_ = factsOf(getOperation());
    names_ = namesOf(function_);
    said_ = pinsOf(function_);
    countStagesFromZero(**configuration);
    for (const NodeAnnotation& node : (*configuration)->nodes) follow(node);
    for (auto& [tensor, asked] : asked_) pinTensor(tensor, asked);
    tellOverridden();
  }

 private:
  // What nodes want of a tensor.
  struct Asked {
    struct By {
      const NodeAnnotation* node;
      const TensorAnnotation* annotation;
    };
    std::vector<By> by;
  };

  void complain(const std::string& node, const std::string& what) {
    getOperation().emitError(node.empty() ? what : node + ": " + what);
    signalPassFailure();
  }

  // Where no stage is 0 and the last one is beyond the mesh's, the model counts from 1.
  void countStagesFromZero(const DeviceConfiguration& configuration) {
    int64_t least = INT64_MAX, most = -1;
    for (const NodeAnnotation& node : configuration.nodes)
      if (node.stage) least = std::min(least, *node.stage), most = std::max(most, *node.stage);
    firstStage_ = pipeline_.stages > 1 && least == 1 && most == pipeline_.stages ? 1 : 0;
  }

  std::optional<int64_t> chunkOf(const NodeAnnotation& node) const {
    return node.stage ? std::optional<int64_t>(*node.stage - firstStage_) : std::nullopt;
  }

  void follow(const NodeAnnotation& node) {
    if (auto chunk = chunkOf(node)) pinChunk(node.node, *chunk);
    for (const TensorAnnotation& tensor : node.tensors) asked_[tensor.tensor].by.push_back({&node, &tensor});
  }

  void pinChunk(const std::string& node, int64_t chunk) {
    if (chunk > 0 && pipeline_.stages == 1)
      return complain(node, "is annotated with pipeline stage " + std::to_string(chunk) + ", and the mesh " +
                                pipeline_.mesh.str() + " has no axis pp; give it one, or --ignore-annotations");
    auto attr = mlir::IntegerAttr::get(mlir::IntegerType::get(&getContext(), 64), chunk);
    for (mlir::Operation* op : names_.nodes[node]) {
      auto said = op->getAttrOfType<mlir::IntegerAttr>(kStagePinAttr);
      if (said && said.getInt() != chunk) overridden_.push_back(node);
      if (!said) op->setAttr(kChunkPinAttr, attr);
    }
  }

  // --- tensors --------------------------------------------------------------------------------------------------------------

  // A weight that the compiler reads in pieces: all of them.
  std::vector<mlir::Value> valuesOf(const std::string& tensor) const {
    if (auto found = names_.values.find(tensor); found != names_.values.end()) return found->second;
    std::vector<mlir::Value> pieces;
    for (auto it = names_.values.lower_bound(tensor + "["); it != names_.values.end(); ++it) {
      if (it->first.rfind(tensor + "[", 0) != 0) break;
      for (mlir::Value value : it->second)
        if (value.getDefiningOp<WeightOp>()) pieces.push_back(value);
    }
    return pieces;
  }

  static bool computes(const NodeAnnotation& node, mlir::Value value) {
    mlir::Operation* op = value.getDefiningOp();
    return op && !isLeaf(op) && nodeName(op->getLoc()) == node.node;
  }

  // The whole factor in front of those that multiply to a piece's dim is the number of pieces.
  static TensorAnnotation ofPiece(TensorAnnotation asked, llvm::ArrayRef<Expr> dims) {
    for (SplitDim& split : asked.dims) {
      int64_t rank = static_cast<int64_t>(dims.size()), d = split.axis < 0 ? split.axis + rank : split.axis;
      if (split.factors.size() < 2 || split.factors[0].shards != 1 || d < 0 || d >= rank) continue;
      Expr size = 1;
      for (size_t i = 1; i < split.factors.size(); ++i)
        if (auto factor = Expr::parse(split.factors[i].size); factor.ok()) size = size * *factor;
      if (size == dims[static_cast<size_t>(d)]) split.factors.erase(split.factors.begin());
    }
    return asked;
  }

  void pinTensor(const std::string& tensor, const Asked& asked) {
    for (mlir::Value value : valuesOf(tensor)) {
      std::optional<Sharding> held;
      bool isComputed = false, agree = true;
      std::string origin;
      std::vector<std::pair<const NodeAnnotation*, Sharding>> readers;
      for (const auto& [node, annotation] : asked.by) {
        std::optional<Sharding> wanted = shardingFor(value, *node, *annotation);
        if (!wanted) continue;
        bool isProducer = computes(*node, value);
        if (!isProducer) readers.emplace_back(node, *wanted);
        if (isComputed) continue;
        agree = isProducer || !held || (agree && *held == *wanted);
        isComputed = isProducer;
        held = wanted;
        origin = "model: node " + node->node;
      }
      if (!held) continue;
      if (auto said = said_.find(value); said != said_.end()) {
        if (!said->second.allows(*held)) overridden_.push_back(tensor);
        continue;
      }
      if (isComputed || (agree && !hasProducer(value))) {
        setPin(value, Pin{*held, {}}, mesh_);
        setOrigin(value, origin);
      }
      for (const auto& [node, wanted] : readers) pinReaders(value, *node, wanted, mesh_);
    }
  }

  // Weights, and constants.
  static bool isLeaf(mlir::Operation* op) { return op->getNumOperands() == 0; }

  static bool hasProducer(mlir::Value value) { return value.getDefiningOp() && !isLeaf(value.getDefiningOp()); }

  std::optional<Sharding> shardingFor(mlir::Value value, const NodeAnnotation& node, const TensorAnnotation& asked) {
    if (isNone(value)) return std::nullopt;
    Exprs dims = dimsOf(value.getType());
    auto refuse = [&](const Status& status) {
      complain(node.node, "annotation of tensor \"" + asked.tensor + "\": " + status.message());
      return std::nullopt;
    };
    bool isPiece = names_.values.find(asked.tensor) == names_.values.end();
    auto sharding = shardingAsked(isPiece ? ofPiece(asked, dims) : asked, dims, pipeline_, chunkOf(node));
    if (!sharding.ok()) return refuse(sharding.status());
    if (!*sharding) return std::nullopt;
    Sharding result = canonical(**sharding, dims, facts_);
    if (Status status = validate(result, dims, mesh_, facts_); !status.ok()) return refuse(status);
    return result;
  }

  static void pinReaders(mlir::Value value, const NodeAnnotation& node, const Sharding& wanted, const Mesh& mesh) {
    for (mlir::OpOperand& use : value.getUses())
      if (nodeName(use.getOwner()->getLoc()) == node.node) setWant(use, wanted, mesh);
  }

  void tellOverridden() {
    if (overridden_.empty()) return;
    getOperation().emitWarning("--shard says otherwise than the model's annotations of " +
                               std::to_string(overridden_.size()) + (overridden_.size() == 1 ? " name" : " names") +
                               ", the first of them \"" + overridden_[0] + "\"; --shard wins");
  }

  Pipeline pipeline_;
  mlir::func::FuncOp function_;
  Mesh mesh_;  // of one stage
  Facts facts_;
  ModelNames names_;
  Pins said_;  // by the user's spec
  std::map<std::string, Asked> asked_;
  std::vector<std::string> overridden_;
  int64_t firstStage_ = 0;
};

}  // namespace

std::unique_ptr<mlir::Pass> createFollowAnnotationsPass() { return std::make_unique<FollowAnnotations>(); }

}  // namespace shardwright
