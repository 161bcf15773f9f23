#include "compiler/ops/row.h"

namespace shardwright {
namespace {

bool isComparison(ScalarOp op) { return op >= ScalarOp::kEqual && op <= ScalarOp::kGreaterOrEqual; }

}  // namespace

int BodyBuilder::constant(double value, DType dtype) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const ScalarNode& node = nodes_[i];
    const double known = isInteger(dtype) ? static_cast<double>(node.integer) : node.constant;
    if (node.op == ScalarOp::kConst && node.dtype == dtype && known == value) return static_cast<int>(i);
  }
  ScalarNode node;
  node.op = ScalarOp::kConst;
  node.dtype = dtype;
  if (isInteger(dtype)) {
    node.integer = static_cast<int64_t>(value);
  } else {
    node.constant = value;
  }
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size()) - 1;
}

int BodyBuilder::node(ScalarOp op, DType dtype, std::vector<int> inputs, int index) {
  ScalarNode node;
  node.op = op;
  node.dtype = dtype;
  node.inputs = std::move(inputs);
  node.index = index;
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size()) - 1;
}

int BodyBuilder::cast(int value, DType dtype) {
  return dtypeOf(value) == dtype ? value : node(ScalarOp::kCast, dtype, {value});
}

int BodyBuilder::binary(ScalarOp op, int a, int b) {
  assert(dtypeOf(a) == dtypeOf(b) && "the inputs of a binary scalar op have one type");
  return node(op, isComparison(op) ? DType::kBool : dtypeOf(a), {a, b});
}

}  // namespace shardwright
