#include <cmath>

#include "tests/random/node_makers.h"

namespace shardwright {
namespace {

bool isFloat(const GraphValue& v) { return v.isFloat() && v.rank() >= 1; }
bool isExact(const GraphValue& v) { return isFloat(v) && v.isExact(); }

std::string axisText(GraphBuilder& g, int64_t axis, int rank) {
  return "axis=" + std::to_string(g.random.chance(50) ? axis : axis - rank);
}

void reduce(GraphBuilder& g) {
  auto x = g.pick(isFloat);
  if (!x) return;
  const std::string op = g.random.of<std::string>(
      {"ReduceSum", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceL1", "ReduceSumSquare"});
  GraphValue in = g.tame(*x, op == "ReduceSumSquare" ? 60 : 5000), out = in;
  if (in.name.empty()) return;
  const bool keeps = g.random.chance(60);
  std::vector<int64_t> axes;
  double count = 1;
  out.dims.clear();
  for (int d = 0; d < in.rank(); ++d) {
    const bool isReduced = g.random.chance(40) || (d == in.rank() - 1 && axes.empty());
    if (isReduced) {
      axes.push_back(g.random.chance(50) ? d : d - in.rank());
      count *= static_cast<double>(g.largest(in.dims[static_cast<size_t>(d)]));
    }
    if (!isReduced || keeps) out.dims.push_back(isReduced ? Expr(1) : in.dims[static_cast<size_t>(d)]);
  }
  out.filling = "int";
  if (op == "ReduceSum" || op == "ReduceL1") {
    out.bound *= count;
    out.error *= count;
  } else if (op == "ReduceSumSquare") {
    out.bound = in.bound * in.bound * count;
    out.error = 2 * in.error * in.bound * count;
  }
  if (op == "ReduceMean" || out.error > 0 || out.bound > GraphBuilder::kMaxExact) out.error += 1e-6 * out.bound;
  g.add(op + "<keepdims=" + std::to_string(keeps) + ">", {in.name, g.addInts(axes).name}, out);
}

void softmax(GraphBuilder& g) {
  auto x = g.pick(isFloat);
  if (!x) return;
  const GraphValue in = g.tame(*x, 20);
  if (in.name.empty()) return;
  GraphValue out = in;
  const bool isLog = g.random.chance(25);
  out.filling = "unit";
  out.bound = isLog ? 2 * in.bound + 10 : 1;
  out.error = 2 * in.error + 2e-6 * out.bound;
  g.add((isLog ? "LogSoftmax<" : "Softmax<") + axisText(g, g.random.below(in.rank()), in.rank()) + ">", {in.name}, out);
}

// Rows that are nearly constant make errors large, so only whole numbers are normalised.
void layerNorm(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return isExact(v) && v.size(v.rank() - 1) && *v.size(v.rank() - 1) > 2; });
  if (!x) return;
  const GraphValue in = g.tame(*x, 100);
  if (in.name.empty()) return;
  GraphValue out = in;
  out.bound = 50;
  out.error = 2e-4;
  out.filling = "unit";
  std::vector<std::string> operands = {in.name, g.addWeight({in.dims.back()}).name};
  if (g.random.chance(60)) operands.push_back(g.addWeight({in.dims.back()}).name);
  g.add("LayerNormalization<epsilon=0.01>", operands, out);
}

bool isImage(const GraphValue& v) { return isExact(v) && v.rank() >= 3 && v.rank() <= 4 && v.size(1); }

void batchNorm(GraphBuilder& g) {
  auto x = g.pick(isImage);
  if (!x) return;
  GraphValue out = *x;
  out.bound = 10 * (out.bound + 10);
  out.error = 1e-5 * out.bound;
  std::vector<std::string> operands = {x->name};
  for (const char* filling : {"int", "int", "int", "positive"})
    operands.push_back(g.addWeight({x->dims[1]}, DType::kFloat32, filling).name);
  g.add("BatchNormalization", operands, out);
}

void instanceNorm(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return isImage(v) && v.bound <= 100; });
  if (!x) return;
  GraphValue out = *x;
  out.bound = 50;
  out.error = 2e-4;
  g.add("InstanceNormalization<epsilon=0.01>",
        {x->name, g.addWeight({x->dims[1]}).name, g.addWeight({x->dims[1]}).name}, out);
}

void cumSum(GraphBuilder& g) {
  auto x = g.pick(isFloat);
  if (!x) return;
  const GraphValue in = g.tame(*x, 5000);
  if (in.name.empty()) return;
  const auto axis = g.random.below(in.rank());
  GraphValue out = in;
  const auto count = static_cast<double>(g.largest(in.dims[static_cast<size_t>(axis)]));
  out.bound *= count;
  out.error *= count;
  if (out.error > 0) out.error += 1e-6 * out.bound;
  out.filling = "int";
  g.add("CumSum<exclusive=" + std::to_string(g.random.below(2)) + ",reverse=" + std::to_string(g.random.below(2)) + ">",
        {in.name, g.addInt(axis).name}, out);
}

}  // namespace

std::vector<NodeMaker> reductionMakers() {
  return {reduce, reduce, reduce, softmax, softmax, layerNorm, batchNorm, instanceNorm, cumSum};
}

}  // namespace shardwright
