// Measures kernels against the machine: matrix products and convolutions in GFLOP/s (beside what oneDNN alone reaches on
// one thread), small numbers of rows in bytes of weights per second, attention in GFLOP/s.
//
//   bench_kernels --benchmark_filter=matmul
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "runtime/kernels/kernel.h"
#include "runtime/kernels/onednn.h"
#include "runtime/kernels/strided.h"

namespace shardwright {
namespace {

struct Buffer {
  explicit Buffer(int64_t bytes) : data(std::aligned_alloc(64, (bytes + 127) / 64 * 64)) {
    std::memset(data, 0, bytes + 64);
  }
  ~Buffer() { std::free(data); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* data;
};

// A dense float32 tensor whose dims lie in memory in the given order; its own order if that is empty.
struct Tensor {
  explicit Tensor(std::vector<int64_t> dims, std::vector<int> order = {})
      : buffer(4 * std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>())) {
    ref.dtype = DType::kFloat32;
    ref.rank = static_cast<int>(dims.size());
    std::copy(dims.begin(), dims.end(), ref.dims);
    if (order.empty()) {
      order.resize(dims.size());
      std::iota(order.begin(), order.end(), 0);
    }
    int64_t step = 1;
    for (size_t i = order.size(); i-- > 0;) {
      ref.strides[order[i]] = step;
      step *= dims[order[i]];
    }
    ref.data = buffer.data;
    for (int64_t i = 0; i < step; ++i) static_cast<float*>(buffer.data)[i] = static_cast<float>(i % 7) * 0.1f - 0.3f;
  }
  Buffer buffer;
  TensorRef ref;
};

struct Step {
  std::string kernel;
  Attrs attrs;
  std::vector<PostOpSpec> postOps;
  std::vector<TensorRef> inputs, outputs;
  int constant = -1;  // an input that is packed
};

void runStep(benchmark::State& state, Step step, int threads, double flops, double bytes) {
  KernelSpec spec{"bench", step.attrs, step.postOps, {}, {}, {}};
  for (const TensorRef& r : step.inputs) spec.inputs.push_back(r.dtype);
  for (const TensorRef& r : step.outputs) spec.outputs.push_back(r.dtype);
  spec.constantInputs.assign(step.inputs.size(), false);
  if (step.constant >= 0) spec.constantInputs[step.constant] = true;
  auto kernel = findCpuKernel(step.kernel)->make(spec);
  if (!kernel.ok()) return state.SkipWithError(kernel.status().message().c_str());
  ThreadPool pool(threads);
  std::unique_ptr<Buffer> packed;
  if (step.constant >= 0) {
    TensorRef& constant = step.inputs[step.constant];
    if (int64_t size = (*kernel)->packedBytes(step.constant, constant)) {
      packed = std::make_unique<Buffer>(size);
      if (!(*kernel)->pack(step.constant, constant, packed->data, pool).ok()) return state.SkipWithError("pack");
      constant.data = packed->data;
    }
  }
  auto prepared = (*kernel)->prepare(step.inputs, step.outputs, {}, threads);
  if (!prepared.ok()) return state.SkipWithError(prepared.status().message().c_str());
  Buffer scratch((*prepared)->scratchBytes() + 64);
  for (auto _ : state) (*prepared)->run(step.inputs.data(), step.outputs.data(), scratch.data, pool);
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  if (bytes > 0) {
    state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  }
}

// m, k, n, threads, post-ops.
void matmul(benchmark::State& state) {
  int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  Tensor a({m, k}), b({k, n}), bias({n}), c({m, n});
  Step step{"matmul", {}, {}, {a.ref, b.ref}, {c.ref}, 1};
  if (state.range(4) != 0) {
    step.inputs.push_back(bias.ref);
    step.postOps = {{"add", 2, {}}, {"gelu_erf", -1, {}}};
  }
  runStep(state, step, static_cast<int>(state.range(3)), 2.0 * m * k * n, m < 16 ? 4.0 * k * n : 0);
}

// The same product by oneDNN alone, one thread, weights in its own layout.
void onednnMatmul(benchmark::State& state) {
  int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  onednn::OneThread oneThread;
  dnnl_dims_t aDims = {m, k}, bDims = {k, n}, cDims = {m, n};
  dnnl_memory_desc_t a, b, c;
  dnnl_memory_desc_init_by_tag(&a, 2, aDims, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_init_by_tag(&b, 2, bDims, dnnl_f32, dnnl_format_tag_any);
  dnnl_memory_desc_init_by_tag(&c, 2, cDims, dnnl_f32, dnnl_ab);
  dnnl_matmul_desc_t desc;
  dnnl_matmul_desc_init(&desc, &a, &b, nullptr, &c);
  dnnl_primitive_desc_t made = nullptr;
  dnnl_primitive_t primitive = nullptr;
  dnnl_primitive_desc_create(&made, &desc, nullptr, onednn::engine(), nullptr);
  dnnl_primitive_create(&primitive, made);
  b = *dnnl_primitive_desc_query_md(made, dnnl_query_weights_md, 0);
  Buffer aData(4 * m * k), bData(static_cast<int64_t>(dnnl_memory_desc_get_size(&b))), cData(4 * m * n);
  auto place = [](const dnnl_memory_desc_t& d) { return onednn::Placed(std::move(onednn::makeMemory(d)).value()); };
  onednn::Placed aMemory = place(a), bMemory = place(b), cMemory = place(c);
  dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, aMemory.at(aData.data)},
                            {DNNL_ARG_WEIGHTS, bMemory.at(bData.data)},
                            {DNNL_ARG_DST, cMemory.at(cData.data)}};
  for (auto _ : state) dnnl_primitive_execute(primitive, onednn::stream(), 3, args);
  dnnl_primitive_destroy(primitive);
  dnnl_primitive_desc_destroy(made);
  double flops = 2.0 * static_cast<double>(m * k * n);
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

// channels, filters, size, kernel, stride, threads, channels last.
void conv(benchmark::State& state) {
  int64_t c = state.range(0), m = state.range(1), size = state.range(2), k = state.range(3), stride = state.range(4);
  std::vector<int> order = {0, 1, 2, 3};
  if (state.range(6) != 0) order = {0, 2, 3, 1};
  int64_t pad = k == stride ? 0 : k / 2, out = (size + 2 * pad - k) / stride + 1;
  Tensor x({1, c, size, size}, order), w({m, c, k, k}), bias({m}), y({1, m, out, out}, order);
  Step step{"conv", {}, {{"relu", -1, {}}}, {x.ref, w.ref, bias.ref}, {y.ref}, 1};
  step.attrs = {{"strides", std::vector<int64_t>{stride, stride}},
                {"pads", std::vector<int64_t>(4, pad)},
                {"group", int64_t{1}},
                {"assumed_spatial", std::vector<int64_t>{size, size}}};
  runStep(state, step, static_cast<int>(state.range(5)), 2.0 * c * m * k * k * out * out, 0);
}

// heads, kv heads, queries, keys, depth, threads.
void attention(benchmark::State& state) {
  int64_t h = state.range(0), g = state.range(1), s = state.range(2), t = state.range(3), d = state.range(4);
  Tensor q({1, h, s, d}, {0, 2, 1, 3}), k({1, g, t, d}), v({1, g, t, d}), y({1, h, s, d}, {0, 2, 1, 3});
  Step step{"attention", {}, {}, {q.ref, k.ref, v.ref}, {y.ref}};
  runStep(state, step, static_cast<int>(state.range(5)), 4.0 * h * s * t * d, s == 1 ? 8.0 * g * t * d : 0);
}

const std::vector<std::vector<int64_t>> kProducts = {{128, 768, 768}, {128, 768, 3072}, {128, 3072, 768},
                                                     {1, 2048, 8192}, {1, 768, 3072},   {7, 768, 50257}};

void addMatmuls(benchmark::internal::Benchmark* b, int64_t threads) {
  for (const auto& p : kProducts) b->Args({p[0], p[1], p[2], threads, 0});
  b->Args({128, 768, 3072, threads, 1});
}
void addProducts(benchmark::internal::Benchmark* b) {
  for (const auto& p : kProducts) b->Args({p[0], p[1], p[2]});
}
void addConvs(benchmark::internal::Benchmark* b, int64_t threads) {
  b->Args({3, 64, 224, 7, 2, threads, 0});
  for (int64_t last : {1, 0}) {
    b->Args({64, 64, 56, 3, 1, threads, last});
    b->Args({256, 128, 56, 1, 1, threads, last});
    b->Args({256, 512, 56, 1, 2, threads, last});
    b->Args({256, 256, 14, 3, 1, threads, last});
    b->Args({512, 512, 7, 3, 1, threads, last});
    b->Args({512, 2048, 7, 1, 1, threads, last});
  }
}
void addAttentions(benchmark::internal::Benchmark* b, int64_t threads) {
  b->Args({12, 12, 128, 128, 64, threads});
  b->Args({12, 12, 1024, 1024, 64, threads});
  b->Args({32, 8, 1, 2048, 64, threads});
  b->Args({12, 12, 1, 1024, 64, threads});
}

// One thread is measured in processor time, which others on the machine do not disturb much; two in real time.
template <void (*add)(benchmark::internal::Benchmark*, int64_t), int64_t kThreads>
void with(benchmark::internal::Benchmark* b) {
  add(b, kThreads);
  if (kThreads > 1) b->UseRealTime();
}

BENCHMARK(onednnMatmul)->Apply(addProducts);
BENCHMARK(matmul)->Apply(with<addMatmuls, 1>);
BENCHMARK(matmul)->Apply(with<addMatmuls, 2>);
BENCHMARK(conv)->Apply(with<addConvs, 1>);
BENCHMARK(conv)->Apply(with<addConvs, 2>);
BENCHMARK(attention)->Apply(with<addAttentions, 1>);
BENCHMARK(attention)->Apply(with<addAttentions, 2>);

}  // namespace
}  // namespace shardwright

BENCHMARK_MAIN();
