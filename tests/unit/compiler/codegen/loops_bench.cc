// Measures generated loops against plain copying: bytes that must move per second, for operands in cache and in memory.
// Not a test; ninja bench_loops && build/.../tests/bench_loops [CPU]. One thread.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>

#include "tests/unit/compiler/codegen/reference.h"

namespace shardwright::testing {
namespace {

double secondsOf(const std::function<void()>& run) {
  auto now = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  run();
  double best = 1e9, total = 0;
  for (int i = 0; i < 5 || (total < 0.3 && i < 100000); ++i) {
    double start = now();
    run();
    double seconds = now() - start;
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

LoopNest geluNest() {
  LoopNest nest = unaryNest("gelu", ScalarOp::kNeg, DType::kFloat32, DType::kFloat32);
  PhaseBuilder phase(nest.phases[0]);
  int x = 0;
  int erf = phase.op(ScalarOp::kErf, {phase.op(ScalarOp::kMul, {x, phase.real(0.70710678118654752)})});
  int half = phase.op(ScalarOp::kMul, {x, phase.real(0.5)});
  nest.phases[0].stores[0].value = phase.op(ScalarOp::kMul, {half, phase.op(ScalarOp::kAdd, {erf, phase.real(1)})});
  return nest;
}

// y[column] = Σ_row x[row, column]
LoopNest columnSumNest() {
  LoopNest nest;
  nest.name = "column_sum";
  nest.numOuter = nest.numInner = 1;
  nest.operands = {{DType::kFloat32, false, {kU, kR}}, {DType::kFloat32, true, {kU, kZ}}};
  nest.phases.resize(1);
  PhaseBuilder phase(nest.phases[0]);
  phase.reduce(Reduction::Kind::kSum, phase.load(0));
  phase.store(1, phase.reduced(0));
  return nest;
}

LoopNest rowSumNest() {
  LoopNest nest = columnSumNest();
  nest.name = "row_sum";
  nest.operands[0].strides = {kR, kU};
  return nest;
}

void report(const char* name, int64_t rows, int64_t columns, double bytes, const std::function<void()>& run) {
  double seconds = secondsOf(run);
  std::printf("%-16s %7ld x %-6ld %8.2f GB/s %8.3f ns/element\n", name, static_cast<long>(rows),
              static_cast<long>(columns), bytes / seconds * 1e-9, seconds * 1e9 / static_cast<double>(rows * columns));
}

void measure(const LoadedObject& object, int64_t rows, int64_t columns) {
  int64_t count = rows * columns;
  std::vector<float> a(count, 0.3f), b(count, -1.7f), c(count), gain(columns, 1.1f);
  for (int64_t i = 0; i < count; ++i) a[i] = static_cast<float>(i % 977) * 0.008f - 4;
  double bytes = 4.0 * static_cast<double>(count);
  report("memcpy", rows, columns, 2 * bytes, [&] { std::memcpy(c.data(), a.data(), count * 4); });
  int64_t one[] = {rows, columns, columns, 1, columns, 1};
  int64_t two[] = {rows, columns, columns, 1, columns, 1, columns, 1};
  int64_t norm[] = {rows, columns, columns, 1, 0, 1, 0, 1, columns, 1, columns};
  int64_t rowSum[] = {rows, columns, columns, 1, 1, 0};
  int64_t columnSum[] = {columns, rows, 1, columns, 1, 0};
  void* ac[] = {a.data(), c.data()};
  void* abc[] = {a.data(), b.data(), c.data()};
  void* anormc[] = {a.data(), gain.data(), gain.data(), c.data()};
  auto call = [&](const char* name, void** buffers, int64_t* sizes, int64_t end) {
    return [=, function = object.find(name)] { function(buffers, sizes, 0, end); };
  };
  report("add", rows, columns, 3 * bytes, call("add", abc, two, rows));
  report("gelu_erf", rows, columns, 2 * bytes, call("gelu", ac, one, rows));
  report("tanh", rows, columns, 2 * bytes, call("tanh", ac, one, rows));
  report("softmax", rows, columns, 2 * bytes, call("softmax", ac, one, rows));
  report("layernorm", rows, columns, 2 * bytes, call("layernorm", anormc, norm, rows));
  report("row_sum", rows, columns, bytes, call("row_sum", ac, rowSum, rows));
  report("column_sum", rows, columns, bytes, call("column_sum", ac, columnSum, columns));
}

}  // namespace
}  // namespace shardwright::testing

int main(int argc, char** argv) {
  using namespace shardwright;
  using namespace shardwright::testing;
  std::vector<LoopNest> nests = {softmaxNest(),
                                 layerNormNest(),
                                 geluNest(),
                                 rowSumNest(),
                                 columnSumNest(),
                                 binaryNest("add", ScalarOp::kAdd, DType::kFloat32, DType::kFloat32),
                                 unaryNest("tanh", ScalarOp::kTanh, DType::kFloat32, DType::kFloat32)};
  auto object = compileNests(nests, argc > 1 ? argv[1] : "");
  if (!object) return 1;
  for (auto [rows, columns] :
       {std::pair<int64_t, int64_t>{1024, 64}, {512, 197}, {128, 512}, {32, 4096}, {8192, 4096}}) {
    measure(*object, rows, columns);
  }
}
