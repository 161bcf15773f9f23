#include "compiler/emit/program_emitter.h"

#include <algorithm>
#include <set>

#include "compiler/analysis/constant_values.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/stage_form.h"
#include "compiler/emit/constant_bytes.h"
#include "compiler/emit/output_placement.h"
#include "compiler/emit/step_collectives.h"
#include "compiler/onnx/onnx_dialect.h"
#include "llvm/ADT/DenseMap.h"
#include "mlir/IR/Location.h"

namespace shardwright {
namespace {

// The names of the ONNX nodes in a location, in order, each once.
void collectNodes(mlir::Location loc, std::vector<std::string>& nodes) {
  if (auto name = mlir::dyn_cast<mlir::NameLoc>(loc)) {
    std::string text = name.getName().str();
    if (std::find(nodes.begin(), nodes.end(), text) == nodes.end()) nodes.push_back(text);
  } else if (auto fused = mlir::dyn_cast<mlir::FusedLoc>(loc)) {
    for (mlir::Location part : fused.getLocations()) collectNodes(part, nodes);
  }
}

// One function, which is the whole line or one chunk of a pipeline.
class ProgramEmitter {
 public:
  ProgramEmitter(mlir::func::FuncOp function, SharedPrograms& shared)
      : function_(function),
        shared_(shared),
        tables_(shared.tables),
        block_(function.getBody().front()),
        constants_(block_),
        facts_(factsOf(function->getParentOfType<mlir::ModuleOp>())) {
    auto stage = function->getAttrOfType<mlir::IntegerAttr>(kStageAttr);
    chunk_ = stage ? stage.getInt() : 0;
  }

  // Programs for a run and for the load; the second may be empty.
  Status run(const PortIndices& ports, ProgramState& main, ProgramState& init) {
    ports_ = ports;
    SW_ASSIGN_OR_RETURN(placements_, placeValues(block_, constants_, facts_, tables_.mesh()));
    for (mlir::Operation& op : block_) SW_RETURN_IF_ERROR(emitOp(&op));
    main = std::move(main_);
    init = std::move(init_);
    return Status();
  }

 private:
  Status emitOp(mlir::Operation* op) {
    if (mlir::isa<NoneOp, ConstantOp, WeightOp, step::ViewOp>(op)) return Status();
    if (mlir::isa<mlir::func::ReturnOp>(op)) return Status();
    if (auto write = mlir::dyn_cast<dist::WriteOp>(op)) return emitWrite(write);
    if (auto wait = mlir::dyn_cast<step::WaitOp>(op)) return emitWait(wait);
    ProgramState& state = constants_.contains(op) ? init_ : main_;
    if (auto copy = mlir::dyn_cast<step::CopyOp>(op)) {
      plan::KernelStep* kernel = addKernel(state, op, "copy");
      *kernel->add_inputs() = view(state, copy.getInput());
      *kernel->add_outputs() = view(state, copy.getResult());
      return Status();
    }
    if (auto concat = mlir::dyn_cast<step::ConcatOp>(op)) return emitConcat(state, concat);
    if (auto kernel = mlir::dyn_cast<step::KernelOp>(op)) return emitKernel(state, kernel);
    if (auto fused = mlir::dyn_cast<step::FusedOp>(op)) return emitFused(state, fused);
    if (std::optional<StepCollective> collective = collectiveOf(op)) return emitCollective(state, op, *collective);
    if (auto send = mlir::dyn_cast<dist::SendOp>(op))
      return emitTransfer(send, send.getInput(), true, send.getChannel(), send.getStage());
    if (auto receive = mlir::dyn_cast<dist::ReceiveOp>(op))
      return emitTransfer(receive, receive.getResult(), false, receive.getChannel(), receive.getStage());
    return internalError(op->getName().getStringRef().str() + " is not in the lowered form");
  }

  plan::Step* addStep(ProgramState& state, mlir::Operation* op) {
    plan::Step* step = state.program.add_steps();
    auto flops = op->getAttrOfType<mlir::FloatAttr>(kFlopsAttr);
    state.flops.push_back(flops ? flops.getValueAsDouble() : 0);
    std::vector<std::string> nodes;
    collectNodes(op->getLoc(), nodes);
    for (const std::string& node : nodes) step->add_nodes(node);
    std::string name = nodes.empty() ? op->getName().getStringRef().str() : nodes.back();
    int count = state.names[name]++;
    step->set_name(count == 0 ? name : name + "#" + std::to_string(count));
    return step;
  }

