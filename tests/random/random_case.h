// Owns a random case as data and as text: a graph, a mesh, what the user asks for, and sizes to run with. It knows nothing of how
// cases are made or run.
//
//   opset 20
//   mesh a=2,tp=3
//   microbatches 2                               missing: 1
//   schedule interleaved:2                       missing: the compiler's choice
//   memory 110                                   a rank may hold so many percent of what it needs without a limit; missing: none
//   given gpt2                                   that model of tests/models, and its data sets, instead of sizes and a graph
//   sizes n=5 m=2                                one line per run
//   input x0 float[n,6] int
//   weight w0 float[6,7] int
//   weight c0 int64[2] values 3 -1
//   node t0 float[n,7] int = MatMul(x0, w0)
//   node t1 float[n,3] int ; t2 int64[n,3] below 7 = TopK<axis=1>(t0, c1)
//   output t0 0                                  its tolerance
//   pin t0 ["a"],null                            as in SPEC.json's "tensors"
//   strategy t0 a 0.1                            as in its "nodes": axis a splits dim 1 of operand 0
//   stage t0 1                                   as in its "nodes": stage 1 of the pipeline computes it
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/expr.h"
#include "runtime/base/host_tensor.h"

namespace shardwright {

struct CaseValue {
  std::string name;
  DType dtype = DType::kFloat32;
  std::vector<Expr> dims;
  // What it holds where it is an input or a weight: "int" small integers that are not 0, "positive" 1 to 9, "unit" numbers in
  // (-1, 1), "below N" indices, "bool", "values V…".
  std::string filling = "int";
};

struct CaseNode {
  std::vector<CaseValue> results;
  std::string op;  // with its attributes, as ONNX's text form has them
  std::vector<std::string> operands;
  const std::string& name() const { return results.front().name; }
};

struct CaseOutput {
  std::string name;
  double tolerance = 0;  // 0: equal
};

struct CasePin {
  std::string name;
  std::vector<std::optional<std::vector<std::string>>> dims;
};

struct CaseStrategy {
  std::string node, axis, place;
};

struct CaseStage {
  std::string node;
  int stage = 0;
};

struct RandomCase {
  int opset = 20;
  std::string mesh;
  int microbatches = 1;
  std::string schedule;
  int memoryPercent = 0;
  std::string given;
  std::vector<Bindings> sizes;
  std::vector<CaseValue> inputs, weights;
  std::vector<CaseNode> nodes;
  std::vector<CaseOutput> outputs;
  std::vector<CasePin> pins;
  std::vector<CaseStrategy> strategies;
  std::vector<CaseStage> stages;

  std::string str() const;
  static StatusOr<RandomCase> parse(const std::string& text);

  // An input, a weight or a node's result; null if there is none of that name.
  const CaseValue* find(const std::string& name) const;
  // Without the nodes, inputs, weights and pins that no output needs.
  void prune();
  // What the ONNX model calls the node.
  std::string nodeName(const std::string& node) const { return given.empty() ? "node_" + node : node; }
  // SPEC.json.
  std::string spec() const;
  // The ONNX model, serialised; there is none of a given one.
  StatusOr<std::string> model() const;
};

// The value's elements for these sizes; the same for the same name.
StatusOr<HostTensor> fill(const CaseValue& value, const Bindings& sizes);

}  // namespace shardwright
