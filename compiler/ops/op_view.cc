#include "compiler/ops/op_view.h"

#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/size_fractions.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"

namespace shardwright {
namespace {

// The elements of an integer or bool constant.
Exprs elementsOf(mlir::DenseElementsAttr attr) {
  const bool isSigned = !attr.getElementType().isUnsignedInteger() && !attr.getElementType().isInteger(1);
  Exprs exprs;
  for (const llvm::APInt& element : attr.getValues<llvm::APInt>())
    exprs.push_back(Expr(static_cast<int64_t>(isSigned ? element.getSExtValue() : element.getZExtValue())));
  return exprs;
}

mlir::DenseElementsAttr constantOf(mlir::Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  return constant ? constant.value() : mlir::DenseElementsAttr();
}

}  // namespace

std::string OpView::nodeName() const {
  mlir::Location location = op_->getLoc();
  if (auto named = mlir::dyn_cast<mlir::NameLoc>(location)) return named.getName().str();
  if (auto named = location->findInstanceOf<mlir::NameLoc>()) return named.getName().str();
  return op_->getName().getStringRef().str();
}

int OpView::numOperands() const { return static_cast<int>(op_->getNumOperands()); }
int OpView::numResults() const { return static_cast<int>(op_->getNumResults()); }

bool OpView::has(int operand) const {
  return operand < numOperands() && !mlir::isa<mlir::NoneType>(op_->getOperand(operand).getType());
}

TensorShape OpView::operand(int i) const {
  if (!has(i)) return {};
  const mlir::Type type = op_->getOperand(i).getType();
  return {dtypeOf(type), dimsOf(type)};
}

TensorShape OpView::result(int i) const {
  const mlir::Type type = op_->getResult(i).getType();
  if (mlir::isa<mlir::NoneType>(type)) return {};
  return {dtypeOf(type), dimsOf(type)};
}

Exprs OpView::dims(int operand) const { return this->operand(operand).dims; }
int OpView::rank(int operand) const { return static_cast<int>(dims(operand).size()); }
DType OpView::dtype(int operand) const {
  return has(operand) ? dtypeOf(op_->getOperand(operand).getType()) : DType::kUndefined;
}

int64_t OpView::intAttr(llvm::StringRef name, int64_t otherwise) const {
  auto attr = op_->getAttrOfType<mlir::IntegerAttr>(name);
  return attr ? attr.getInt() : otherwise;
}

double OpView::floatAttr(llvm::StringRef name, double otherwise) const {
  auto attr = op_->getAttrOfType<mlir::FloatAttr>(name);
  return attr ? attr.getValueAsDouble() : otherwise;
}

std::string OpView::stringAttr(llvm::StringRef name, llvm::StringRef otherwise) const {
  auto attr = op_->getAttrOfType<mlir::StringAttr>(name);
  return (attr ? attr.getValue() : otherwise).str();
}

std::optional<std::vector<int64_t>> OpView::intsAttr(llvm::StringRef name) const {
  auto attr = op_->getAttrOfType<mlir::DenseI64ArrayAttr>(name);
  if (!attr) return std::nullopt;
  return std::vector<int64_t>(attr.asArrayRef().begin(), attr.asArrayRef().end());
}

bool OpView::hasAttr(llvm::StringRef name) const { return op_->hasAttr(name); }

int OpView::axisAttr(llvm::StringRef name, int64_t otherwise, int rank) const {
  const int64_t axis = intAttr(name, otherwise);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

std::optional<Exprs> OpView::value(int operand) const {
  if (auto folded = op_->getAttrOfType<mlir::ArrayAttr>("static");
      folded && operand < static_cast<int>(folded.size())) {
    if (mlir::Attribute attr = folded[operand]; isExprsAttr(attr)) {
      llvm::ArrayRef<Expr> exprs = exprsOf(attr);
      return Exprs(exprs.begin(), exprs.end());
    }
  }
  if (!has(operand)) return std::nullopt;
  const mlir::Value value = op_->getOperand(operand);
  if (auto shapeValue = value.getDefiningOp<ShapeValueOp>()) {
    llvm::ArrayRef<Expr> exprs = shapeValue.exprs();
    return Exprs(exprs.begin(), exprs.end());
  }
  if (auto constant = constantOf(value); constant && constant.getElementType().isIntOrIndex())
    return elementsOf(constant);
  if (divisor_ == 0) return std::nullopt;
  std::optional<SizeFractions> fractions = sizeFractions(*this, operand);
  if (!fractions || divisor_ % fractions->divisor != 0) return std::nullopt;
  for (Expr& numerator : fractions->numerators) numerator = numerator * Expr(divisor_ / fractions->divisor);
  return std::move(fractions->numerators);
}

std::optional<std::vector<int64_t>> OpView::constantInts(int operand) const {
  const std::optional<Exprs> exprs = value(operand);
  if (!exprs) return std::nullopt;
  std::vector<int64_t> numbers;
  for (const Expr& expr : *exprs) {
    const std::optional<int64_t> number = facts_->simplify(expr).constant();
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<double> OpView::constantScalar(int operand) const {
  if (!has(operand)) return std::nullopt;
  auto constant = constantOf(op_->getOperand(operand));
  if (constant && constant.getNumElements() > 0 && constant.isSplat() &&
      mlir::isa<mlir::FloatType>(constant.getElementType())) {
    llvm::APFloat value = constant.getSplatValue<llvm::APFloat>();
    bool losesInfo = false;
    value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    return value.convertToDouble();
  }
  const std::optional<std::vector<int64_t>> numbers = constantInts(operand);
  if (!numbers || numbers->empty()) return std::nullopt;
  for (int64_t number : *numbers)
    if (number != numbers->front()) return std::nullopt;
  return static_cast<double>(numbers->front());
}

}  // namespace shardwright
