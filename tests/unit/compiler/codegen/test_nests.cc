// Building, compiling and loading nests in tests.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/compiler/codegen/reference.h"

namespace shardwright::testing {

LoadedObject::LoadedObject(const std::string& bytes) {
  file_ = memfd_create("loops", 0);
  if (file_ < 0 || write(file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    error_ = "cannot be written";
    return;
  }
  std::string path = "/proc/self/fd/" + std::to_string(file_);
  handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle_) error_ = dlerror();
}

LoadedObject::~LoadedObject() {
  if (handle_) dlclose(handle_);
  if (file_ >= 0) close(file_);
}

Function LoadedObject::find(const std::string& name) const {
  return handle_ ? reinterpret_cast<Function>(dlsym(handle_, name.c_str())) : nullptr;
}

std::unique_ptr<LoadedObject> compileNests(const std::vector<LoopNest>& nests, const std::string& cpu) {
  StatusOr<CpuTarget> target = CpuTarget::resolve(cpu);
  EXPECT_TRUE(target.ok()) << target.status().message();
  if (!target.ok()) return nullptr;
  StatusOr<std::string> bytes = compileLoops(nests, *target);
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  if (!bytes.ok()) return nullptr;
  auto object = std::make_unique<LoadedObject>(*bytes);
  EXPECT_EQ(object->error(), "");
  return object;
}

Compiled compileNest(const LoopNest& nest, const std::string& cpu) {
  Compiled compiled;
  compiled.object = compileNests({nest}, cpu);
  EXPECT_NE(compiled.object, nullptr) << nest.str();
  if (compiled.object) compiled.function = compiled.object->find(nest.name);
  EXPECT_NE(compiled.function, nullptr) << nest.str();
  return compiled;
}

int PhaseBuilder::leaf(ScalarOp op, DType type, int index) {
  ScalarNode node;
  node.op = op;
  node.dtype = type;
  node.index = index;
  phase_.nodes.push_back(node);
  return static_cast<int>(phase_.nodes.size()) - 1;
}

int PhaseBuilder::real(double value, DType type) {
  int node = leaf(ScalarOp::kConst, type, 0);
  phase_.nodes[node].constant = value;
  return node;
}

int PhaseBuilder::whole(int64_t value, DType type) {
  int node = leaf(ScalarOp::kConst, type, 0);
  phase_.nodes[node].integer = value;
  return node;
}

int PhaseBuilder::op(ScalarOp op, DType type, std::vector<int> inputs) {
  int node = leaf(op, type, 0);
  phase_.nodes[node].inputs = std::move(inputs);
  return node;
}

int PhaseBuilder::op(ScalarOp op, std::vector<int> inputs) {
  bool test = op == ScalarOp::kEqual || op == ScalarOp::kLess || op == ScalarOp::kLessOrEqual ||
              op == ScalarOp::kGreater || op == ScalarOp::kGreaterOrEqual || op == ScalarOp::kIsNaN ||
              op == ScalarOp::kIsInf;
  DType type = test ? DType::kBool : phase_.nodes[inputs.back()].dtype;
  return this->op(op, type, std::move(inputs));
}

LoopNest softmaxNest(const std::string& name, DType type) {
  LoopNest nest;
  nest.name = name;
  nest.numOuter = nest.numInner = 1;
  nest.operands = {{type, false, {kR, kU}}, {type, true, {kR, kU}}};
  nest.phases.resize(3);
  PhaseBuilder first(nest.phases[0]), second(nest.phases[1]), third(nest.phases[2]);
  first.reduce(Reduction::Kind::kMax, first.load(0, DType::kFloat32));
  auto exponential = [](PhaseBuilder& phase) {
    int v = phase.load(0, DType::kFloat32);
    return phase.op(ScalarOp::kExp, {phase.op(ScalarOp::kSub, {v, phase.reduced(0)})});
  };
  second.reduce(Reduction::Kind::kSum, exponential(second));
  int e = exponential(third);
  third.store(1, third.op(ScalarOp::kDiv, {e, third.reduced(1)}));
  return nest;
}

// y = (x - mean) / sqrt(var + 1e-5) * g + b
LoopNest layerNormNest(const std::string& name) {
  LoopNest nest;
  nest.name = name;
  nest.numOuter = nest.numInner = 1;
  nest.operands = {{DType::kFloat32, false, {kR, kU}},
                   {DType::kFloat32, false, {kZ, kU}},
                   {DType::kFloat32, false, {kZ, kU}},
                   {DType::kFloat32, true, {kR, kU}}};
  nest.phases.resize(3);
  auto mean = [](PhaseBuilder& phase) {
    int count = phase.cast(DType::kFloat32, phase.param(0));
    return phase.op(ScalarOp::kDiv, {phase.reduced(0), count});
  };
  nest.numParams = 1;
  PhaseBuilder first(nest.phases[0]), second(nest.phases[1]), third(nest.phases[2]);
  first.reduce(Reduction::Kind::kSum, first.load(0));
  int centred = second.op(ScalarOp::kSub, {second.load(0), mean(second)});
  second.reduce(Reduction::Kind::kSum, second.op(ScalarOp::kMul, {centred, centred}));
  int x = third.op(ScalarOp::kSub, {third.load(0), mean(third)});
  int variance = third.op(ScalarOp::kDiv, {third.reduced(1), third.cast(DType::kFloat32, third.param(0))});
  int root = third.op(ScalarOp::kSqrt, {third.op(ScalarOp::kAdd, {variance, third.real(1e-5)})});
  int scaled = third.op(ScalarOp::kMul, {third.op(ScalarOp::kDiv, {x, root}), third.load(1)});
  third.store(3, third.op(ScalarOp::kAdd, {scaled, third.load(2)}));
  return nest;
}

LoopNest unaryNest(const std::string& name, ScalarOp op, DType from, DType to) {
  LoopNest nest;
  nest.name = name;
  nest.numOuter = nest.numInner = 1;
  nest.operands = {{from, false, {kR, kU}}, {to, true, {kR, kU}}};
  nest.phases.resize(1);
  PhaseBuilder phase(nest.phases[0]);
  phase.store(1, phase.op(op, to, {phase.load(0, from)}));
  return nest;
}

LoopNest binaryNest(const std::string& name, ScalarOp op, DType from, DType to) {
  LoopNest nest;
  nest.name = name;
  nest.numOuter = nest.numInner = 1;
  nest.operands = {{from, false, {kR, kU}}, {from, false, {kR, kU}}, {to, true, {kR, kU}}};
  nest.phases.resize(1);
  PhaseBuilder phase(nest.phases[0]);
  int x = phase.load(0, from);
  phase.store(2, phase.op(op, to, {x, phase.load(1, from)}));
  return nest;
}

}  // namespace shardwright::testing