  plan::KernelStep* addKernel(ProgramState& state, mlir::Operation* op, const std::string& kernel) {
    plan::KernelStep* step = addStep(state, op)->mutable_kernel();
    step->set_kernel(kernel);
    return step;
  }

  // --- values -------------------------------------------------------------------------------------------------------------

  // The buffer of `base` in the program; notes that the step added last uses it.
  uint32_t buffer(ProgramState& state, mlir::Value base) {
    auto [it, isNew] = state.buffers.try_emplace(base, state.program.buffers_size());
    int step = state.program.steps_size() - 1;
    if (isNew) {
      plan::Buffer* added = state.program.add_buffers();
      describe(state, base, *added);
      added->set_first_step(step);
    }
    state.program.mutable_buffers(it->second)->set_last_step(step);
    return it->second;
  }

  void describe(ProgramState& state, mlir::Value base, plan::Buffer& buffer) {
    buffer.set_dtype(static_cast<int>(dtypeOf(base.getType())));
    Exprs dims = dimsOf(base.getType());
    buffer.set_count(tables_.expr(product(std::vector<Expr>(dims.begin(), dims.end()))));
    if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(base)) {
      auto [isOutput, port] = ports_[argument];
      buffer.set_kind(isOutput ? plan::Buffer::OUTPUT : plan::Buffer::INPUT);
      buffer.set_source(port);
      buffer.set_name((isOutput ? tables_.plan().outputs(port) : tables_.plan().inputs(port)).name());
      return;
    }
    std::vector<std::string> nodes;
    collectNodes(base.getLoc(), nodes);
    buffer.set_name(nodes.empty() ? "" : nodes.back());
    bool isConstant = mlir::isa<ConstantOp, WeightOp>(base.getDefiningOp());
    if (!isConstant && !(constants_.contains(base) && (&state == &main_ || isReadByMain(base)))) return;
    buffer.set_kind(plan::Buffer::CONSTANT);
    buffer.set_source(constant(base));
    buffer.set_name(tables_.plan().constants(buffer.source()).name());
  }

  // Whether a value that `init` computes is needed in a run.
  bool isReadByMain(mlir::Value value) const {
    return llvm::any_of(value.getUsers(), [&](mlir::Operation* user) {
      if (mlir::isa<step::ViewOp>(user)) return isReadByMain(user->getResult(0));
      return !constants_.contains(user);
    });
  }

  uint32_t constant(mlir::Value base) {
    auto [it, isNew] = constantIndex_.try_emplace(base, tables_.plan().constants_size());
    if (!isNew) return it->second;
    plan::Constant* added = tables_.plan().add_constants();
    mlir::Operation* op = base.getDefiningOp();
    added->set_dtype(static_cast<int>(dtypeOf(base.getType())));
    Exprs dims = dimsOf(base.getType());
    for (Expr dim : dims) added->add_dims(tables_.expr(dim));
    if (auto weight = mlir::dyn_cast<WeightOp>(op)) {
      describeWeight(weight, it->second, *added);
    } else {
      std::vector<std::string> nodes;
      collectNodes(op->getLoc(), nodes);
      added->set_name(uniqueConstantName(nodes.empty() ? "constant" : nodes.back()));
      for (Expr dim : dims) added->add_global_dims(tables_.expr(dim));
      if (auto inlined = mlir::dyn_cast<ConstantOp>(op)) setInlineData(inlined.value(), *added);
    }
    return it->second;
  }

