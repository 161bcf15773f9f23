// Rows of activations: elementwise functions of one operand built from several scalar operations. float16 and bfloat16 are
// computed in float32 and rounded once, at the end.
#include "compiler/ops/families.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

// Scalar arithmetic that reads like the formula. All values have the type that `x` is computed in.
class Formula {
 public:
  Formula(BodyBuilder& b, const OpView& op, int input)
      : b_(b), op_(op), result_(b.dtypeOf(input)), type_(accumulationType(result_)), x_(b.cast(input, type_)) {}

  int x() const { return x_; }
  int number(double value) { return b_.constant(value, type_); }
  int attr(llvm::StringRef name, double otherwise) { return number(op_.floatAttr(name, otherwise)); }
  int add(int a, int b) { return b_.binary(ScalarOp::kAdd, a, b); }
  int sub(int a, int b) { return b_.binary(ScalarOp::kSub, a, b); }
  int mul(int a, int b) { return b_.binary(ScalarOp::kMul, a, b); }
  int div(int a, int b) { return b_.binary(ScalarOp::kDiv, a, b); }
  int min(int a, int b) { return b_.binary(ScalarOp::kMin, a, b); }
  int max(int a, int b) { return b_.binary(ScalarOp::kMax, a, b); }
  int exp(int a) { return b_.unary(ScalarOp::kExp, a); }
  int unary(ScalarOp op, int a) { return b_.unary(op, a); }
  int less(int a, int b) { return b_.binary(ScalarOp::kLess, a, b); }
  int select(int condition, int a, int b) { return b_.node(ScalarOp::kSelect, type_, {condition, a, b}); }
  // log(1 + e^x) without overflow: max(x, 0) + log(1 + e^-|x|).
  int softplus(int a) {
    const int small = exp(b_.unary(ScalarOp::kNeg, b_.unary(ScalarOp::kAbs, a)));
    return add(max(a, number(0)), b_.unary(ScalarOp::kLog, add(number(1), small)));
  }
  int clamp01(int a) { return max(number(0), min(number(1), a)); }
  std::vector<int> result(int value) { return {b_.cast(value, result_)}; }
  std::string stringAttr(llvm::StringRef name, llvm::StringRef otherwise) { return op_.stringAttr(name, otherwise); }

 private:
  BodyBuilder& b_;
  const OpView& op_;
  DType result_, type_;
  int x_;
};

int relu(Formula& f) { return f.max(f.x(), f.number(0)); }

int leakyRelu(Formula& f) { return f.select(f.less(f.x(), f.number(0)), f.mul(f.attr("alpha", 0.01), f.x()), f.x()); }

int thresholdedRelu(Formula& f) { return f.select(f.less(f.attr("alpha", 1), f.x()), f.x(), f.number(0)); }

int elu(Formula& f) {
  const int negative = f.mul(f.attr("alpha", 1), f.sub(f.exp(f.x()), f.number(1)));
  return f.select(f.less(f.x(), f.number(0)), negative, f.x());
}

int selu(Formula& f) {
  const int alpha = f.attr("alpha", 1.67326319217681884765625);
  const int negative = f.sub(f.mul(alpha, f.exp(f.x())), alpha);
  return f.mul(f.attr("gamma", 1.05070102214813232421875), f.select(f.less(f.number(0), f.x()), f.x(), negative));
}

int celu(Formula& f) {
  const int alpha = f.attr("alpha", 1);
  const int negative = f.mul(alpha, f.sub(f.exp(f.div(f.x(), alpha)), f.number(1)));
  return f.add(f.max(f.number(0), f.x()), f.min(f.number(0), negative));
}

int gelu(Formula& f) {
  const int half = f.mul(f.number(0.5), f.x());
  if (f.stringAttr("approximate", "none") == "tanh") {
    const int cube = f.mul(f.x(), f.mul(f.x(), f.x()));
    const int inner = f.mul(f.number(0.7978845608028654), f.add(f.x(), f.mul(f.number(0.044715), cube)));
    return f.mul(half, f.add(f.number(1), f.unary(ScalarOp::kTanh, inner)));
  }
  const int erf = f.unary(ScalarOp::kErf, f.mul(f.x(), f.number(0.7071067811865476)));
  return f.mul(half, f.add(f.number(1), erf));
}

int hardSigmoid(Formula& f) { return f.clamp01(f.add(f.mul(f.attr("alpha", 0.2), f.x()), f.attr("beta", 0.5))); }

int hardSwish(Formula& f) { return f.mul(f.x(), f.clamp01(f.add(f.mul(f.number(1.0 / 6), f.x()), f.number(0.5)))); }

int softplus(Formula& f) { return f.softplus(f.x()); }

int softsign(Formula& f) { return f.div(f.x(), f.add(f.number(1), f.unary(ScalarOp::kAbs, f.x()))); }

int mish(Formula& f) { return f.mul(f.x(), f.unary(ScalarOp::kTanh, f.softplus(f.x()))); }

int swish(Formula& f) { return f.mul(f.x(), f.unary(ScalarOp::kSigmoid, f.mul(f.attr("alpha", 1), f.x()))); }

int shrink(Formula& f) {
  const int lambda = f.attr("lambd", 0.5), bias = f.attr("bias", 0);
  const int high = f.select(f.less(lambda, f.x()), f.sub(f.x(), bias), f.number(0));
  return f.select(f.less(f.x(), f.unary(ScalarOp::kNeg, lambda)), f.add(f.x(), bias), high);
}

template <int (*F)(Formula&)>
std::vector<int> body(BodyBuilder& b, const OpView& op, const std::vector<int>& in) {
  Formula formula(b, op, in[0]);
  return formula.result(F(formula));
}

template <int (*F)(Formula&)>
Row activation(const char* name, double flops) {
  Row row;
  row.name = name;
  row.rule = "... -> ...";
  row.flopsPerPoint = flops;
  row.lowering = ScalarBody{body<F>};
  return row;
}

}  // namespace

llvm::ArrayRef<Row> activationRows() {
  static const std::vector<Row> kRows = {
      activation<relu>("Relu", 1),
      activation<leakyRelu>("LeakyRelu", 3),
      activation<thresholdedRelu>("ThresholdedRelu", 2),
      activation<elu>("Elu", 22),
      activation<selu>("Selu", 22),
      activation<celu>("Celu", 24),
      activation<gelu>("Gelu", 24),
      activation<hardSigmoid>("HardSigmoid", 4),
      activation<hardSwish>("HardSwish", 5),
      activation<softplus>("Softplus", 40),
      activation<softsign>("Softsign", 4),
      activation<mish>("Mish", 60),
      activation<swish>("Swish", 22),
      activation<shrink>("Shrink", 6),
  };
  return kRows;
}

}  // namespace shardwright
