// Owns running one kernel in a test: strided operands with guarded storage, and the life of a kernel step.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "runtime/kernels/kernel.h"
#include "runtime/kernels/strided.h"

namespace shardwright {

template <typename T>
constexpr DType dtypeOf() {
  if constexpr (std::is_same_v<T, float>) return DType::kFloat32;
  if constexpr (std::is_same_v<T, double>) return DType::kFloat64;
  if constexpr (std::is_same_v<T, int64_t>) return DType::kInt64;
  if constexpr (std::is_same_v<T, int32_t>) return DType::kInt32;
  if constexpr (std::is_same_v<T, int16_t>) return DType::kInt16;
  if constexpr (std::is_same_v<T, uint16_t>) return DType::kUint16;
  if constexpr (std::is_same_v<T, int8_t>) return DType::kInt8;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::kUint8;
  if constexpr (std::is_same_v<T, bool>) return DType::kBool;
  return DType::kUndefined;
}

// A tensor of a test. Its strides may be permuted, padded or 0; storage that no element names keeps a guard value.
template <typename T>
struct TestTensor {
  std::vector<int64_t> dims, strides;
  std::vector<T> storage;
  DType dtype = dtypeOf<T>();

  TestTensor() = default;
  explicit TestTensor(std::vector<int64_t> d) : TestTensor(d, denseStrides(d.data(), static_cast<int>(d.size()))) {}
  TestTensor(std::vector<int64_t> d, std::vector<int64_t> s) : dims(std::move(d)), strides(std::move(s)) {
    int64_t last = 0;
    for (size_t i = 0; i < dims.size(); ++i) last += (dims[i] > 0 ? dims[i] - 1 : 0) * strides[i];
    storage.assign(last + 1, guard());
  }
  // Dims laid out in the given order (major first), each row of the innermost followed by `gap` unused elements.
  static TestTensor ordered(std::vector<int64_t> d, const std::vector<int>& order, int64_t gap = 0) {
    std::vector<int64_t> s(d.size());
    int64_t step = 1;
    for (size_t i = order.size(); i-- > 0;) {
      s[order[i]] = step;
      step = step * d[order[i]] + (i + 1 == order.size() ? gap : 0);
    }
    return TestTensor(std::move(d), std::move(s));
  }
  static T guard() { return static_cast<T>(77); }

  int64_t count() const { return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>()); }
  int64_t offset(const std::vector<int64_t>& index) const {
    int64_t o = 0;
    for (size_t i = 0; i < index.size(); ++i) o += index[i] * strides[i];
    return o;
  }
  T& at(const std::vector<int64_t>& index) { return storage[offset(index)]; }
  const T& at(const std::vector<int64_t>& index) const { return storage[offset(index)]; }
  // The element with that row-major number.
  T& flat(int64_t i) { return storage[flatOffset(i, static_cast<int>(dims.size()), dims.data(), strides.data())]; }

  TensorRef ref() {
    TensorRef r;
    r.data = storage.data();
    r.dtype = dtype;
    r.rank = static_cast<int>(dims.size());
    std::copy(dims.begin(), dims.end(), r.dims);
    std::copy(strides.begin(), strides.end(), r.strides);
    return r;
  }
  // Distinct small values, none of them 0, signs mixed.
  TestTensor& fill(int seed) {
    for (int64_t i = 0; i < count(); ++i) {
      int64_t v = (i * 7919 + seed * 104729) % 23 - 11;
      flat(i) = static_cast<T>(v >= 0 ? v + 1 : v);
    }
    return *this;
  }
  std::vector<T> values() {
    std::vector<T> v;
    for (int64_t i = 0; i < count(); ++i) v.push_back(flat(i));
    return v;
  }
  // Fails the test if storage outside of the elements was written.
  void expectGuarded() {
    std::set<int64_t> named;
    for (int64_t i = 0; i < count(); ++i) {
      named.insert(flatOffset(i, static_cast<int>(dims.size()), dims.data(), strides.data()));
    }
    for (size_t i = 0; i < storage.size(); ++i) {
      if (named.count(static_cast<int64_t>(i)) == 0) {
        ASSERT_EQ(storage[i], guard()) << "storage element " << i << " was written";
      }
    }
  }
};

// Calls f(index) for every index of the dims, row major.
inline void forEachIndex(const std::vector<int64_t>& dims, const std::function<void(const std::vector<int64_t>&)>& f) {
  int64_t count = std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
  std::vector<int64_t> index(dims.size());
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i;
    for (size_t d = dims.size(); d-- > 0;) {
      index[d] = rest % dims[d];
      rest /= dims[d];
    }
    f(index);
  }
}

struct KernelRun {
  std::string kernel;
  Attrs attrs = {}, sizeAttrs = {};
  std::vector<PostOpSpec> postOps = {};
  std::vector<int> constants = {};  // inputs that are constants
  int threads = 3;

  // make, pack, prepare, and two runs.
  Status operator()(std::vector<TensorRef> inputs, std::vector<TensorRef> outputs) const {
    const KernelEntry* entry = findCpuKernel(kernel);
    if (entry == nullptr) return internalError("no kernel " + kernel);
    KernelSpec spec;
    spec.step = "tested";
    spec.attrs = attrs;
    spec.postOps = postOps;
    spec.constantInputs.assign(inputs.size(), false);
    for (int i : constants) spec.constantInputs[i] = true;
    for (const TensorRef& r : inputs) spec.inputs.push_back(r.dtype);
    for (const TensorRef& r : outputs) spec.outputs.push_back(r.dtype);
    SW_ASSIGN_OR_RETURN(std::unique_ptr<Kernel> made, entry->make(spec));
    ThreadPool pool(threads);
    std::vector<std::vector<char>> packed;
    for (int i : constants) {
      int64_t bytes = made->packedBytes(i, inputs[i]);
      packed.emplace_back(bytes + 64, char(0xff));
      if (bytes == 0) continue;
      char* aligned = packed.back().data() + (64 - reinterpret_cast<uintptr_t>(packed.back().data()) % 64) % 64;
      SW_RETURN_IF_ERROR(made->pack(i, inputs[i], aligned, pool));
      inputs[i].data = aligned;
    }
    SW_ASSIGN_OR_RETURN(std::unique_ptr<PreparedKernel> prepared, made->prepare(inputs, outputs, sizeAttrs, threads));
    std::vector<char> scratch(prepared->scratchBytes() + 128, char(0xff));
    char* aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64) % 64;
    aligned[prepared->scratchBytes()] = 99;
    for (int i = 0; i < 2; ++i) prepared->run(inputs.data(), outputs.data(), aligned, pool);
    EXPECT_EQ(aligned[prepared->scratchBytes()], 99) << "wrote past the scratch";
    return Status();
  }
};

inline ::testing::AssertionResult isOk(const Status& status) {
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << status.message();
}

inline TensorRef absentRef() { return TensorRef(); }

}  // namespace shardwright