  void describeWeight(WeightOp weight, uint32_t index, plan::Constant& constant) {
    WeightSource source;
    source.constant = index;
    source.location = weight.location().str();
    source.offset = weight.offset();
    source.length = weight.length();
    source.dtype = dtypeOf(weight->getResult(0).getType());
    mlir::Attribute global = weight->getAttr("dist.global"), sharding = weight->getAttr("dist.sharding");
    source.globalDims = global ? Exprs(exprsOf(global)) : dimsOf(weight->getResult(0).getType());
    auto whole = weight->getAttrOfType<mlir::DenseI64ArrayAttr>("whole");
    auto begin = weight->getAttrOfType<mlir::DenseI64ArrayAttr>("begin");
    for (size_t d = 0; d < source.globalDims.size(); ++d) {
      source.fileDims.push_back(whole ? whole.asArrayRef()[d] : source.globalDims[d].constant().value_or(0));
      source.begin.push_back(begin ? begin.asArrayRef()[d] : 0);
    }
    source.sharding = sharding ? shardingOf(sharding) : Sharding::replicated(source.globalDims.size());
    constant.set_name(uniqueConstantName(weight.name().str()));
    for (Expr dim : source.globalDims) constant.add_global_dims(tables_.expr(dim));
    tables_.write(source.sharding, *constant.mutable_sharding());
    AxisList axes = source.sharding.usedAxes();
    std::sort(axes.begin(), axes.end());
    constant.set_weight_set(tables_.weightSet(axes, chunk_) + 1);
    shared_.emitted.weights.push_back(std::move(source));
  }

  std::string uniqueConstantName(const std::string& name) {
    int count = shared_.constantNames[name]++;
    return count == 0 ? name : name + "#" + std::to_string(count);
  }

  plan::View view(ProgramState& state, mlir::Value value) {
    plan::View result;
    if (mlir::isa<mlir::NoneType>(value.getType())) {
      result.set_absent(true);
      return result;
    }
    return window(state, value, viewOf(value));
  }

  plan::View window(ProgramState& state, mlir::Value value, const SymbolicView& view) {
    SymbolicView moved = view;
    mlir::Value base = locate(value, moved);
    return windowOn(state, base, moved, dtypeOf(value.getType()));
  }

  // The value in whose buffer the window lies, which becomes one on it.
  mlir::Value locate(mlir::Value value, SymbolicView& window) const {
    auto placed = placements_.find(baseOf(value));
    if (placed == placements_.end()) return baseOf(value);
    window.offset += placed->second.offset;
    if (!placed->second.strides.empty()) window.strides = placed->second.strides;
    return baseOf(placed->second.global);
  }

  plan::View windowOn(ProgramState& state, mlir::Value base, const SymbolicView& view, DType dtype) {
    plan::View result;
    result.set_buffer(buffer(state, base));
    fillWindow(result, view, dtype);
    return result;
  }

  void fillWindow(plan::View& to, const SymbolicView& view, DType dtype) {
    to.set_offset(tables_.expr(view.offset));
    for (Expr dim : view.dims) to.add_dims(tables_.expr(dim));
    for (Expr stride : view.strides) to.add_strides(tables_.expr(stride));
    to.set_dtype(static_cast<int>(dtype));
  }

  // --- steps --------------------------------------------------------------------------------------------------------------

  Status emitConcat(ProgramState& state, step::ConcatOp concat) {
    SymbolicView whole = viewOf(concat.getResult());
    mlir::Value base = locate(concat.getResult(), whole);
    int64_t axis = concat.getAxis();
    for (mlir::Value input : concat.getInputs()) {
      SymbolicView part = whole;
      part.dims = dimsOf(input.getType());
      whole.offset += part.dims[axis] * whole.strides[axis];
      auto placed = placements_.find(baseOf(input));
      bool isThere = placed != placements_.end() && placed->second.global == concat.getResult() &&
                     placed->second.offset == part.offset;
      if (isThere) continue;
      plan::KernelStep* kernel = addKernel(state, concat, "copy");
      *kernel->add_inputs() = view(state, input);
      *kernel->add_outputs() = windowOn(state, base, part, dtypeOf(concat.getResult().getType()));
    }
    return Status();
  }

