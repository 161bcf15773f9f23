// Owns the interface between the executor and a kernel: what a kernel is given, when it may allocate, how it is found.
// The kernels themselves are the sibling folders, one each.
//
// Life of a kernel step:
//   load     make(): attributes and post-ops are parsed once into a Kernel; wrong ones are a kUserError.
//   weights  for each operand that is a constant: packedBytes() and pack(), once; run() then gets the packed bytes.
//   sizes    prepare(): once per set of sizes, before the first run with them. May allocate and compile primitives.
//   run      run(): any number of times. Allocates nothing, takes no lock, cannot fail.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"

namespace shardwright {

constexpr int kMaxRank = 8;

// A strided window in memory; strides in elements, may be 0 (broadcast). data is null for an absent optional operand.
struct TensorRef {
  void* data = nullptr;
  DType dtype = DType::kUndefined;
  int rank = 0;
  int64_t dims[kMaxRank] = {};
  int64_t strides[kMaxRank] = {};

  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  bool absent() const { return dtype == DType::kUndefined; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

// An attribute, already evaluated: expressions have become integers.
using AttrValue = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;
using Attrs = std::map<std::string, AttrValue, std::less<>>;

struct PostOpSpec {
  std::string kind;
  int operand = -1;  // index into the step's inputs for binary kinds
  std::vector<double> params;
};

// What make() is told: nothing about sizes.
struct KernelSpec {
  std::string step;  // for messages
  Attrs attrs;       // those that are not expressions
  std::vector<PostOpSpec> postOps;
  std::vector<DType> inputs, outputs;  // kUndefined: absent
  std::vector<bool> constantInputs;    // which inputs are constants, so that pack() may be asked for
};

// One set of sizes of one step.
class PreparedKernel {
 public:
  virtual ~PreparedKernel() = default;
  // Bytes of scratch that run() needs, 64-byte aligned, contents undefined; the same memory may serve every step.
  virtual int64_t scratchBytes() const { return 0; }
  // inputs and outputs have the dims and strides given to prepare(); their data may differ from run to run. A packed
  // operand's data is what pack() filled. Everything is done when it returns.
  virtual void run(const TensorRef* inputs, const TensorRef* outputs, void* scratch, ThreadPool& pool) = 0;
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // Bytes of this constant operand in the kernel's own layout, valid for every later prepare(); 0: used as it is.
  // Asked of every kernel before its prepare(), once for each constant operand: an answer above 0 says that run() will be
  // given packed bytes, be they packed by this kernel or by another of the same attributes, types and constant.
  virtual int64_t packedBytes(int input, const TensorRef& constant) {
    (void)input, (void)constant;
    return 0;
  }
  virtual Status pack(int input, const TensorRef& constant, void* packed, ThreadPool& pool) {
    (void)input, (void)constant, (void)packed, (void)pool;
    return Status();
  }
  // Sizes and strides of all operands (data may be null); attributes that were expressions, evaluated. kUserError if
  // they do not fit together; the message names what was found and what is allowed.
  virtual StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                            const std::vector<TensorRef>& outputs,
                                                            const Attrs& sizeAttrs, int numThreads) = 0;
};

// A kernel's entry in the list of all kernels (kernel_list.h): one per folder. A listed kernel without a CPU body does
// not link.
struct KernelEntry {
  const char* name;
  // Parses and checks attributes, post-ops and operand types; also what the plan's checker calls.
  StatusOr<std::unique_ptr<Kernel>> (*make)(const KernelSpec& spec);
};

// The CPU kernel of that name, or null.
const KernelEntry* findCpuKernel(std::string_view name);

// The function of generated code; see compiler/codegen/loop_nest.h for its contract. The kernel "loop" calls it through
// the attribute "function", which the executor replaces by the address (attribute "address").
using LoopFunction = void (*)(void* const* buffers, const int64_t* sizes, int64_t begin, int64_t end);

}  // namespace shardwright
