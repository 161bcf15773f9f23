#include "compiler/ops/patterns/weight_part.h"

#include "compiler/dist/tensor_type.h"
#include "compiler/onnx/onnx_dialect.h"

namespace shardwright {
namespace {

using Ints = llvm::SmallVector<int64_t>;

// A weight as a window on the tensor in the file, which it may be all of.
struct Window {
  WeightOp weight;
  Ints whole, begin;

  explicit Window(WeightOp op) : weight(op), whole(op.whole()), begin(op.begin()) {
    if (!whole.empty()) return;
    llvm::ArrayRef<int64_t> shape = mlir::cast<mlir::RankedTensorType>(op->getResult(0).getType()).getShape();
    whole.assign(shape.begin(), shape.end());
    begin.assign(shape.size(), 0);
  }
};

// Elements of the window lie together if, after the last dim that it has several of and not all, it has all.
bool isContiguous(llvm::ArrayRef<int64_t> whole, llvm::ArrayRef<int64_t> dims) {
  size_t i = 0;
  while (i < dims.size() && dims[i] == 1) ++i;
  for (++i; i < dims.size(); ++i)
    if (dims[i] != whole[i]) return false;
  return true;
}

// "[3,:,128:256]": what the window takes of each dim, as in Python; trailing whole dims are left out.
std::string windowText(llvm::ArrayRef<int64_t> whole, llvm::ArrayRef<int64_t> begin, llvm::ArrayRef<int64_t> dims) {
  std::string text;
  size_t written = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    std::string part = ":";
    if (dims[i] != whole[i]) {
      part = std::to_string(begin[i]) + ":" + std::to_string(begin[i] + dims[i]);
      written = i + 1;
    }
    text += (i ? "," : "") + part;
  }
  // Drop the ",:" of the trailing whole dims.
  for (size_t i = dims.size(); i > written && i > 0; --i) text.resize(text.size() - (i > 1 ? 2 : 1));
  return text.empty() ? "" : "[" + text + "]";
}

mlir::RankedTensorType staticType(llvm::ArrayRef<int64_t> dims, mlir::Type element) {
  return mlir::RankedTensorType::get(dims, element);
}

mlir::Value partOfWeight(NodeBuilder& build, WeightOp weight, llvm::ArrayRef<int64_t> begin,
                         llvm::ArrayRef<int64_t> dims) {
  Window window(weight);
  Ints from;
  for (size_t i = 0; i < dims.size(); ++i) from.push_back(window.begin[i] + begin[i]);
  auto type = staticType(dims, mlir::cast<mlir::RankedTensorType>(weight->getResult(0).getType()).getElementType());
  std::string name = weight.name().str();
  if (!weight.whole().empty()) name.resize(name.rfind('['));
  name += windowText(window.whole, from, dims);
  int64_t offset = weight.offset(), length = weight.length();
  bool contiguous = isContiguous(window.whole, dims);
  if (contiguous) {
    int64_t elements = 1, index = 0;
    for (size_t i = 0; i < dims.size(); ++i) index = index * window.whole[i] + from[i];
    for (int64_t dim : dims) elements *= dim;
    DType dtype = dtypeOf(type);
    contiguous = bitWidth(dtype) >= 8;
    if (contiguous) {
      offset += byteSize(dtype, index);
      length = byteSize(dtype, elements);
    }
  }
  auto part = build.builder().create<WeightOp>(build.location(), type, name, weight.location(), offset, length);
  if (!contiguous) {
    part->setAttr("whole", build.builder().getDenseI64ArrayAttr(window.whole));
    part->setAttr("begin", build.builder().getDenseI64ArrayAttr(from));
  }
  return part->getResult(0);
}

mlir::Value partOfConstant(NodeBuilder& build, ConstantOp constant, llvm::ArrayRef<int64_t> begin,
                           llvm::ArrayRef<int64_t> dims) {
  mlir::DenseElementsAttr elements = constant.value();
  llvm::ArrayRef<int64_t> whole = elements.getType().getShape();
  llvm::SmallVector<mlir::Attribute> all(elements.getValues<mlir::Attribute>()), chosen;
  Ints index(dims.size(), 0);
  int64_t count = 1;
  for (int64_t dim : dims) count *= dim;
  for (int64_t n = 0; n < count; ++n) {
    int64_t flat = 0;
    for (size_t i = 0; i < dims.size(); ++i) flat = flat * whole[i] + begin[i] + index[i];
    chosen.push_back(all[flat]);
    for (size_t i = dims.size(); i-- > 0 && ++index[i] == dims[i];) index[i] = 0;
  }
  auto attr = mlir::DenseElementsAttr::get(staticType(dims, elements.getElementType()), chosen);
  return build.builder().create<ConstantOp>(build.location(), attr)->getResult(0);
}

}  // namespace

bool isWeight(mlir::Value value) {
  mlir::Operation* op = value ? value.getDefiningOp() : nullptr;
  return op && mlir::isa<WeightOp, ConstantOp>(op);
}

mlir::Value weightPart(NodeBuilder& build, mlir::Value value, llvm::ArrayRef<int64_t> begin,
                       llvm::ArrayRef<int64_t> dims) {
  if (auto weight = value.getDefiningOp<WeightOp>()) return partOfWeight(build, weight, begin, dims);
  return partOfConstant(build, value.getDefiningOp<ConstantOp>(), begin, dims);
}

mlir::Value reshapedWeight(NodeBuilder& build, mlir::Value value, llvm::ArrayRef<int64_t> dims) {
  auto element = mlir::cast<mlir::RankedTensorType>(value.getType()).getElementType();
  if (auto constant = value.getDefiningOp<ConstantOp>())
    return build.builder()
        .create<ConstantOp>(build.location(), constant.value().reshape(staticType(dims, element)))
        ->getResult(0);
  auto weight = value.getDefiningOp<WeightOp>();
  if (!weight.whole().empty()) return {};
  return build.builder()
      .create<WeightOp>(build.location(), staticType(dims, element), weight.name(), weight.location(), weight.offset(),
                        weight.length())
      ->getResult(0);
}

}  // namespace shardwright