  Status emitKernel(ProgramState& state, step::KernelOp op) {
    plan::KernelStep* kernel = addKernel(state, op, op.getKernel().str());
    for (mlir::Value input : op.getInputs()) *kernel->add_inputs() = view(state, input);
    for (auto [i, output] : llvm::enumerate(op.getOutputs()))
      *kernel->add_outputs() = window(state, output, resultView(op, i));
    for (mlir::NamedAttribute attr : op.getAttrsAttr())
      SW_RETURN_IF_ERROR(addAttr(attr.getName().str(), attr.getValue(), *kernel));
    mlir::ArrayAttr postOps = op.getPostOpsAttr();
    if (!postOps) return Status();
    for (mlir::Attribute element : postOps) {
      auto fields = mlir::cast<mlir::ArrayAttr>(element);
      plan::PostOp* post = kernel->add_post_ops();
      post->set_kind(mlir::cast<mlir::StringAttr>(fields[0]).str());
      post->set_operand(mlir::cast<mlir::IntegerAttr>(fields[1]).getInt());
      for (mlir::Attribute param : fields.getValue().drop_front(2))
        post->add_params(mlir::cast<mlir::FloatAttr>(param).getValueAsDouble());
    }
    return Status();
  }

  // As the kernel sees it; see step.kernel's attribute result_views.
  static SymbolicView resultView(step::KernelOp op, unsigned i) {
    auto views = op->getAttrOfType<mlir::ArrayAttr>("result_views");
    auto fields = views && i < views.size() ? mlir::dyn_cast<mlir::ArrayAttr>(views[i]) : mlir::ArrayAttr();
    if (!fields) return viewOf(op.getOutputs()[i]);
    llvm::ArrayRef<Expr> dims = exprsOf(fields[1]), strides = exprsOf(fields[2]);
    return {exprsOf(fields[0])[0], Exprs(dims.begin(), dims.end()), Exprs(strides.begin(), strides.end())};
  }

  Status addAttr(const std::string& name, mlir::Attribute value, plan::KernelStep& kernel) {
    plan::Attr* attr = kernel.add_attrs();
    attr->set_name(name);
    if (auto integer = mlir::dyn_cast<mlir::IntegerAttr>(value))
      attr->set_i(integer.getInt());
    else if (auto number = mlir::dyn_cast<mlir::FloatAttr>(value))
      attr->set_f(number.getValueAsDouble());
    else if (auto text = mlir::dyn_cast<mlir::StringAttr>(value))
      attr->set_s(text.str());
    else if (auto ints = mlir::dyn_cast<mlir::DenseI64ArrayAttr>(value)) {
      for (int64_t v : ints.asArrayRef()) attr->mutable_ints()->add_v(v);
      attr->mutable_ints();
    } else if (auto floats = mlir::dyn_cast<mlir::DenseF64ArrayAttr>(value)) {
      for (double v : floats.asArrayRef()) attr->mutable_floats()->add_v(v);
    } else if (isExprsAttr(value)) {
      attr->set_expr(tables_.expr(exprsOf(value)[0]));
    } else if (auto list = mlir::dyn_cast<mlir::ArrayAttr>(value); list && list.size() == 1 && isExprsAttr(list[0])) {
      setExprs(*attr, exprsOf(list[0]));
    } else {
      return internalError("step.kernel attribute " + name + " has no form in a plan");
    }
    return Status();
  }

  void setExprs(plan::Attr& attr, llvm::ArrayRef<Expr> exprs) {
    plan::Attr::Exprs* list = attr.mutable_exprs();
    for (Expr e : exprs) list->add_v(tables_.expr(e));
  }

  Status emitFused(ProgramState& state, step::FusedOp fused) {
    auto built = buildNest(fused, facts_);
    if (!built.ok()) return built.status().within(fused->getLoc()->getContext() ? "step.fused" : "");
    plan::KernelStep* kernel = addKernel(state, fused, "loop");
    plan::Attr* function = kernel->add_attrs();
    function->set_name("function");
    function->set_s(nestName(built->nest));
    auto addExprs = [&](const char* name, const Exprs& exprs) {
      plan::Attr* attr = kernel->add_attrs();
      attr->set_name(name);
      setExprs(*attr, exprs);
    };
    addExprs("outer", built->outer);
    addExprs("inner", built->inner);
    addExprs("params", built->params);
    Exprs loopDims = built->outer;
    loopDims.append(built->inner.begin(), built->inner.end());
    for (size_t i = 0; i < built->windows.size(); ++i) {
      const BuiltNest::Window& window = built->windows[i];
      plan::View* to = static_cast<int>(i) < built->numInputs ? kernel->add_inputs() : kernel->add_outputs();
      SymbolicView view{window.offset, loopDims, window.strides};
      // A dim that the operand does not move along is one element of it.
      *to = this->window(state, window.value, view);
    }
    return Status();
  }

