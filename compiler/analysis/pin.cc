#include "compiler/analysis/pin.h"

#include "compiler/dist/propagated_form.h"

namespace shardwright {
namespace {

constexpr llvm::StringLiteral kPinsAttr = "dist.pins", kPinsOpenAttr = "dist.pins_open", kPinAttr = "dist.pin",
                              kPinOpenAttr = "dist.pin_open", kPinStrategyAttr = "dist.pin_strategy",
                              kWantsAttr = "dist.wants";

Pin readPin(mlir::Attribute sharding, mlir::Attribute open) {
  Pin pin;
  pin.sharding = shardingOf(sharding);
  pin.open.assign(pin.sharding.dims.size(), false);
  if (auto dims = mlir::dyn_cast_or_null<mlir::DenseI64ArrayAttr>(open))
    for (int64_t dim : dims.asArrayRef())
      if (dim >= 0 && dim < static_cast<int64_t>(pin.open.size())) pin.open[static_cast<size_t>(dim)] = true;
  return pin;
}

mlir::Attribute openAttr(const Pin& pin, mlir::MLIRContext* context) {
  llvm::SmallVector<int64_t> dims;
  for (size_t d = 0; d < pin.sharding.dims.size(); ++d)
    if (pin.isOpen(d)) dims.push_back(static_cast<int64_t>(d));
  return mlir::DenseI64ArrayAttr::get(context, dims);
}

// The list attribute of an op with element `index` replaced; if it is new, it has `size` elements, the others `other`.
void setElement(mlir::Operation* op, llvm::StringRef name, unsigned size, unsigned index, mlir::Attribute element,
                mlir::Attribute other) {
  llvm::SmallVector<mlir::Attribute> list(size, other);
  if (auto old = op->getAttrOfType<mlir::ArrayAttr>(name)) list.assign(old.begin(), old.end());
  list[index] = element;
  op->setAttr(name, mlir::ArrayAttr::get(op->getContext(), list));
}

}  // namespace

Pin Pin::restrictedTo(int axis, llvm::ArrayRef<Expr> dims, const Facts& facts) const {
  return {restrictTo(sharding, axis, dims, facts), open};
}

namespace {

// A pin that does not divide has the finest granules, and then any granules will do.
bool allowsDim(const DimSharding& pin, const DimSharding& held) {
  if (pin.factors.size() != held.factors.size()) return false;
  for (auto [a, b] : llvm::zip(pin.factors, held.factors)) {
    if (a.extent != b.extent || a.axes != b.axes) return false;
    if (!a.axes.empty() && a.granules != b.granules && a.granules != a.extent) return false;
  }
  return true;
}

}  // namespace

bool Pin::allows(const Sharding& other) const {
  if (!other.partial.empty() || other.dims.size() != sharding.dims.size()) return false;
  for (size_t d = 0; d < sharding.dims.size(); ++d)
    if (!isOpen(d) && !allowsDim(sharding.dims[d], other.dims[d])) return false;
  return true;
}

Sharding Pin::imposedOn(const Sharding& held, llvm::ArrayRef<Expr> dims, const Facts& facts) const {
  Sharding result = Sharding::replicated(static_cast<int>(dims.size()));
  AxisList used;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (isOpen(d)) continue;
    result.dims[d] = allowsDim(sharding.dims[d], held.dims[d]) ? held.dims[d] : sharding.dims[d];
    AxisList axes = sharding.dims[d].axes();
    used.append(axes.begin(), axes.end());
  }
  for (size_t d = 0; d < dims.size(); ++d)
    if (isOpen(d) && !overlaps(used, held.dims[d].axes())) result.dims[d] = held.dims[d];
  return canonical(result, dims, facts);
}

Pins pinsOf(mlir::func::FuncOp function) {
  Pins pins;
  for (mlir::BlockArgument argument : function.getArguments())
    if (mlir::Attribute pin = function.getArgAttr(argument.getArgNumber(), kPinAttr))
      pins[argument] = readPin(pin, function.getArgAttr(argument.getArgNumber(), kPinOpenAttr));
  for (mlir::Operation& op : function.getBody().front()) {
    auto list = op.getAttrOfType<mlir::ArrayAttr>(kPinsAttr);
    auto open = op.getAttrOfType<mlir::ArrayAttr>(kPinsOpenAttr);
    if (!list) continue;
    for (auto [i, element] : llvm::enumerate(list))
      if (i < op.getNumResults() && !mlir::isa<mlir::UnitAttr>(element))
        pins[op.getResult(static_cast<unsigned>(i))] =
            readPin(element, open && i < open.size() ? open[static_cast<unsigned>(i)] : mlir::Attribute());
  }
  return pins;
}

StrategyPins strategyPinsOf(mlir::func::FuncOp function, llvm::StringRef axis) {
  StrategyPins pins;
  for (mlir::Operation& op : function.getBody().front()) {
    auto strategies = op.getAttrOfType<mlir::DictionaryAttr>(kPinStrategyAttr);
    auto text = strategies ? strategies.getAs<mlir::StringAttr>(axis) : mlir::StringAttr();
    if (!text) continue;
    auto [operand, dim] = text.getValue().split('.');
    StrategyPin pin;
    if (!operand.getAsInteger(10, pin.operand) && !dim.getAsInteger(10, pin.dim)) pins[&op] = pin;
  }
  return pins;
}

void setPin(mlir::Value value, const Pin& pin, const Mesh& mesh) {
  mlir::MLIRContext* context = value.getContext();
  mlir::Attribute sharding = shardingAttr(context, pin.sharding, mesh), open = openAttr(pin, context);
  if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(value)) {
    auto function = mlir::cast<mlir::func::FuncOp>(argument.getOwner()->getParentOp());
    function.setArgAttr(argument.getArgNumber(), kPinAttr, sharding);
    function.setArgAttr(argument.getArgNumber(), kPinOpenAttr, open);
    return;
  }
  auto result = mlir::cast<mlir::OpResult>(value);
  mlir::Operation* op = result.getOwner();
  unsigned size = op->getNumResults(), index = result.getResultNumber();
  setElement(op, kPinsAttr, size, index, sharding, mlir::UnitAttr::get(context));
  setElement(op, kPinsOpenAttr, size, index, open, mlir::DenseI64ArrayAttr::get(context, {}));
}

Wants wantsOf(mlir::func::FuncOp function) {
  Wants wants;
  for (mlir::Operation& op : function.getBody().front()) {
    auto list = op.getAttrOfType<mlir::ArrayAttr>(kWantsAttr);
    if (!list || list.size() != op.getNumOperands()) continue;
    for (mlir::Attribute element : list)
      wants[&op].push_back(mlir::isa<mlir::UnitAttr>(element) ? std::nullopt
                                                              : std::optional<Pin>(readPin(element, {})));
  }
  return wants;
}

void setWant(mlir::OpOperand& operand, const Sharding& sharding, const Mesh& mesh) {
  mlir::Operation* op = operand.getOwner();
  mlir::MLIRContext* context = op->getContext();
  setElement(op, kWantsAttr, op->getNumOperands(), operand.getOperandNumber(), shardingAttr(context, sharding, mesh),
             mlir::UnitAttr::get(context));
}

void setOrigin(mlir::Value value, llvm::StringRef origin) {
  auto attr = mlir::StringAttr::get(value.getContext(), origin);
  if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(value))
    mlir::cast<mlir::func::FuncOp>(argument.getOwner()->getParentOp())
        .setArgAttr(argument.getArgNumber(), kOriginAttr, attr);
  else
    value.getDefiningOp()->setAttr(kOriginAttr, attr);
}

}  // namespace shardwright