  // Equal nests are one function.
  std::string nestName(LoopNest& nest) {
    auto [it, isNew] = shared_.nestNames.try_emplace(nest.str(), "loop_" + std::to_string(shared_.nestNames.size()));
    if (isNew) {
      nest.name = it->second;
      shared_.emitted.nests.push_back(std::move(nest));
    }
    return it->second;
  }

  Status emitCollective(ProgramState& state, mlir::Operation* op, const StepCollective& collective) {
    plan::Step* added = addStep(state, op);
    if (llvm::any_of(op->getUsers(), [](mlir::Operation* user) { return mlir::isa<step::WaitOp>(user); })) {
      added->set_async(true);
      started_[op] = static_cast<uint32_t>(state.program.steps_size() - 1);
    }
    plan::CollectiveStep* step = added->mutable_collective();
    step->set_kind(collective.kind);
    step->set_group(tables_.group(collective.group));
    step->set_combiner(collective.combiner);
    step->set_dim(collective.dim);
    step->set_split_dim(collective.splitDim);
    step->set_part(tables_.expr(collective.part));
    step->set_split_part(tables_.expr(collective.splitPart));
    step->set_peer(tables_.expr(collective.peer));
    *step->mutable_input() = view(state, op->getOperand(0));
    *step->mutable_output() = view(state, op->getResult(0));
    return Status();
  }

  Status emitWait(step::WaitOp wait) {
    mlir::Operation* collective = wait.getValue().getDefiningOp();
    auto found = started_.find(collective);
    if (found == started_.end()) return internalError("step.wait without a collective of a run before it");
    addStep(main_, wait)->mutable_wait()->set_step(found->second);
    // Both live until here.
    view(main_, collective->getOperand(0));
    view(main_, wait.getValue());
    return Status();
  }

  Status emitTransfer(mlir::Operation* op, mlir::Value value, bool isSend, uint64_t channel, uint64_t chunk) {
    plan::TransferStep* step = addStep(main_, op)->mutable_transfer();
    step->set_send(isSend);
    step->set_channel(static_cast<uint32_t>(channel));
    step->set_peer(tables_.expr(tables_.rankInStageOf(static_cast<int64_t>(chunk))));
    *step->mutable_view() = view(main_, value);
    return Status();
  }

  Status emitWrite(dist::WriteOp write) {
    auto placed = placements_.find(write.getLocal());
    if (placed != placements_.end() && placed->second.global == write.getGlobal()) return Status();
    SW_ASSIGN_OR_RETURN(SymbolicView part, outputPart(write, tables_.mesh()));
    plan::Step* step = addStep(main_, write);
    if (write.getGuard()) step->set_guard(tables_.expr(write.getGuard()->exprs()[0]) + 1);
    plan::KernelStep* kernel = step->mutable_kernel();
    kernel->set_kernel("copy");
    *kernel->add_inputs() = view(main_, write.getLocal());
    *kernel->add_outputs() = window(main_, write.getGlobal(), part);
    return Status();
  }

  mlir::func::FuncOp function_;
  SharedPrograms& shared_;
  PlanTables& tables_;
  mlir::Block& block_;
  ConstantValues constants_;
  Facts facts_;
  int64_t chunk_ = 0;
  ProgramState main_, init_;
  PortIndices ports_;
  llvm::DenseMap<mlir::Value, uint32_t> constantIndex_;
  llvm::DenseMap<mlir::Operation*, uint32_t> started_;  // collectives that are waited for later, as steps of main_
  OutputPlacements placements_;
};

}  // namespace

Status emitFunction(mlir::func::FuncOp function, const PortIndices& ports, SharedPrograms& shared, ProgramState& main,
                    ProgramState& init) {
  return ProgramEmitter(function, shared).run(ports, main, init);
}

}  // namespace shardwright
